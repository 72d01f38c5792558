"""The single-cell model as plain data: sites, targets, synapses and checks."""
