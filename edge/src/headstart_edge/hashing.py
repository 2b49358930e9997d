"""Hashes from CPython's own modules: ``hashlib`` would load OpenSSL, 3.5 MB that a small device has better use for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b, sha256
else:
    from importlib import import_module

    blake2b = import_module("_blake2").blake2b
    sha256 = import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256

__all__ = ["blake2b", "sha256"]
