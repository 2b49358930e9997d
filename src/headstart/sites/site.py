"""A site: its data never leaves; what may is decided here, by its operator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import pyarrow as pa

from headstart.core.content import hash_json
from headstart.core.errors import SettingError, nearest
from headstart.core.seeds import Key
from headstart.core.trees import Params
from headstart.data.agreement import Agreement
from headstart.data.federation import Client, Federation
from headstart.data.open import client_columns, open_client, table_format
from headstart.data.settings import DataSettings
from headstart.data.sources import Source, open_source
from headstart.engine.clients import OneClient
from headstart.engine.order import keyed_order
from headstart.engine.ways.serial import Serial
from headstart.models.network import Network
from headstart.sites.agreement import scaled_as_agreed
from headstart.sites.messages import Hello, Setup
from headstart.sites.randomness import SystemChance
from headstart.sites.refusals import Refused
from headstart.sites.resident import Last
from headstart.sites.secure.peers import Peers
from headstart.sites.settings import Budget, Minima, NodeSettings, Policy, allows
from headstart.sites.shelf import Shelf
from headstart.sites.terms import Accepted, Terms, stamp, tells_rows
from headstart.sites.wire import write
from headstart.study.lab import Lab
from headstart.study.open import DTYPES
from headstart.study.texts import with_tokens


@dataclass(frozen=True)
class Site:
    """One client of a real federation.

    Attributes:
        name: the client's id.
        data: its file or folder.
        state: folder for what it receives and learns.
        policy: what may leave: ``none``, ``counts``, ``metrics``, ``sums`` or ``updates``.
        noise: least noise on its sums, in sensitivities.
        masked: whether it sends sums and updates under masks only.
        one_hot: columns whose categories' names may leave.
        bound: longest rows in noisy sums.
        minima: of how many examples it says anything.
        budget: how much it says in all.
        peers: whose keys it believes when it hides values, and the one that it signs its own with.

    Raises:
        SettingError: there is no such policy.
    """

    name: str
    data: Path
    state: Path
    policy: str = NodeSettings.policy
    noise: float = NodeSettings.noise
    masked: bool = NodeSettings.masked
    one_hot: tuple[str, ...] = ()
    bound: float = NodeSettings.bound
    minima: Minima = Minima()
    budget: Budget = Budget()
    peers: Peers = field(default_factory=Peers)
    _lab: Last[Lab] = field(default_factory=Last, init=False, repr=False, compare=False)
    _weights: Last[Params] = field(default_factory=Last, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the policy."""
        if self.policy not in get_args(Policy):
            raise SettingError(f"policy: unknown value '{self.policy}'; {nearest(self.policy, get_args(Policy))}")

    def allows(self, what: Policy) -> bool:
        """Say whether the operator lets this leave."""
        return allows(self.policy, what)

    @property
    def is_covered(self) -> bool:
        """Whether nothing that adds up examples leaves without masks or noise."""
        return self.masked or self.noise > 0

    @property
    def shelf(self) -> Shelf:
        """What it has received and learnt."""
        return Shelf(self.state)

    def check_names(self, settings: DataSettings) -> None:
        """Refuse to encode a column whose categories' names may not leave, and to split by times of other sites.

        Raises:
            Refused: the study would.
        """
        if settings.split.time and settings.split.time_cut == "common":
            raise Refused(
                "data.split.time_cut: 'common' needs the times of all sites' rows, which do not leave; write 'client'"
            )
        for column in settings.one_hot:
            if column not in self.one_hot:
                raise Refused(
                    f"data.one_hot: '{self.name}' lets no names of categories of '{column}' leave; its operator can "
                    f"list the column with 'headstart federate node --one-hot {column}'"
                )

    def source(self, settings: DataSettings) -> tuple[Source, DataSettings]:
        """Open its data, and say how they are read: as the study's, but all its rows are its own choice.

        Raises:
            Refused: the study encodes a column whose categories' names may not leave, or is no classification.
        """
        self.check_names(settings)
        if not settings.has_classes:
            raise Refused(f"data.task: must be 'classification' at a site, received '{settings.task}'")
        own = replace(
            settings,
            source=str(self.data),
            client=None,
            partition=None,
            central=None,
            held_out_clients=0.0,
            max_examples=None,
            where={},
        )
        return _without_others(open_source(own.source, Path(), form=table_format(own)), settings), own

    def read(self, settings: DataSettings, agreed: Agreement | None = None) -> Federation:
        """Read its data by what was agreed, or as they stand if nothing is yet; nothing is filled or scaled."""
        return open_client(*self.source(settings), self.name, agreed)

    def accept(self, said: Hello, *, fixed: bool = False, anew: bool = True) -> Terms:
        """Let a study be answered, its data read in this way and no other; its operator decides.

        Args:
            said: its name, how it reads data, and its seeds.
            fixed: let no other study be proposed.
            anew: accept the data as they are now; otherwise other data than those accepted before are refused.

        Raises:
            DataError: the data cannot be read so.
        """
        accepted, terms = Accepted(self.state), self.terms(said, fixed=fixed)
        before = next((one for one in accepted.all() if one.study == said.study), None)
        if before and not anew:
            terms = replace(terms, content=before.content)
        accepted.put(terms)
        return terms

    def terms(self, said: Hello, *, fixed: bool = False) -> Terms:
        """Return what accepting a study would say.

        Raises:
            DataError: the data cannot be read so.
        """
        source, own = self.source(said.data)
        federation = open_client(source, own, self.name)
        is_table = federation.examples.kind == "table"
        return Terms(
            study=said.study,
            data=said.data,
            seeds=said.seeds,
            model=said.model,
            classes=tuple(federation.examples.classes),
            columns=(*client_columns(source, own).inputs, *_empty(source)) if is_table else (),
            content=Accepted(self.state).content(self.data),
            tells_rows=tells_rows(federation, said.seeds),
            fixed=fixed,
        )

    def open(self, setup: Setup) -> Opened:
        """Open data and model; what was opened last is still in memory, as long as no file of the data was written.

        Raises:
            ClientError: the model was never received, or a setting needs what was not agreed.
        """
        lab = self._lab.get(_reading(setup, stamp(self.data)), lambda: self._opened(setup))
        network = lab.skeleton(from_scratch=setup.from_scratch)
        weights = self._weights.get(setup.digest, lambda: self.shelf.weights(setup.digest))
        return Opened(lab, lab.at(setup.seed).clients[0], network, weights)

    def _opened(self, setup: Setup) -> Lab:
        read = self.read(setup.data, setup.agreement)
        federation = with_tokens(scaled_as_agreed(read, setup.data, setup.agreement), setup.model)
        return Lab(federation, setup.model, Serial(), DTYPES[setup.dtype], self.state)


def _reading(setup: Setup, stamp: str) -> str:
    """Name how data are read, and which: all of a setup but the model's weights and the seed."""
    return hash_json([stamp, write(setup.data), write(setup.agreement), write(setup.model), setup.dtype])


def _empty(source: Source) -> tuple[str, ...]:
    """Return columns without any value, which may be inputs where others have values."""
    return tuple(
        name
        for name, kind in zip(source.table.column_names, source.table.schema.types, strict=True)
        if source.table[name].null_count == len(source.table) or (pa.types.is_string(kind) and _has_none(source, name))
    )


def _has_none(source: Source, name: str) -> bool:
    return all(text is None for text in source.texts(name, "data.columns"))


def _without_others(source: Source, settings: DataSettings) -> Source:
    """Forget columns that a study reads for something else, such as whose a row is; they are no inputs there either."""
    within = settings.partition.within if settings.partition else None
    split, roles = settings.split, {settings.label, settings.id, settings.image, settings.text}
    roles |= {split.column, split.group, split.time}
    others = {settings.client, within, *settings.where} - roles - set(settings.columns or ())
    names = [name for name in source.table.column_names if name in others]
    return replace(source, table=source.table.drop_columns(names))


@dataclass(frozen=True, eq=False)
class Opened:
    """A site's data, its one client at a seed, and the model received."""

    lab: Lab
    client: Client
    network: Network
    weights: Params

    def train(self, *key: Key) -> OneClient:
        """Return the training examples, in an order that ``key`` fixes; what hides single ones nobody knows."""
        activations, own = self.lab.activations, self.client
        return OneClient(activations, own.id, own.train, keyed_order, key, chance=SystemChance)

    @property
    def val(self) -> OneClient:
        """The validation examples."""
        return OneClient(self.lab.activations, self.client.id, self.client.val, keyed_order, ())
