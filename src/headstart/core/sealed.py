"""JSON with a checksum of what it says, of its file's name, and of whose it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headstart.core.damage import Damaged

_CHECKSUM = "checksum"
"""The last entry of an object on disk: a hash of all others and of the file's name. Files of before have none."""

_OWNER = "belongs_to"
"""The entry before it, of files whose like lies in other folders under the same name. Files of before have none."""

Needs = Mapping[str, type | tuple[type, ...]]
"""Names that an object without a checksum must have all the same, and the types of their values."""

AnyNeeds = Needs | Callable[[Mapping[str, Any]], Needs] | None
"""The same, or what tells it from the object; None where anything may be without a checksum."""


def sealed(value: Any, name: str, owner: str = "") -> Any:
    """Return an object with its owner, if it has one, and its checksum; what is no object has neither.

    >>> list(sealed({"a": 1}, "a.json", "demo"))
    ['a', 'belongs_to', 'checksum']
    """
    if not isinstance(value, dict):
        return value
    owned = {**value, _OWNER: owner} if owner else value
    plain = json.loads(json.dumps(owned, allow_nan=False))
    return {**owned, _CHECKSUM: _checksum(plain, name)}


def parsed(path: Path, content: bytes, needs: AnyNeeds = None, where: str = "", owner: str = "") -> Any:
    """Read JSON, and return it without its checksum and its owner.

    Args:
        path: of the file that held it.
        content: of the file, or of one line.
        needs: of an object that has no checksum.
        where: in the file, such as ``line 3: ``.
        owner: whose it must be, where it says that; empty takes anybody's.

    Raises:
        Damaged: it is empty, no JSON, not what was written, another's, or lacks what it needs.
    """
    if not content.strip():
        raise Damaged(path, f"{where}it is empty")
    try:
        value = json.loads(content.decode("utf-8"))
        has_seal = isinstance(value, dict) and _CHECKSUM in value
        whole = not has_seal or value.pop(_CHECKSUM) == _checksum(value, path.name)
    except (ValueError, RecursionError):
        raise Damaged(path, f"{where}it is not JSON") from None
    if not whole:
        raise Damaged(path, f"{where}it is not what was written, by its checksum")
    if has_seal and value.pop(_OWNER, owner) != owner and owner:
        raise Damaged(path, f"{where}it is another run's")
    if not has_seal and (lack := _lack(value, needs)):
        raise Damaged(path, f"{where}{lack}")
    return value


def _checksum(value: Mapping[str, Any], name: str) -> str:
    text = json.dumps([name, value], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _lack(value: Any, needs: AnyNeeds) -> str:
    """Say what a value without a checksum lacks; empty if nothing."""
    if needs is None:
        return ""
    if not isinstance(value, dict):
        return f"it must be a JSON object, and is a {type(value).__name__}"
    every = needs(value) if callable(needs) else needs
    lack = [name for name, kind in every.items() if not _has(value, name, kind)]
    return f"'{lack[0]}' is missing, or not what it must be" if lack else ""


def _has(value: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> bool:
    return name in value and isinstance(value[name], kind)
