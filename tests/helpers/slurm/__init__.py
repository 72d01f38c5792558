"""A real SLURM of one node, for tests."""
