"""What the server does: who is there, the model once, rounds, adaptation; the sites keep their data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from headstart.core.arrays import Array
from headstart.core.content import hash_json
from headstart.core.device import check_processor
from headstart.core.errors import ClientError, DataError, SettingError
from headstart.core.progress import Tell
from headstart.core.ragged import Ragged
from headstart.core.trees import Tree
from headstart.data.account import Converted
from headstart.data.agreement import Agreement
from headstart.data.central import Held, read_central
from headstart.data.examples import Examples, InputKind
from headstart.data.federation import Client, Federation
from headstart.data.open import table_format
from headstart.data.sources import open_source
from headstart.data.standardize import ColumnSums, fill_and_standardize
from headstart.engine.received import Exclusion
from headstart.engine.ways.serial import Serial
from headstart.evidence.metrics import check_elsewhere
from headstart.sites.agreement import agreement_of, check_columns, choices, follows, with_sums
from headstart.sites.claims import believed, doubt_agreed, doubt_presence, doubt_scales, plausible
from headstart.sites.messages import Agree, Asks, Hello
from headstart.sites.network import Network
from headstart.sites.said import Agreed, Present
from headstart.sites.settings import MOST_TIMES, Protection
from headstart.sites.terms import check_task
from headstart.sites.transport import Answer, Ask, Failed, consult, consult_each, kind_of
from headstart.sites.wire import write
from headstart.study.lab import Lab
from headstart.study.open import DTYPES
from headstart.study.texts import with_tokens
from headstart.study.written.load import StudyFile

A = TypeVar("A")
_WORDS = 512
"""As many as any encoder reads."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Server:
    """One study over real sites.

    Attributes:
        file: the study.
        ask: the transport, which notes what goes over it.
        sites: what each site said of itself, by its address; sorted by client.
        lost: sites that could not come along, and why.
        agreement: what belongs to the federation.
        lab: the network and the central pool; no example of a client.
        out: the run folder.
        tell: told what is being done.
        asks: what it asks of sums over sites' examples.
    """

    file: StudyFile
    ask: Network
    sites: Mapping[int, Present]
    lost: Sequence[Exclusion]
    agreement: Agreement
    lab: Lab
    out: Path
    tell: Tell = field(default=lambda _: None)
    asks: Protection = Protection()

    def address_of(self, client: str) -> int:
        """Return where a client is."""
        return next(address for address, site in self.sites.items() if site.client == client)

    def excluded(self, came: Sequence[Answer[Any] | Failed], number: int) -> list[Exclusion]:
        """Name the sites that sent nothing of use."""
        return [Exclusion(self.sites[one.site].client, number, one.reason) for one in came if isinstance(one, Failed)]

    def check_lost(self, excluded: Iterable[Exclusion]) -> None:
        """Stop when too many sites are lost, those that could not come along among them.

        Raises:
            ClientError: there are more than ``engine.max_bad_clients`` allows.
        """
        allowed = self.file.settings.engine.max_bad_clients
        check_lost([*self.lost, *excluded], len(self.sites) + len(self.lost), allowed)

    def send(self, message: Asks[A], tree: Tree, to: Sequence[int] | None = None) -> list[Answer[A] | Failed]:
        """Ask the same of some sites, of all of them where none are named."""
        return self.send_each(dict.fromkeys(self.sites if to is None else to, message), tree)

    def send_each(self, messages: Mapping[int, Asks[A]], tree: Tree) -> list[Answer[A] | Failed]:
        """Ask sites, by address, a message of their own each, all of one kind."""
        kinds = {kind_of(message) for message in messages.values()}
        with self.ask.noting("".join(kinds)):
            came = consult_each(self.ask, messages, tree)
            self.ask.take(came)
        return came


def open_server(
    file: StudyFile,
    ask: Ask,
    addresses: Sequence[int],
    *,
    out: Path,
    tell: Tell = lambda _: None,
    asks: Protection | None = None,
    cache: Path | None = None,
) -> Server:
    """Ask who is there, and agree on what belongs to the federation.

    Args:
        file: the study.
        ask: the transport.
        addresses: of the sites.
        out: the run folder.
        tell: told what is being done.
        asks: what it asks of sums over sites' examples; None asks nothing.
        cache: folder of what studies can share; None shares nothing.

    Raises:
        SettingError: the study needs what some site may not give, such as sums of its columns, names a function or a
            card, or has no classes.
        DataError: sites disagree on what an input is.
        ClientError: no site answered, or too many could not come along.
    """
    check_task(file.data)
    check_elsewhere(file.settings.decision.metric)
    check_processor(file.settings.engine.device, file.settings.engine.precision)
    asks = asks or Protection()
    network = Network(ask, out, masks=asks.secure)
    ring = _Ring(file, network, tell, tuple(sorted(file.settings.seeds)))
    with network.noting("together"):
        here = ring.present(addresses)
        agreement, here = ring.agreed(here)
        check_lost(ring.lost, len(here) + len(ring.lost), file.settings.engine.max_bad_clients)
        lab = _lab(file, agreement, ring, here, asks, cache)
        network.data = lab.federation.key
    return Server(
        file=file,
        ask=network,
        sites=here,
        lost=ring.lost,
        agreement=agreement,
        lab=lab,
        out=out,
        tell=tell,
        asks=asks,
    )


def check_lost(lost: Sequence[Exclusion], sites: int, allowed: float) -> None:
    """Stop when too large a share of the sites is lost.

    Raises:
        ClientError: with the first one's reason.
    """
    names = list(dict.fromkeys(one.client for one in lost))
    if len(names) > allowed * sites:
        raise ClientError(
            f"federation: {len(names)} of {sites} sites are lost, more than the share {allowed:g} that "
            f"engine.max_bad_clients allows; the first, '{lost[0].client}': {lost[0].reason}"
        )


@dataclass(eq=False)
class _Ring:
    """Sites that come together; those that cannot are named.

    Attributes:
        file: the study.
        ask: the transport.
        tell: told who is left out.
        seeds: of everything random.
        lost: who was.
    """

    file: StudyFile
    ask: Network
    tell: Tell
    seeds: tuple[int, ...]
    lost: list[Exclusion] = field(default_factory=list)

    def present(self, addresses: Sequence[int]) -> dict[int, Present]:
        """Return who is there, by address, sorted by client."""
        asked = consult(
            self.ask, addresses, Hello(self.file.data, self.file.settings.name, self.seeds, self.file.model)
        )
        came = believed([_named(one) for one in asked], lambda one: doubt_presence(one.said))
        found = {one.site: one.said for one in came if isinstance(one, Answer)}
        self.ask.names |= {site: said.client for site, said in found.items()}
        self._lose(came, {})
        if not found:
            if not self.lost:
                raise ClientError("federation: no site answered; start them with 'headstart federate node'")
            raise ClientError(f"federation: no site can take part; {self.lost[0].reason}")
        names = [one.client for one in found.values()]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SettingError(f"node --name: must be unique in a federation, received twice: {', '.join(twice)}")
        return dict(sorted(found.items(), key=lambda item: item[1].client))

    def agreed(self, here: dict[int, Present]) -> tuple[Agreement, dict[int, Present]]:
        """Return what all who can follow agree on; who cannot has no part in it."""
        data = self.file.data
        while here:
            names = self._united(partial(agreement_of, data, list(here.values())))
            asked = [address for address, one in here.items() if not follows(one, names, data)]
            came = self._following(asked, Agree(data, names), here)
            refusals = [f"'{here[one.site].client}': {one.reason}" for one in came if isinstance(one, Failed)]
            check_columns(list(here.values()), data, refusals)
            self._lose(came, here)
            sums = {here[one.site].client: one.said.sums for one in came if isinstance(one, Answer)}
            if not refusals:
                self._tell_choices(here, names, sums)
                sizes = {one.site: one.said.sizes for one in came if isinstance(one, Answer)}
                here = {address: replace(one, sizes=sizes.get(address, one.sizes)) for address, one in here.items()}
                return self._united(partial(with_sums, names, sums, data)), here
            gone = {one.site for one in came if isinstance(one, Failed)}
            here = {address: one for address, one in here.items() if address not in gone}
        raise ClientError(f"federation: no site can follow; the first, '{self.lost[0].client}': {self.lost[0].reason}")

    def _following(
        self, asked: Sequence[int], message: Agree, here: Mapping[int, Present]
    ) -> list[Answer[Agreed] | Failed]:
        """Ask sites to follow; what they say must fit what they said first, and their columns those of the others."""
        inputs = message.agreement.inputs
        came = believed(
            consult(self.ask, asked, message), lambda one: doubt_agreed(one.said, here[one.site], len(inputs))
        )
        sums = {one.site: one.said.sums for one in came if isinstance(one, Answer) and one.said.sums}
        strange = doubt_scales(sums, inputs)
        return [Failed(one.site, strange[one.site]) if one.site in strange else one for one in came]

    def _tell_choices(
        self, here: Mapping[int, Present], names: Agreement, sums: Mapping[str, ColumnSums | None]
    ) -> None:
        """Say what was decided for all that some sites would do otherwise."""
        for note in choices(self.file.data, list(here.values()), names, sums):
            self.tell(note)

    def _united(self, unite: Callable[[], Agreement]) -> Agreement:
        """Return what those who are left agree on, or say too who is not."""
        try:
            return unite()
        except DataError as error:
            lost = [f"without '{one.client}': {one.reason}" for one in self.lost]
            raise DataError("; ".join([str(error), *lost])) from None

    def _lose(self, came: Sequence[Answer[Any] | Failed], here: Mapping[int, Present]) -> None:
        self.ask.take(came)
        for one in came:
            if isinstance(one, Failed):
                client = here[one.site].client if one.site in here else one.client or f"site {one.site}"
                self.tell(f"a site is left out: '{client}': {one.reason}")
                self.lost.append(Exclusion(client, 0, one.reason))


def _named(one: Answer[Present] | Failed) -> Answer[Present] | Failed:
    """Take the name that a site's key has, and no other."""
    if isinstance(one, Failed) or one.client in ("", one.said.client):
        return one
    return Failed(one.site, f"it calls itself '{one.said.client}', and its key is that of '{one.client}'", one.client)


def _lab(
    file: StudyFile,
    agreed: Agreement,
    ring: _Ring,
    sites: Mapping[int, Present],
    asks: Protection,
    cache: Path | None,
) -> Lab:
    """Return what the server needs to build the network: one blank example for all that are elsewhere, and the pool."""
    blank, tell = _blank(file, agreed), ring.tell
    central = None
    if file.data.central and file.data.central.source:
        source = open_source(file.data.central.source, file.folder, "data.central.source", table_format(file.data))
        central, found = read_central(source, file.data, file.data.central, Held(blank, agreed.encoding))
        for one in found:
            if isinstance(one, Converted):
                tell(f"central pool: {one.count:,} {one.what}: {one.how}")
        central = fill_and_standardize(blank, [], central, file.data.standardize, agreed.statistics).central
    held = {site.client: site.data for site in sites.values()}
    federation = replace(
        # Clients come last: what looks at texts finds none of theirs here.
        with_tokens(Federation(blank, [], central), file.model),
        clients=_clients(sites, tell),
        notes=tuple(f"a site is left out: '{one.client}': {one.reason}" for one in ring.lost),
        fixed_val=True,  # which examples are val is drawn where they are
        elsewhere=hash_json([write(agreed), held, asdict(asks)]),
    )
    return Lab(federation, file.model, Serial(), DTYPES[file.settings.engine.dtype], cache)


def _blank(file: StudyFile, agreed: Agreement) -> Examples:
    """Return one blank example as the sites' are; of texts one of full length, so that costs are no less than said."""
    inputs: Mapping[InputKind, Callable[[], Array | Ragged]] = {
        "image": lambda: np.zeros((1, *agreed.shape), np.uint8),
        "table": lambda: np.zeros((1, len(agreed.inputs)), np.float32),
        "text": lambda: Ragged.of_texts([" ".join(["a"] * _WORDS)]),
    }
    pixels = replace(file.data.pixels, range=agreed.range) if agreed.range else None
    label = np.zeros(1, np.int64)
    return Examples(agreed.kind, inputs[agreed.kind](), label, [""], agreed.classes, agreed.inputs, pixels)


def _clients(sites: Mapping[int, Present], tell: Tell) -> list[Client]:
    """Return clients whose rows stand for examples that are elsewhere."""
    claimed = {address: said.sizes.get("train", 0) for address, said in sites.items() if said.sends}
    weights = plausible({address: count for address, count in claimed.items() if count})
    for address, count in weights.items():
        if count < claimed[address]:
            tell(
                f"'{sites[address].client}' says it has {claimed[address]:,} training examples, more than "
                f"{MOST_TIMES:g} times all others together: in means it weighs as one with {count:,}"
            )
    return [_client(said, weights.get(address, 0)) for address, said in sites.items()]


def _client(said: Present, train: int) -> Client:
    val, test = (said.sizes.get(part, 0) for part in ("val", "test"))
    return Client(said.client, _rows(train), _rows(val), _rows(test))


def _rows(count: int) -> Array:
    """Return as many rows as a site claims, which take no memory: all of them the blank one."""
    return np.broadcast_to(np.zeros(1, np.int64), (count,))
