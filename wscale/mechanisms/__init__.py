"""NMODL: what files declare, compiling, the cached library, several folders, loading."""
