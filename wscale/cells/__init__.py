"""Cell rules from JSON, pickle, hoc, Python, SWC and NeuroML2 files, and their checks."""
