"""Mail in: the doors that take it, and the functions that read it."""
