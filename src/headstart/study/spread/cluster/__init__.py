"""A study's pieces over a cluster: machines on which Ray runs, and workers of ours on their cores."""

from __future__ import annotations
