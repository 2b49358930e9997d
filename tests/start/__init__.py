"""Tests of `headstart.start`."""
