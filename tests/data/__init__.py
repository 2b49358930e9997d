"""Tests of the data part."""
