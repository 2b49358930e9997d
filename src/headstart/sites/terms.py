"""How a site's data are read: what its operator accepted, once, and what a study asks for beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from headstart.core.arrays import Array
from headstart.core.content import hash_json
from headstart.core.errors import SettingError
from headstart.core.files import file_name, read_json, write_json
from headstart.data import resplit
from headstart.data.federation import Federation
from headstart.data.settings import DataSettings
from headstart.models.registry import NETWORKS
from headstart.models.spec import PACKAGED, ModelSpec, is_own
from headstart.sites.messages import Hello
from headstart.sites.refusals import Refused
from headstart.sites.said import CONFIG
from headstart.sites.settings import MOST_SEEDS
from headstart.sites.wire import read, write

_SITES_OWN = ("source", "client", "partition", "central", "held_out_clients", "max_examples", "where")
"""Settings that say nothing to a site: its file holds what it wants to take part with."""

_WIDEST = 4096
"""Layer of a network that is built in, where none was accepted."""

_MOST_TOLD = 0.5
"""Share of one example that differences between sums of several seeds may tell: its leverage in what they span."""


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Terms:
    """What an operator accepted.

    Attributes:
        study: its name.
        data: how the site's data are read.
        seeds: of everything random; each draws training and validation examples anew.
        classes: names that leave, and that what is agreed must hold.
        columns: of a table, those that may be agreed upon.
        content: names what the data were then, in hex.
        model: the backbone; None allows the networks that are built in.
        tells_rows: whether sums of all these seeds together would tell single examples.
        fixed: whether the site's own file says so, and no study is even proposed.
    """

    study: str
    data: DataSettings
    seeds: Annotated[tuple[int, ...], Field(min_length=1, max_length=MOST_SEEDS)]
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    content: str
    model: ModelSpec | None = None
    tells_rows: bool = False
    fixed: bool = False

    @property
    def key(self) -> str:
        """Names them."""
        return hash_json(write(self))


@dataclass(frozen=True)
class Accepted:
    """Terms on a site's disk, and the study that was proposed last."""

    folder: Path

    def all(self) -> tuple[Terms, ...]:
        """Return what was accepted."""
        found = sorted((self.folder / "accepted").glob("*.json"))
        return tuple(read(Terms, json.dumps(read_json(path)), f"terms '{path.name}'") for path in found)

    def put(self, terms: Terms) -> None:
        """Keep what was accepted, in the place of what was of the same study."""
        write_json(self.folder / "accepted" / f"{file_name(terms.study)}.json", json.loads(write(terms)))

    def propose(self, said: Hello) -> None:
        """Keep a proposal, in the place of the one before."""
        write_json(self._proposed, json.loads(write(said)))

    def content(self, data: Path) -> str:
        """Name what the data hold; where no file was written since the last time, what was found then."""
        now, path = stamp(data), self.folder / "content.json"
        known = read_json(path) or {}
        if known.get("stamp") != now:
            known = {"stamp": now, "content": _content(data)}
            write_json(path, known)
        return str(known["content"])

    @property
    def proposed(self) -> Hello | None:
        """The study that was proposed last."""
        found = read_json(self._proposed)
        return None if found is None else read(Hello, json.dumps(found), "the proposal")

    @property
    def _proposed(self) -> Path:
        return self.folder / "proposed.json"


def terms_for(accepted: Sequence[Terms], data: DataSettings, seeds: Sequence[int], site: str) -> Terms:
    """Return the terms that a request keeps to.

    Raises:
        Refused: it keeps to none; the message names the first setting, without its value.
    """
    reasons = [(one, _differs(one, data, seeds)) for one in accepted]
    for one, reason in reasons:
        if not reason:
            return one
    _, reason = min(reasons, key=lambda item: item[1] == "seed") if reasons else (None, "data")
    raise Refused(
        f"{reason}: '{site}' reads its data as its operator accepted, and no other way; ask for that, or let its "
        "operator accept another with 'headstart federate preview --accept'"
    )


def keeps_to(terms: Terms, said: Hello, site: str) -> bool:
    """Say whether a study reads data as some terms do."""
    try:
        return terms_for([terms], said.data, said.seeds, site) is terms
    except Refused:
        return False


def check_model(terms: Terms, model: ModelSpec, site: str) -> None:
    """Refuse a network that was not accepted: a site downloads and opens none that a server names.

    Raises:
        Refused: it is another one, not built in where none was accepted, or code of somebody's own.
    """
    check_no_code(model, site)
    # A name that is no path: what comes with this site's own Headstart.
    widest = max(*model.hidden, model.random_features or 0, 0)
    is_built_in = model.backbone in {*NETWORKS, *PACKAGED} and widest <= _WIDEST
    if model != terms.model if terms.model else not is_built_in:
        raise Refused(
            f"model: '{site}' runs the network that its operator accepted, and no other; ask for that, or let its "
            "operator accept another with 'headstart federate preview --accept'"
        )


def check_no_code(model: ModelSpec | None, site: str) -> None:
    """Refuse a network that is code, or a file or a tokenizer that a study names: none is ever imported or opened.

    Raises:
        Refused: it is one.
    """
    if model is not None and (is_own(model) or model.says_own):
        raise Refused(
            f"model: '{site}' runs no code and opens no file that a study names, received '{model.backbone}'; ask for "
            "a built-in network or a checkpoint"
        )


def _differs(terms: Terms, data: DataSettings, seeds: Sequence[int]) -> str:
    """Name the first setting that is read otherwise; empty if there is none."""
    found = next(_fields_apart(terms.data, data, "data"), "")
    return found or ("" if set(seeds) <= set(terms.seeds) else "seed")


def _fields_apart(one: object, other: object, path: str) -> Iterator[str]:
    for field in fields(one):  # type: ignore[arg-type]
        if path == "data" and field.name in _SITES_OWN:
            continue
        mine, asked, name = getattr(one, field.name), getattr(other, field.name), f"{path}.{field.name}"
        if is_dataclass(mine) and is_dataclass(asked):
            yield from _fields_apart(mine, asked, name)
        elif mine != asked:
            yield name


def _files(data: Path) -> list[Path]:
    return [path for path in sorted(data.rglob("*")) if path.is_file()] if data.is_dir() else [data]


def stamp(data: Path) -> str:
    """Name sizes and times of a file, or of all files of a folder."""
    found = [(path, path.stat()) for path in _files(data)]
    return hash_json([[ascii(str(path)), stat.st_size, stat.st_mtime_ns] for path, stat in found])


def _content(data: Path) -> str:
    found = hashlib.blake2b(digest_size=16)
    for path in _files(data):
        found.update(str(path.relative_to(data)).encode("utf-8", "surrogatepass"))
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "blake2b").digest())
    return found.hexdigest()


def tells_rows(federation: Federation, seeds: Sequence[int]) -> bool:
    """Say whether sums of each class at several seeds together tell single examples.

    A seed's sum is a row of zeros and ones times the examples. What a combination of such rows can tell of one example
    is its leverage: 1 where it can be told exactly.
    """
    parts = [resplit(federation, seed).clients[0].train for seed in seeds]
    labels, (client,) = federation.examples.labels, federation.clients
    known = np.concatenate([client.train, client.val])
    taken = np.array([np.ones(len(known)), *(np.isin(known, part) for part in parts)], dtype=np.float64)
    return any(_leverage(taken[:, labels[known] == label]) > _MOST_TOLD for label in np.unique(labels[known]))


def _leverage(taken: Array) -> float:
    """Return the largest share of one example, a column, that rows of zeros and ones can tell."""
    _, sizes, right = np.linalg.svd(taken, full_matrices=False)
    return float(np.square(right[sizes > 1e-9 * max(1.0, float(sizes.max(initial=0)))]).sum(0).max(initial=0))


def check_task(settings: DataSettings) -> None:
    """Refuse a task whose truth sites do not agree on yet.

    Raises:
        SettingError: the task is no classification.
    """
    if not settings.has_classes:
        raise SettingError(
            f"data.task: over sites, examples have one class each, received '{settings.task}'; 'headstart study' runs "
            "it where the data are in one place"
        )
