"""Networks of the user's own: any ``nn.Module``, from a function that a study file names or as an object in Python."""

from __future__ import annotations

from headstart.models.own.build import build_own, remarks_on
from headstart.models.own.source import Own, given, imported
from headstart.models.own.state import own_state

__all__ = ["Own", "build_own", "given", "imported", "own_state", "remarks_on"]
