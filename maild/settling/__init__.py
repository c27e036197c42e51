"""What one message becomes: all of it in one transaction."""
