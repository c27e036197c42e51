"""The nouns of maild: frozen dataclasses and enums, without I/O. They import nothing of maild but errors."""
