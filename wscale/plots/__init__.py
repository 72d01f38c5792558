"""Figures of a results folder and of single results."""
