"""A new model folder."""
