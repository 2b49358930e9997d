"""Built-in networks, one file each: a function from an input's shape to a network with random weights."""
