"""Headstart: should clients fine-tune a pre-trained model instead of running federated averaging?

The public names are loaded when they are first used, so that ``import headstart`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headstart.core.version import __version__

if TYPE_CHECKING:
    from headstart.core.errors import HeadstartError
    from headstart.data import from_arrays, open_federation
    from headstart.data.federation import Client, Federation
    from headstart.evidence.verdict import Verdict
    from headstart.study.api import Result, run
    from headstart.study.study import Outcome, Study
    from headstart.study.written.arms import Arm

_HOMES = {
    "Arm": "headstart.study.written.arms",
    "Client": "headstart.data.federation",
    "Federation": "headstart.data.federation",
    "HeadstartError": "headstart.core.errors",
    "Outcome": "headstart.study.study",
    "Result": "headstart.study.api",
    "Study": "headstart.study.study",
    "Verdict": "headstart.evidence.verdict",
    "from_arrays": "headstart.data",
    "open_federation": "headstart.data",
    "run": "headstart.study.api",
}

__all__ = [
    "Arm",
    "Client",
    "Federation",
    "HeadstartError",
    "Outcome",
    "Result",
    "Study",
    "Verdict",
    "__version__",
    "from_arrays",
    "open_federation",
    "run",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
