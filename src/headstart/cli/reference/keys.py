"""The keys of a study file: of its tables, and of its methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_type_hints

from headstart.cli.reference.words import attributes, default_words, type_words
from headstart.core.registry import Entry, Setting, UpTo
from headstart.data import CentralSettings, DataSettings, PartitionSettings, PixelSettings, SplitSettings
from headstart.study.written import schema

TABLES: Mapping[str, type] = {
    "file": schema.StudySettings,
    "data": DataSettings,
    "data.pixels": PixelSettings,
    "data.partition": PartitionSettings,
    "data.split": SplitSettings,
    "data.central": CentralSettings,
    "model": schema.ModelSettings,
    "tuning": schema.TuningSettings,
    "decision": schema.DecisionSettings,
    "evaluation": schema.EvaluationSettings,
    "engine": schema.EngineSettings,
    "study": schema.RunningSettings,
    "budget": schema.BudgetSettings,
}
"""Every table of a study file whose keys are fixed; ``file`` are the tables themselves."""

_SHARED: Mapping[str, str] = {
    "accept": "keep the adapted model only if it is better on the client's validation data.",
    "beta1": "decay of the server's first moment.",
    "beta2": "decay of the server's second moment.",
    "bias_correction": "scale the first rounds' steps up, as Adam does; Flower's FedAdam does so too.",
    "epochs": "passes over the client's training data.",
    "k": "number of blocks that train, from the head down.",
    "local_epochs": "passes of a client over its data, each round.",
    "proximal_mu": "weight of the term that pulls a client towards the shared parameters.",
    "server_lr": "step size of the server.",
    "server_momentum": "share of the server's last step that carries on into the next.",
    "tau": "added to the square root of the second moment; large values make the server less adaptive.",
    "trainable": "where the model is cut: `head`, `all`, or a number of last blocks.",
}
"""What a setting means wherever a method's own docstring does not say it."""


@dataclass(frozen=True)
class Key:
    """A key that may be written, with its type, its default and its meaning in words."""

    name: str
    type: str
    default: str
    meaning: str


def keys_of(cls: type) -> Iterator[Key]:
    """Yield the keys of one table."""
    hints, meaning = get_type_hints(cls, include_extras=True), attributes(cls)
    for one in dataclasses.fields(cls):
        default = one.default_factory() if one.default_factory is not dataclasses.MISSING else one.default
        yield Key(one.name, type_words(hints[one.name]), default_words(default), meaning.get(one.name, ""))


def settings_of(entry: Entry, *, tuned: bool) -> Iterator[Key]:
    """Yield a method's settings; where its stage is tuned, a default says its range."""
    meaning = _meanings(entry)
    for name, one in entry.settings().items():
        yield Key(
            name, type_words(one.type), default_words(one.default) + _range(one, tuned=tuned), meaning.get(name, "")
        )


def _meanings(entry: Entry) -> dict[str, str]:
    """Return what each setting of a method means: its own docstring, its parts', or the shared words."""
    found = dict(_SHARED)
    defaults = {f.name: type(f.default) for f in dataclasses.fields(entry.factory)}
    parts = [cls for cls in {**defaults, **entry.parts}.values() if dataclasses.is_dataclass(cls)]
    for cls in (*parts, entry.factory):
        for one in reversed(cls.__mro__):
            found |= attributes(one)
    return found


def _range(setting: Setting, *, tuned: bool) -> str:
    if not tuned or setting.search is None:
        return ""
    if isinstance(setting.search, UpTo):
        return f" (tuned: 0 to `{setting.search.most}`)"
    return f" (tuned: up to {setting.search.factor:g} times less or more)"
