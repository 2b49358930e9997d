"""Arms as written: one choice per stage, with the settings that the user gave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, replace
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from headstart import adapt, federate, start
from headstart.core.errors import SettingError, nearest
from headstart.core.registry import Entry
from headstart.study.written.messages import explain

Kind = Literal["start", "federate", "adapt"]

METHODS: dict[Kind, Mapping[str, Entry]] = {
    "start": start.METHODS,
    "federate": federate.METHODS,
    "adapt": adapt.METHODS,
}
"""Every stage's registry."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class StageSpec:
    """A method's name and the settings that were given; the rest are the method's defaults."""

    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, as a study file's table would say them."""
        return {"method": self.method, **self.settings}


@dataclass(frozen=True)
class ArmSpec:
    """One arm: start, then federate (stages in order, maybe none), then adapt.

    >>> arm = ArmSpec("fedavg", StageSpec("random"), (StageSpec("fedavg", {"rounds": 5}),))
    >>> arm.as_json()["federate"]
    [{'method': 'fedavg', 'rounds': 5}]
    """

    name: str
    start: StageSpec
    federate: tuple[StageSpec, ...] = ()
    adapt: StageSpec = StageSpec("keep")

    def as_json(self) -> dict[str, Any]:
        """Return plain values; equal arms under two names say the same."""
        stages = [stage.as_json() for stage in self.federate]
        return {"start": self.start.as_json(), "federate": stages, "adapt": self.adapt.as_json()}

    def stages(self) -> Iterator[tuple[Kind, str, StageSpec]]:
        """Yield each stage's kind, its path in a study file, and the stage."""
        path = f"arms.{self.name}"
        yield "start", f"{path}.start", self.start
        for index, stage in enumerate(self.federate):
            yield "federate", f"{path}.federate" + (f"[{index}]" if len(self.federate) > 1 else ""), stage
        yield "adapt", f"{path}.adapt", self.adapt

    def map(self, change: Callable[[Kind, StageSpec], StageSpec]) -> ArmSpec:
        """Return the arm with every stage changed."""
        stages = tuple(change("federate", stage) for stage in self.federate)
        return replace(self, start=change("start", self.start), federate=stages, adapt=change("adapt", self.adapt))


def parse_arm(name: str, table: Mapping[str, Any]) -> ArmSpec:
    """Read one ``[arms.NAME]`` table and check it against the registries.

    A stage is a method's name, or a table of ``method`` and its settings; ``federate`` may be a list of them.

    Raises:
        SettingError: the name, a key, a method or a value breaks its rule.

    >>> parse_arm("local", {"start": "random", "adapt": {"method": "full_finetune", "epochs": 3}}).adapt
    StageSpec(method='full_finetune', settings={'epochs': 3})
    """
    path = f"arms.{name}"
    _check_name(name)
    for key in table:
        if key not in METHODS:
            raise SettingError(f"{path}.{key}: unknown stage, received {table[key]!r}; {nearest(key, METHODS)}")
    if "start" not in table:
        raise SettingError(f"{path}.start: is required, received nothing; add one of: {', '.join(METHODS['start'])}")
    arm = ArmSpec(
        name,
        _parse_stage("start", f"{path}.start", table["start"]),
        _parse_stages(f"{path}.federate", table.get("federate", [])),
        _parse_stage("adapt", f"{path}.adapt", table.get("adapt", "keep")),
    )
    check_arm(arm)
    return arm


def check_arm(arm: ArmSpec) -> None:
    """Build every stage once, for its errors.

    Raises:
        SettingError: a setting is unknown or breaks its rule; the message gives its path.
    """
    for kind, path, stage in arm.stages():
        entry = METHODS[kind][stage.method]
        problems = [line for name, value in stage.settings.items() for line in _check(entry, path, name, value)]
        if problems:
            raise SettingError("\n".join(problems))
        try:
            entry.build(stage.settings)
        except SettingError as error:
            raise SettingError(f"{path}.{error}") from None


def build_stage(kind: Kind, stage: StageSpec) -> Any:
    """Build the method that a stage names, such as ``FedAvg(...)``.

    >>> build_stage("adapt", StageSpec("linear_probe", {"epochs": 3})).epochs
    3
    """
    return METHODS[kind][stage.method].build(stage.settings)


def with_defaults(arm: ArmSpec, training: Mapping[str, Any], trainable: str | int | None = None) -> ArmSpec:
    """Fill in a study's own defaults, where a client trains and the arm says nothing.

    Args:
        arm: as written.
        training: the study's ``[training]`` table.
        trainable: where federated stages are cut in arms that don't start at random.
    """
    cut = {} if trainable is None or arm.start.method == "random" else {"trainable": trainable}

    def fill(kind: Kind, stage: StageSpec) -> StageSpec:
        if kind == "start":
            return stage
        known = METHODS[kind][stage.method].settings()
        defaults = {**training, **(cut if kind == "federate" else {})}
        return replace(stage, settings={**{k: v for k, v in defaults.items() if k in known}, **stage.settings})

    return arm.map(fill)


def check_training(training: Mapping[str, Any]) -> None:
    """Check the ``[training]`` table against every federated and client-side method that has the setting.

    Raises:
        SettingError: no method has such a setting, or the value breaks its rule.
    """
    entries = [entry for kind in ("federate", "adapt") for entry in METHODS[kind].values()]
    for name, value in training.items():
        holders = [entry for entry in entries if name in entry.settings()]
        if not holders:
            known = {name for entry in entries for name in entry.settings()}
            raise SettingError(f"training.{name}: unknown setting, received {value!r}; {nearest(name, known)}")
        for entry in holders:
            problems = _check(entry, "training", name, value)
            if problems:
                raise SettingError(problems[0])


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SettingError(f"arms.{name}: must be letters, digits, '-', '_' and '.', received {name!r}; rename the arm")


def _parse_stages(path: str, value: Any) -> tuple[StageSpec, ...]:
    if not isinstance(value, list):
        return (_parse_stage("federate", path, value),)
    return tuple(_parse_stage("federate", f"{path}[{index}]", item) for index, item in enumerate(value))


def _parse_stage(kind: Kind, path: str, value: Any) -> StageSpec:
    table = {"method": value} if isinstance(value, str) else value
    valid = METHODS[kind]
    if not isinstance(table, Mapping) or not isinstance(table.get("method"), str):
        raise SettingError(
            f'{path}: must be a method\'s name or a table with method = "…", received {value!r}; '
            f"valid: {', '.join(valid)}"
        )
    if table["method"] not in valid:
        raise SettingError(f"{path}: unknown method, received {table['method']!r}; {nearest(table['method'], valid)}")
    return StageSpec(table["method"], {key: item for key, item in table.items() if key != "method"})


def _check(entry: Entry, path: str, name: str, value: Any) -> list[str]:
    """Return one line for a setting that is unknown or breaks its rule, nothing otherwise."""
    known = entry.settings()
    if name not in known:
        return [f"{path}.{name}: unknown setting, received {value!r}; {nearest(name, known)}"]
    try:
        TypeAdapter(known[name].type).validate_python(value, strict=True)
    except ValidationError as error:
        default = known[name].default
        way_out = "" if default is MISSING else f"; the default is {default!r}"
        return [line + way_out for line in explain(error, None, value, f"{path}.{name}")]
    return []
