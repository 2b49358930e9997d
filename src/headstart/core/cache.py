"""Where activations and pre-trained starts are kept between studies."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "HEADSTART_CACHE"


def calibrations(cache: Path) -> Path:
    """Return where measured step times are kept: two runs on one machine then choose the same way."""
    return cache / "calibrations"


def cache_folder() -> Path:
    """Return the folder of what studies share: ``$HEADSTART_CACHE``, or the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get(VARIABLE) or user_cache_path("headstart"))
