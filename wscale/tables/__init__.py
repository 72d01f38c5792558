"""The weightNorm table: its files, comparison, and how it fits a cell."""
