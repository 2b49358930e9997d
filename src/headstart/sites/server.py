"""What the server does: who is there, the model once, rounds, adaptation; the sites keep their data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import ClientError, DataError, SettingError
from headstart.core.trees import Tree
from headstart.data.central import read_central
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation, Split
from headstart.data.labels import class_order
from headstart.data.open import table_format
from headstart.data.sources import open_source
from headstart.engine.ways.serial import Serial
from headstart.sites.messages import Asks, Hello, Present
from headstart.sites.transport import Answer, Ask, Failed, consult
from headstart.study.lab import Lab
from headstart.study.open import DTYPES
from headstart.study.texts import with_tokens
from headstart.study.written.load import StudyFile

A = TypeVar("A")
Tell = Callable[[str], None]
Sign = Callable[[str], str]
"""Signs a digest; the signature in hex."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Server:
    """One study over real sites.

    Attributes:
        file: the study.
        ask: the transport.
        sites: what each site said of itself, by its address; sorted by client.
        lab: the network and the central pool; no example of a client.
        out: the run folder.
        seed: of everything random.
        sign: signs models; None sends them unsigned.
        tell: told what is being done.
    """

    file: StudyFile
    ask: Ask
    sites: Mapping[int, Present]
    lab: Lab
    out: Path
    seed: int
    sign: Sign | None = None
    tell: Tell = field(default=lambda _: None)

    def address_of(self, client: str) -> int:
        """Return where a client is."""
        return next(address for address, site in self.sites.items() if site.client == client)

    def send(self, message: Asks[A], tree: Tree, to: Sequence[int] | None = None) -> list[Answer[A] | Failed]:
        """Ask the same of some sites, of all of them where none are named."""
        return consult(self.ask, list(self.sites) if to is None else to, message, tree)


def open_server(
    file: StudyFile,
    ask: Ask,
    addresses: Sequence[int],
    *,
    out: Path,
    seed: int,
    sign: Sign | None = None,
    tell: Tell = lambda _: None,
) -> Server:
    """Ask who is there, and agree on classes and shapes.

    Raises:
        SettingError: the study needs what no site may give, such as pooled statistics.
        DataError: sites disagree on what an input is.
        ClientError: no site answered.
    """
    if file.data.standardize == "pooled":
        raise SettingError(
            "data.standardize: must not be 'pooled' on a real federation, where no one sees all clients' columns; "
            "write 'client' or 'none'"
        )
    here = _present(consult(ask, addresses, Hello(file.data)), tell)
    lab = _lab(file, list(here.values()))
    return Server(file=file, ask=ask, sites=here, lab=lab, out=out, seed=seed, sign=sign, tell=tell)


def _present(came: Sequence[Answer[Present] | Failed], tell: Tell) -> dict[int, Present]:
    """Return who is there, by address, sorted by client."""
    for one in came:
        if isinstance(one, Failed):
            tell(f"a site is left out: {one.reason}")
    found = {one.site: one.said for one in came if isinstance(one, Answer)}
    if not found:
        raise ClientError("federation: no site answered; start them with 'headstart federate node'")
    names = [one.client for one in found.values()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"node --name: must be unique in a federation, received twice: {', '.join(twice)}")
    return dict(sorted(found.items(), key=lambda item: item[1].client))


def _lab(file: StudyFile, said: Sequence[Present]) -> Lab:
    """Return what the server needs to build the network: examples without any row, and the central pool."""
    kinds = {(one.kind, one.shape, one.columns) for one in said}
    if len(kinds) > 1:
        raise DataError(f"sites must agree on what an input is, received {sorted(map(str, kinds))}; set image_size")
    ((kind, shape, columns),) = kinds
    if kind == "text":
        raise SettingError("data.text: texts are not served by a real federation yet; run the study in a simulation")
    classes = file.data.classes or tuple(sorted({name for one in said for name in one.classes}, key=class_order))
    inputs = np.zeros((0, *shape), np.uint8 if kind == "image" else np.float32)
    empty = Examples(kind, inputs, np.zeros(0, np.int64), [], classes, columns)
    central = None
    if file.data.central and file.data.central.source:
        source = open_source(file.data.central.source, file.folder, "data.central.source", table_format(file.data))
        central, _ = read_central(source, file.data, file.data.central, empty)
    federation = with_tokens(Federation(empty, [_client(one) for one in said], central), file.model)
    return Lab(federation, file.model, Serial(), DTYPES[file.settings.engine.dtype])


def _client(said: Present) -> Client:
    """Return a client whose rows stand for examples that are elsewhere."""

    def rows(count: int) -> Array:
        return np.arange(count, dtype=np.int64)

    train, val, test = (rows(said.sizes.get(part, 0)) for part in get_args(Split))
    return Client(said.client, train if said.sends else rows(0), val, test)
