"""``site.toml``: all that a site's operator decides, in one file, read strictly."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from headstart.core.errors import SettingError
from headstart.core.settings import read
from headstart.data.settings import DataSettings
from headstart.sites.messages import Hello
from headstart.sites.secure.peers import Peers
from headstart.sites.secure.pins import Pins, read_pins
from headstart.sites.settings import (
    ADDRESS,
    KEYS,
    MOST_SEEDS,
    STATE,
    Bound,
    Budget,
    Minima,
    NodeSettings,
    Noise,
    Policy,
)
from headstart.sites.site import Site
from headstart.study.written.load import in_quotes

_PATHS = (("keys",), ("state",), ("peers",), ("data", "source"))
_SEEDS = (0, 1, 2, 3, 4)
"""Those of a study that states none."""


@dataclass(frozen=True, kw_only=True)
class SiteFile:
    """What a site's operator sets.

    Attributes:
        name: the client's, as in its key.
        data: ``source`` is its file or folder; what else is set fixes how it is read, as in a study.
        address: where the server is.
        keys: folder of keys.
        state: folder for what the site receives, learns and accepts.
        policy: what may leave.
        noise: least noise on its sums, in sensitivities.
        bound: longest rows in noisy sums, above 1.
        masked: whether it sends sums and updates under masks only.
        one_hot: columns whose categories' names may leave.
        seeds: that a study may have; None takes those of the study that is accepted.
        minima: of how many examples it says anything.
        budget: how much it says in all.
        peers: public keys of the sites with which it hides values: a folder, or a file for each name.
    """

    name: Annotated[str, Field(min_length=1)]
    data: DataSettings
    address: str = ADDRESS
    keys: str = KEYS
    state: str = STATE
    policy: Policy = "metrics"
    noise: Noise = NodeSettings.noise
    bound: Bound = NodeSettings.bound
    masked: bool = NodeSettings.masked
    one_hot: tuple[str, ...] = ()
    seeds: Annotated[tuple[int, ...], Field(min_length=1, max_length=MOST_SEEDS)] | None = None
    minima: Minima = field(default_factory=Minima)
    budget: Budget = field(default_factory=Budget)
    peers: Pins = ""

    @property
    def site(self) -> Site:
        """The site that it describes."""
        return Site(
            self.name,
            Path(self.data.source),
            Path(self.state),
            self.policy,
            noise=self.noise,
            masked=self.masked,
            one_hot=self.one_hot,
            bound=self.bound,
            minima=self.minima,
            budget=self.budget,
            peers=Peers(pinned=read_pins(self.peers)),
        )

    @property
    def fixes(self) -> bool:
        """Whether it says itself how data are read."""
        return self.seeds is not None or self.data != DataSettings(source=self.data.source)

    @property
    def fixed(self) -> Hello:
        """How it says that data are read, as a study would be proposed."""
        return Hello(self.data, "site.toml", self.seeds or _SEEDS)

    def settled(self) -> Site:
        """Return the site, what the file fixes accepted; what was accepted of the same data before stays as it is.

        Raises:
            HeadstartError: the data cannot be read so.
        """
        if self.fixes:
            self.site.accept(self.fixed, fixed=True, anew=False)
        return self.site


def site_file(path: Path | None, flags: Mapping[str, Any]) -> SiteFile:
    """Read a site's file, and what was said beside it.

    Args:
        path: of the file, whose relative paths start at its folder; None where flags say everything.
        flags: by key, dotted inside tables, such as ``minima.examples``; None where nothing was said.

    Raises:
        SettingError: a key is unknown, a value breaks a rule, or file and flag disagree.
    """
    table = _table(path) if path else {}
    for name, value in flags.items():
        if value is not None:
            _put(table, name, value, path)
    table.setdefault("data", {})
    try:
        return read(SiteFile, table)
    except SettingError as error:
        raise SettingError(f"{path or 'node'}: {error}".replace("the study file", "the site's file")) from None


def _table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"--config: cannot read '{path}' ({error.strerror}); name the site's file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: is not valid TOML, received: {error}; mend that line{in_quotes(error)}") from None
    peers = table.get("peers")
    pinned = [("peers", name) for name in peers] if isinstance(peers, dict) else []
    for *tables, name in (*_PATHS, *pinned):
        place: Any = table
        for each in tables:
            place = place.get(each) if isinstance(place, dict) else None
        if isinstance(place, dict) and isinstance(place.get(name), str):
            place[name] = str(path.parent / Path(place[name]).expanduser())
    return table


def _put(table: dict[str, Any], name: str, value: Any, path: Path | None) -> None:
    """Add what a flag says; it overrides nothing."""
    *tables, last = name.split(".")
    place = table
    for each in tables:
        place = place.setdefault(each, {})
        if not isinstance(place, dict):
            raise SettingError(f"{path}: {each}: must be a table; write [{each}]")
    if place.setdefault(last, value) != value:
        flag = "data" if name == "data.source" else last.replace("_", "-")
        raise SettingError(f"--{flag}: '{path}' says {place[last]!r}, received {value!r}; say it once")
