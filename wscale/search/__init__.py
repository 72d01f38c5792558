"""Searches over sites: the grid of weights, the targeted search, traced trials."""
