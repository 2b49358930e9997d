"""What the server does: who is there, the model once, rounds, adaptation; the sites keep their data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import ClientError, DataError, SettingError
from headstart.core.trees import Tree
from headstart.data.central import read_central
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.data.labels import class_order
from headstart.data.sources import open_source
from headstart.engine.ways.serial import Serial
from headstart.sites.messages import Ask, Kind, Reply, Request
from headstart.study.lab import Lab
from headstart.study.open import DTYPES
from headstart.study.texts import with_tokens
from headstart.study.written.load import StudyFile

Tell = Callable[[str], None]
Sign = Callable[[str], str]
"""Signs a digest; the signature in hex."""


@dataclass(frozen=True)
class Member:
    """A site as the server knows it.

    Attributes:
        address: as the transport knows it.
        id: the client's name.
        sends: whether its operator lets updates leave.
        sizes: numbers of examples, if its operator says them.
        key: public key of its masks, in hex.
    """

    address: int
    id: str
    sends: bool
    sizes: Mapping[str, int]
    key: str = ""


@dataclass(frozen=True, eq=False)
class Server:
    """One study over real sites.

    Attributes:
        file: the study.
        ask: the transport.
        members: who is there, sorted by id.
        lab: the network and the central pool; no example of a client.
        out: the run folder.
        seed: of everything random.
        sign: signs models; None sends them unsigned.
        tell: told what is being done.
    """

    file: StudyFile
    ask: Ask
    members: tuple[Member, ...]
    lab: Lab
    out: Path
    seed: int
    sign: Sign | None = None
    tell: Tell = field(default=lambda _: None)

    @property
    def about(self) -> dict[str, Any]:
        """What every request says: how data are read, which network they go through."""
        data = {**dataclasses.asdict(self.file.data), "classes": list(self.lab.federation.examples.classes)}
        model = dataclasses.asdict(self.file.model)
        dtype = str(self.lab.dtype).removeprefix("torch.")
        return dict(json.loads(json.dumps({"data": data, "model": model, "dtype": dtype, "seed": self.seed})))

    def name_of(self, address: int) -> str:
        """Return the id of the client at an address."""
        return next(member.id for member in self.members if member.address == address)

    def send(self, kind: Kind, who: Sequence[Member], values: Mapping[str, Any], tree: Tree) -> Iterator[Reply]:
        """Ask the same of several sites."""
        said = {**self.about, **values}
        return self.ask([Request(member.address, kind, said, tree) for member in who])


def open_server(
    file: StudyFile,
    ask: Ask,
    addresses: Sequence[int],
    out: Path,
    seed: int,
    sign: Sign | None = None,
    tell: Tell = lambda _: None,
) -> Server:
    """Ask who is there, and agree on classes and shapes.

    Raises:
        SettingError: the study needs what no site may give, such as pooled statistics.
        DataError: sites disagree on what an input is.
    """
    if file.data.standardize == "pooled":
        raise SettingError(
            "data.standardize: must not be 'pooled' on a real federation, where no one sees all clients' columns; "
            "write 'client' or 'none'"
        )
    data = json.loads(json.dumps({"data": dataclasses.asdict(file.data)}))
    replies = list(ask([Request(address, "hello", data) for address in addresses]))
    here = [reply for reply in replies if not reply.error]
    for reply in replies:
        if reply.error:
            tell(f"a site is left out: {reply.error}")
    if not here:
        raise ClientError("federation: no site answered; start them with 'headstart federate node'")
    lab = _lab(file, [reply.values for reply in here])
    found = [Member(r.site, r.values["client"], r.values["sends"], r.values["sizes"], r.values["key"]) for r in here]
    _check_names(found)
    return Server(file, ask, tuple(sorted(found, key=lambda one: one.id)), lab, out, seed, sign, tell)


def _check_names(found: Sequence[Member]) -> None:
    names = [one.id for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingError(f"node --name: must be unique in a federation, received twice: {', '.join(twice)}")


def _lab(file: StudyFile, said: Sequence[Mapping[str, Any]]) -> Lab:
    """Return what the server needs to build the network: examples without any row, and the central pool."""
    kinds = {(one["kind"], tuple(one["shape"]), tuple(one["columns"])) for one in said}
    if len(kinds) > 1:
        raise DataError(f"sites must agree on what an input is, received {sorted(map(str, kinds))}; set image_size")
    ((kind, shape, columns),) = kinds
    if kind == "text":
        raise SettingError("data.text: texts are not served by a real federation yet; run the study in a simulation")
    classes = file.data.classes or tuple(sorted({name for one in said for name in one["classes"]}, key=class_order))
    inputs = np.zeros((0, *shape), np.uint8 if kind == "image" else np.float32)
    empty = Examples(kind, inputs, np.zeros(0, np.int64), [], classes, columns)
    central = None
    if file.data.central and file.data.central.source:
        source = open_source(file.data.central.source, file.folder, "data.central.source")
        central, _ = read_central(source, file.data, file.data.central, empty)
    federation = with_tokens(Federation(empty, _clients(said), central), file.model)
    return Lab(federation, file.model, Serial(), DTYPES[file.settings.engine.dtype])


def _clients(said: Sequence[Mapping[str, Any]]) -> list[Client]:
    """Return clients whose rows stand for examples that are elsewhere."""

    def rows(count: int) -> Array:
        return np.arange(count, dtype=np.int64)

    found = []
    for one in sorted(said, key=lambda each: str(each["client"])):
        sizes = one["sizes"]
        train, val, test = (rows(int(sizes.get(part, 0))) for part in ("train", "val", "test"))
        found.append(Client(one["client"], train if one["sends"] else rows(0), val, test))
    return found
