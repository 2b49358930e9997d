"""Arms as written: one choice per stage, with the settings that the user gave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from headstart import adapt, federate, start
from headstart.core.errors import SettingError, nearest
from headstart.core.registry import Entry
from headstart.core.settings import problems, unknown

Kind = Literal["start", "federate", "adapt"]

METHODS: dict[Kind, Mapping[str, Entry]] = {
    "start": start.METHODS,
    "federate": federate.METHODS,
    "adapt": adapt.METHODS,
}
"""Every stage's registry."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Stage:
    """A method's name and the settings that were given; the rest are the method's defaults.

    Attributes:
        kind: which registry has the method.
        method: its name there.
        settings: plain values.

    >>> Stage("adapt", "linear_probe", {"epochs": 3}).build().epochs
    3
    """

    kind: Kind
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def entry(self) -> Entry:
        """The method's line in its registry."""
        return METHODS[self.kind][self.method]

    def build(self) -> Any:
        """Build the method, such as ``FedAvg(...)``.

        Raises:
            SettingError: a setting is unknown or breaks its rule.
        """
        return self.entry.build(self.settings)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, as a study file's table would say them."""
        return {"method": self.method, **self.settings}

    def check(self, path: str) -> None:
        """Check every setting, and build the method once, for its errors.

        Raises:
            SettingError: a setting is unknown or breaks its rule; the message gives its path.
        """
        lines = [line for name, value in self.settings.items() for line in _problems(self.entry, path, name, value)]
        if lines:
            raise SettingError("\n".join(lines))
        try:
            self.build()
        except SettingError as error:
            raise SettingError(f"{path}.{error}") from None


Written = str | Mapping[str, Any] | Stage
"""A stage as users write it: a method's name, or a table of ``method`` and its settings."""


@dataclass(frozen=True, init=False)
class Arm:
    """One choice per stage.

    Attributes:
        name: letters, digits, ``-``, ``_`` and ``.``.
        start: where the shared weights come from.
        federate: what server and clients learn together: stages in order, maybe none.
        adapt: what each client then does alone.

    >>> Arm("both", start="pretrain", federate={"method": "fedavg", "rounds": 5}, adapt="lp_ft").federate
    (Stage(kind='federate', method='fedavg', settings={'rounds': 5}),)
    """

    name: str
    start: Stage
    federate: tuple[Stage, ...]
    adapt: Stage

    def __init__(
        self, name: str, start: Written, federate: Written | Sequence[Written] = (), adapt: Written = "keep"
    ) -> None:
        """Read stages as a study file's ``[arms.NAME]`` table would say them.

        Args:
            name: letters, digits, ``-``, ``_`` and ``.``.
            start: a method's name, or a table with ``method`` and its settings.
            federate: the same, or a list of them.
            adapt: as ``start``.

        Raises:
            SettingError: a method or a setting is unknown, or a value breaks its rule.
        """
        path = f"arms.{name}"
        _check_name(name)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "start", _parse_stage("start", f"{path}.start", start))
        object.__setattr__(self, "federate", _parse_stages(f"{path}.federate", federate))
        object.__setattr__(self, "adapt", _parse_stage("adapt", f"{path}.adapt", adapt))
        _check_own(path, self.federate, self.adapt)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; equal arms under two names say the same."""
        stages = [stage.as_json() for stage in self.federate]
        return {"start": self.start.as_json(), "federate": stages, "adapt": self.adapt.as_json()}

    def stages(self) -> Iterator[tuple[str, Stage]]:
        """Yield each stage with its path in a study file."""
        path = f"arms.{self.name}"
        yield f"{path}.start", self.start
        for index, stage in enumerate(self.federate):
            yield f"{path}.federate" + (f"[{index}]" if len(self.federate) > 1 else ""), stage
        yield f"{path}.adapt", self.adapt

    def map(self, change: Callable[[Stage], Stage]) -> Arm:
        """Return the arm with every stage changed."""
        return Arm(self.name, change(self.start), [change(stage) for stage in self.federate], change(self.adapt))

    def check(self) -> None:
        """Check every stage's settings.

        Raises:
            SettingError: a setting is unknown or breaks its rule; the message gives its path.
        """
        for path, stage in self.stages():
            stage.check(path)


def parse_arm(name: str, table: Mapping[str, Any]) -> Arm:
    """Read one ``[arms.NAME]`` table and check it against the registries.

    Raises:
        SettingError: the name, a key, a method or a value breaks its rule.

    >>> parse_arm("local", {"start": "random", "adapt": {"method": "full_finetune", "epochs": 3}}).adapt.settings
    {'epochs': 3}
    """
    _check_name(name)
    for key in table:
        if key not in METHODS:
            raise SettingError(unknown(f"arms.{name}.{key}", table[key], METHODS, "stage"))
    if "start" not in table:
        valid = ", ".join(METHODS["start"])
        raise SettingError(f"arms.{name}.start: is required, received nothing; add one of: {valid}")
    return Arm(name, **table)


def with_defaults(arm: Arm, training: Mapping[str, Any], trainable: str | int | None = None) -> Arm:
    """Fill in a study's own defaults, where a client trains and the arm says nothing.

    Args:
        arm: as written.
        training: the study's ``[training]`` table.
        trainable: where federated stages are cut in arms that don't start at random.
    """
    cut = {} if trainable is None or not arm.start.build().is_trained else {"trainable": trainable}

    def fill(stage: Stage) -> Stage:
        if stage.kind == "start":
            return stage
        known = stage.entry.settings()
        defaults = {**training, **(cut if stage.kind == "federate" else {})}
        return replace(stage, settings={**{k: v for k, v in defaults.items() if k in known}, **stage.settings})

    return arm.map(fill)


def check_training(training: Mapping[str, Any]) -> None:
    """Check the ``[training]`` table against the federated and client-side methods that have the setting.

    A method may allow less than others do; its arms say so themselves.

    Raises:
        SettingError: no method has such a setting, or the value breaks the rule of each that has.
    """
    entries = [entry for kind in ("federate", "adapt") for entry in METHODS[kind].values()]
    for name, value in training.items():
        holders = [entry for entry in entries if name in entry.settings()]
        if not holders:
            raise SettingError(unknown(f"training.{name}", value, {key for one in entries for key in one.settings()}))
        found = [_problems(entry, "training", name, value) for entry in holders]
        if all(found):
            raise SettingError(found[0][0])


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SettingError(f"arms.{name}: must be letters, digits, '-', '_' and '.', received {name!r}; rename the arm")


def _parse_stages(path: str, value: Written | Sequence[Written]) -> tuple[Stage, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (_parse_stage("federate", path, value),)
    return tuple(_parse_stage("federate", f"{path}[{index}]", item) for index, item in enumerate(value))


def _parse_stage(kind: Kind, path: str, value: Written) -> Stage:
    """Read and check what a user wrote; a stage is one already."""
    if isinstance(value, Stage):
        return value
    table, valid = {"method": value} if isinstance(value, str) else value, METHODS[kind]
    if not isinstance(table, Mapping) or not isinstance(table.get("method"), str):
        raise SettingError(
            f'{path}: must be a method\'s name or a table with method = "…", received {value!r}; '
            f"valid: {', '.join(valid)}"
        )
    if table["method"] not in valid:
        raise SettingError(f"{path}: unknown method, received {table['method']!r}; {nearest(table['method'], valid)}")
    stage = Stage(kind, table["method"], {key: item for key, item in table.items() if key != "method"})
    stage.check(path)
    return stage


def _check_own(path: str, stages: Sequence[Stage], adapt: Stage) -> None:
    """Refuse an adaptation that takes a model that no federated stage leaves its client."""
    takes_own = getattr(adapt.entry.factory, "takes_own", False)
    if takes_own and not (stages and federate.keeps_own(stages[-1].build())):
        able = ", ".join(name for name, entry in METHODS["federate"].items() if federate.keeps_own(entry.build({})))
        last = f"'{stages[-1].method}'" if stages else "nothing federated"
        raise SettingError(
            f"{path}.adapt: '{adapt.method}' needs a last federated stage after which each client has a model of its "
            f"own beside the shared one, received {last}; take {able}, or another adaptation"
        )


def _problems(entry: Entry, path: str, name: str, value: object) -> list[str]:
    """Return one line for a setting that is unknown or breaks its rule, nothing otherwise."""
    known = entry.settings()
    if name not in known:
        return [unknown(f"{path}.{name}", value, known)]
    return problems(known[name].type, value, f"{path}.{name}", known[name].default)


def tables_of(arms: Iterable[Arm]) -> dict[str, dict[str, Any]]:
    """Return arms as a study file's tables.

    Raises:
        SettingError: two arms have the same name.
    """
    tables: dict[str, dict[str, Any]] = {}
    for arm in arms:
        if arm.name in tables:
            raise SettingError(f"arms.{arm.name}: must be said once, received two arms of this name; rename one")
        tables[arm.name] = arm.as_json()
    return tables
