"""Mail out: rendering, composing, sending."""
