"""What is in a model before any search, how it rests, and what a search costs."""
