"""Every method of every registry, against the contract."""
