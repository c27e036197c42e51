"""maild turns email into cases."""

__version__ = "0.1.0"
