"""Tests of `headstart.adapt`."""
