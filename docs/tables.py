"""Reference tables for the documentation, made from the registries and settings each time it is built.

A page holds a line such as ``<!-- methods: federate -->`` or ``<!-- settings: DataSettings -->``; building
replaces it by what the code declares, so that no table can fall behind. MkDocs loads this file as a hook.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from headstart.core.registry import Entry, Setting, UpTo
from headstart.data import CentralSettings, DataSettings, PartitionSettings, PixelSettings, SplitSettings
from headstart.study.written import schema
from headstart.study.written.arms import METHODS

STUDY_TABLES: Mapping[str, type] = {
    "StudySettings": schema.StudySettings,
    "DataSettings": DataSettings,
    "PixelSettings": PixelSettings,
    "PartitionSettings": PartitionSettings,
    "SplitSettings": SplitSettings,
    "CentralSettings": CentralSettings,
    "ModelSettings": schema.ModelSettings,
    "TuningSettings": schema.TuningSettings,
    "DecisionSettings": schema.DecisionSettings,
    "EvaluationSettings": schema.EvaluationSettings,
    "EngineSettings": schema.EngineSettings,
    "RunningSettings": schema.RunningSettings,
    "BudgetSettings": schema.BudgetSettings,
    "PrivacySettings": schema.PrivacySettings,
}
"""Every fixed table of a study file, by the name of its class."""

SHARED: Mapping[str, str] = {
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

_PLACE = re.compile(r"^<!-- (\w+): (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill a page's places with tables; MkDocs calls this for every page."""
    return _PLACE.sub(lambda match: "\n".join(_fill(match[1], match[2])), markdown)


def _fill(kind: str, name: str) -> Iterator[str]:
    if kind == "settings":
        yield from settings_table(STUDY_TABLES[name])
    elif kind == "methods":
        for method, entry in METHODS[typing.cast("Any", name)].items():
            yield from method_section(method, entry, tuned=name != "start")
    elif kind == "summary":
        yield from stage_summary(name)
    else:
        raise ValueError(f"a page asks for {kind!r}; valid: settings, methods, summary")


def settings_table(cls: type) -> Iterator[str]:
    """Yield the table of one table of a study file."""
    meaning = attributes(cls)
    yield from _table(
        (name, type_words(kind), default_words(default), meaning.get(name, "")) for name, kind, default in fields(cls)
    )


def method_section(name: str, entry: Entry, *, tuned: bool) -> Iterator[str]:
    """Yield a method's heading, what it does, its paper, what differs from it, and its settings."""
    citation, differs = paper(entry)
    yield f"### `{name}` {{: #{name} }}\n\n{summary(entry)}\n"
    yield f"**Paper.** {citation}\n\n**Differs from the paper.** {differs}\n"
    if not entry.settings():
        yield "No settings.\n"
        return
    meaning = meanings(entry)
    yield from _table(
        (name, type_words(one.type), default_words(one.default) + _range(one, tuned), meaning.get(name, ""))
        for name, one in entry.settings().items()
    )


def stage_summary(stage: str) -> Iterator[str]:
    """Yield one line per method of a stage with the names of its settings."""
    yield "| method | its settings |\n|---|---|"
    for name, entry in METHODS[typing.cast("Any", stage)].items():
        keys = ", ".join(f"`{key}`" for key in entry.settings()) or "none"
        yield f"| [`{name}`](methods.md#{name}) | {keys} |"
    yield ""


def summary(entry: Entry) -> str:
    """Return what a method does, from its class's docstring; a server optimiser's says its difference."""
    texts = [inspect.cleandoc(cls.__doc__ or "") for cls in (entry.factory, *entry.parts.values())]
    return " ".join(_sentence(text.split("\n\n")[0]) for text in texts)


def paper(entry: Entry) -> tuple[str, str]:
    """Return a method's citation and what differs from its paper, from its file's docstring.

    Raises:
        ValueError: the docstring has no URL, or no line "Differs from the paper:".
    """
    module = [entry.factory, *entry.parts.values()][-1].__module__
    head, found, differs = inspect.cleandoc(sys.modules[module].__doc__ or "").partition("Differs from the paper:")
    citation = head.strip().partition("\n\n")[2]
    if not found or "https://" not in citation:
        raise ValueError(f"{module}: its docstring needs a URL and 'Differs from the paper:'")
    return _linked(_sentence(citation)), _sentence(differs)


def meanings(entry: Entry) -> dict[str, str]:
    """Return what each setting of a method means: its own docstring, its parts', or the shared words."""
    found = dict(SHARED)
    defaults = {f.name: type(f.default) for f in dataclasses.fields(entry.factory)}
    parts = [cls for cls in {**defaults, **entry.parts}.values() if dataclasses.is_dataclass(cls)]
    for cls in (*parts, entry.factory):
        for one in reversed(cls.__mro__):
            found |= attributes(one)
    return found


def attributes(cls: type) -> dict[str, str]:
    """Read the section "Attributes:" of a class's docstring."""
    section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:")[2].partition("\n\n")[0]
    items = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section, re.MULTILINE)
    return {name: _line(text) for name, text in items}


def fields(cls: type) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, type and default of each setting."""
    hints = get_type_hints(cls, include_extras=True)
    for f in dataclasses.fields(cls):
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        yield f.name, hints[f.name], default


def type_words(kind: Any) -> str:
    """Say a type as a writer of a study file would.

    >>> type_words(Literal["a", "b"] | None)
    '`"a"` or `"b"`'
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _with_bounds(type_words(arguments[0]), arguments[1:])
    if origin is Literal:
        return " or ".join(f'`"{value}"`' if isinstance(value, str) else f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(type_words(member) for member in arguments if member is not NoneType)
    if origin is tuple:
        return f"list of {type_words(arguments[0])}"
    words = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}
    return words.get(kind, "table")


def _with_bounds(words: str, constraints: tuple[Any, ...]) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    flat = [item for found in constraints for item in (getattr(found, "metadata", None) or [found])]
    bounds = [
        f"{sign} {getattr(item, name):g}"
        for item in flat
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]
    return f"{words} {', '.join(bounds)}" if bounds else words


def default_words(default: Any) -> str:
    """Say a default as a study file would."""
    if default is dataclasses.MISSING:
        return "required"
    if default is None or isinstance(default, Mapping) or dataclasses.is_dataclass(default):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{list(default)}`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default:g}`"


def _range(setting: Setting, tuned: bool) -> str:
    if not tuned or setting.search is None:
        return ""
    if isinstance(setting.search, UpTo):
        return f" (tuned: 0 to `{setting.search.most}`)"
    return f" (tuned: up to {setting.search.factor:g} times less or more)"


def _table(rows: Iterator[tuple[str, str, str, str]]) -> Iterator[str]:
    yield "| setting | type | default | meaning |\n|---|---|---|---|"
    for name, *cells in rows:
        yield (f"| `{name}` | " + " | ".join(cell.replace("``", "`").replace("|", "\\|") for cell in cells) + " |")
    yield ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    """Begin with a capital letter, and write code as Markdown does."""
    text = re.sub(r"(Other a|A)ttributes as :class:.*", "", _line(text)).strip().replace("``", "`")
    return text[:1].upper() + text[1:]


def _linked(text: str) -> str:
    return re.sub(r"https://[^\s),]*[^\s),.]", lambda match: f"<{match[0]}>", text)
