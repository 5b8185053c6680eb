"""Whether implementations keep their limits, and do no worse than they did: a gate for continuous integration."""
