"""What is kept between studies, in the user's cache folder: activations, starts, step times, decoded images."""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLE = "HEADSTART_CACHE"


def calibrations(cache: Path) -> Path:
    """Return where measured step times are kept: two runs on one machine then choose the same way."""
    return cache / "calibrations"


def images(cache: Path) -> Path:
    """Return where decoded images are kept, which may be deleted at any time."""
    return cache / "images"


def cache_folder() -> Path:
    """Return the folder of what studies share: ``$HEADSTART_CACHE``, or the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get(_VARIABLE) or user_cache_path("headstart"))
