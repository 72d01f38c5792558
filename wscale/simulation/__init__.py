"""All that runs NEURON: session, building, the settled cell, trials, NetPyNE's full run."""
