"""Training replayed: where in it the first inf or nan appears, and how it spreads."""
