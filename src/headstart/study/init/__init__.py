"""From data to a first study file: look, guess, write, check."""
