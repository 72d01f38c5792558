"""Text, plain data, JSON files, pickles, atomic files, cache folders and formulas."""
