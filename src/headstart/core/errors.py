"""The errors a user can meet.

HeadstartError
├── SettingError      a study file, an argument or a method's hyper-parameter
├── DataError         a data source, a federation, an example
├── StartError        a start cannot be trained; the arms that need it are ruled out, the others go on
├── ModelError        a checkpoint, a network, where it is cut
├── ClientError       one client's work failed; the round goes on without it
├── EngineError       the engine itself failed: processes, memory, device; no client is to blame
└── MissingExtra      an optional dependency is not installed

Each message names the setting, the rule, the value received and a way out.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class HeadstartError(Exception):
    """Root of every error that Headstart raises on purpose."""


class SettingError(HeadstartError):
    """A setting breaks a rule; raised before any work starts."""


class MetricError(SettingError):
    """A metric of the user's own fails: no arm is to blame, and the study stops."""


class DataError(HeadstartError):
    """A data source cannot be read, or its content breaks a rule."""


class StartError(HeadstartError):
    """A start cannot be trained: the arms that need it are ruled out, the others go on."""


class ModelError(HeadstartError):
    """A network cannot be built, loaded or cut as asked."""


class ClientError(HeadstartError):
    """One client's work failed: it is recorded, left out of the round, and the run goes on."""


class EngineError(HeadstartError):
    """The engine itself failed: its processes, memory or device; no client is to blame, and what ran is no evidence."""


class MissingExtra(HeadstartError):
    """An optional dependency is needed and not installed."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid names exist, the likeliest first.

    >>> nearest("fedavgg", ["fedavg", "ridge"])
    "did you mean 'fedavg'? (valid: fedavg, ridge)"
    >>> nearest("xyz", ["fedavg", "ridge"])
    'valid: fedavg, ridge'
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    listing = ", ".join(names)
    return f"did you mean '{close[0]}'? (valid: {listing})" if close else f"valid: {listing}"


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say in one line how to install it.

    >>> require("json", "images").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = (error.name or module).partition(".")[0]
        raise MissingExtra(
            f"'{missing}' is not installed; it comes with the extra '{extra}': {how_to_install(extra)}"
        ) from error


def how_to_install(extra: str) -> str:
    """Say how to install an extra, in a clone of the project and without one.

    >>> how_to_install("text")
    "pip install -e '.[text]' in a clone of the project, else pip install 'headstart[text]'"
    """
    return f"pip install -e '.[{extra}]' in a clone of the project, else pip install 'headstart[{extra}]'"
