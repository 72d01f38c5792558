"""Processes for code that may die, and who runs what: joblib, or a cluster; nothing of cells."""
