"""A results folder: its manifest, journal, lock, provenance, morphology and traces."""
