"""Which softmax survives: formulations measured against certified truth."""
__version__ = "0.1.0"
