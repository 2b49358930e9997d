"""Pieces of a study in many processes: what they are, in which order they go, who does them."""
