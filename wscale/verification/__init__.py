"""Tables put to the test: in a NetPyNE network, or entry by entry."""
