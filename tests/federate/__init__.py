"""Tests of `headstart.federate`."""
