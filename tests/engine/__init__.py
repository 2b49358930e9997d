"""Tests of `headstart.engine`."""
