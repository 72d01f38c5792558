"""A whole job, from settings to a results folder."""
