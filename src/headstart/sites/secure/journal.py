"""What a site remembers of an exchange, on disk before anything leaves, so that no restart can be made to say more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as message

from headstart.core.damage import Damaged
from headstart.core.files import read_json, write_atomically, write_private
from headstart.core.sealed import sealed
from headstart.sites.refusals import Refused
from headstart.sites.said import CONFIG
from headstart.sites.secure.messages import Shares
from headstart.sites.wire import read, write

Stage = Literal["keyed", "shared", "masked", "revealed"]

_NEXT: Mapping[Stage, str] = {
    "keyed": "must share its secrets first",
    "shared": "must send its values first",
    "masked": "has sent its values under these masks, and sends no others",
    "revealed": "has said what takes these masks off, and says it once",
}
"""What is said of an exchange that stands at another stage than asked for."""

_KEPT = 8
"""Exchanges that are remembered: of an older one a site has no secrets, and can say nothing."""


_BYTES = ConfigDict(**CONFIG, ser_json_bytes="hex", val_json_bytes="hex")


@message(frozen=True, config=_BYTES)
class Secrets:
    """Seeds: of the key of its masks, of the key for sealed shares, and of its own mask."""

    mask: bytes
    seal: bytes
    own: bytes


@message(frozen=True, config=_BYTES)
class Entrusted:
    """A peer's two shares, of which one may ever leave."""

    own: bytes
    mask: bytes


@message(frozen=True, config=_BYTES)
class Kept:
    """Where a site stands in an exchange.

    Attributes:
        stage: the last that was done.
        secrets: its own; none once it has revealed what it holds.
        asked: with whom it shares them.
        held: the others' shares, and its own.
    """

    stage: Stage
    secrets: Secrets | None = None
    asked: Shares | None = None
    held: dict[str, Entrusted] = field(default_factory=dict)


@dataclass(frozen=True)
class Journal:
    """A site's folder of exchanges, one file each."""

    folder: Path

    def begin(self, exchange: str, kept: Kept) -> None:
        """Remember a new exchange; the oldest are forgotten.

        Raises:
            Refused: its name was used before.
        """
        if self._path(exchange).exists():
            raise Refused("secure sums: this exchange has begun already; name another one")
        self.put(exchange, kept)
        for old in sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)[:-_KEPT]:
            old.unlink(missing_ok=True)

    def at(self, exchange: str, stage: Stage) -> Kept:
        """Return an exchange that stands at a stage.

        Raises:
            Refused: it is unknown, its file is damaged, or it stands elsewhere.
        """
        path = self._path(exchange)
        try:
            found = read_json(path, {"stage": str})
        except Damaged as error:
            error.set_aside()
            raise Refused("secure sums: what this site kept of the exchange was damaged and is gone") from None
        if found is None:
            raise Refused("secure sums: this site knows no such exchange; begin a new one")
        kept = read(Kept, json.dumps(found), path.name, Refused)
        if kept.stage != stage:
            raise Refused(f"secure sums: this site {_NEXT[kept.stage]}")
        return kept

    def put(self, exchange: str, kept: Kept) -> None:
        """Remember where an exchange stands, for the owner's eyes alone."""
        path = self._path(exchange)
        content = json.dumps(sealed(json.loads(write(kept)), path.name)).encode()
        write_atomically(path, lambda new: write_private(new, content), len(content))

    def _path(self, exchange: str) -> Path:
        # A name of 32 hexadecimal digits, by its message.
        return self.folder / f"{exchange}.json"
