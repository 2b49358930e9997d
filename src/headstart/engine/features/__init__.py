"""The frozen part of a network, computed once for all examples."""
