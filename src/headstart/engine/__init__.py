"""Where client work runs: the serial engine specifies, the fleet engine is fast, and both give the same numbers."""
