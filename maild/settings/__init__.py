"""The configuration directory, read into frozen typed models, or every fault with its place."""
