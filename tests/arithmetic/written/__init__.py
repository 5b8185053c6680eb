"""NumPy code as people write it, that has never heard of recording."""
