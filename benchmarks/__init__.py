"""How long trials take, side by side: ``python -m benchmarks``."""
