"""What ``settings.json`` may say: every value is checked before any is used."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from headstart_edge.errors import EdgeError

MOST_CLASSES, MOST_FEATURES, MOST_PIXELS, MOST_COLUMNS = 2**16, 2**20, 2**26, 2**20
LARGEST = 2**31

Rule = tuple[Callable[[Any], bool], str]
"""Whether a value may stand, and what it must be in words."""


def check_settings(settings: Mapping[str, Any], files: Collection[str]) -> None:
    """Check the settings of a bundle.

    Args:
        settings: what the file says.
        files: names of the bundle's files.

    Raises:
        EdgeError: a value is missing, or not what the format allows; the message names the first.
    """
    _check("", settings, _TOP)
    backbone = settings.get("backbone")
    if not isinstance(backbone, str) or backbone not in files or not backbone.endswith(".onnx"):
        raise _wrong("backbone", "must be one of the bundle's", backbone)
    given, adapt = settings["input"], settings["adapt"]
    _check("input.", given, _INPUTS[given["kind"]])
    if given["kind"] == "image" and given["height"] * given["width"] > MOST_PIXELS:
        raise _wrong("input", f"must have at most {MOST_PIXELS:,} pixels", (given["height"], given["width"]))
    _check("adapt.", adapt, _METHODS.get(adapt["method"], {}))


def _check(prefix: str, table: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    for name, (may_stand, rule) in rules.items():
        if not may_stand(table.get(name)):
            raise _wrong(prefix + name, rule, table.get(name))


def _wrong(name: str, rule: str, received: object) -> EdgeError:
    text = repr(received)
    short = text if len(text) < 80 else f"{text[:76]} …"
    return EdgeError(f"settings.json: {name} {rule}, received {short}; export the bundle again")


def _whole(least: int, most: int = LARGEST) -> Rule:
    return lambda x: type(x) is int and least <= x <= most, f"must be a whole number from {least} to {most}"


def _number(least: float, most: float = math.inf) -> Rule:
    def may_stand(x: Any) -> bool:
        return type(x) in (int, float) and math.isfinite(x) and least <= x <= most

    words = f"of {least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
    return may_stand, f"must be a finite number {words}"


def _names(least: int, most: int) -> Rule:
    def may_stand(x: Any) -> bool:
        return (
            isinstance(x, list)
            and least <= len(x) <= most
            and all(isinstance(name, str) and name for name in x)
            and len(set(x)) == len(x)
        )

    return may_stand, f"must be at least {least} names, each another"


def _one_of(*words: object) -> Rule:
    def may_stand(x: Any) -> bool:
        return any(x is word or (type(x) is type(word) and x == word) for word in words)

    return may_stand, f"must be {', '.join(map(repr, words[:-1]))} or {words[-1]!r}"


def _or_nothing(rule: Rule) -> Rule:
    may_stand, words = rule
    return lambda x: x is None or may_stand(x), f"{words}, or nothing"


def _list_of(length: int, rule: Rule, *, ascending: bool = False) -> Rule:
    def may_stand(x: Any) -> bool:
        fits = isinstance(x, list) and len(x) == length and all(map(rule[0], x))
        return fits and (not ascending or x[0] < x[-1])

    return may_stand, f"must be {length} numbers"


def _with(name: str, *words: str) -> Rule:
    def may_stand(x: Any) -> bool:
        return isinstance(x, dict) and isinstance(x.get(name), str) and (not words or x[name] in words)

    return may_stand, f"must be a table with a {name}" + (f" ({' or '.join(words)})" if words else "")


_TOP: Mapping[str, Rule] = {
    "labels": _names(2, MOST_CLASSES),
    "num_features": _whole(1, MOST_FEATURES),
    "input": _with("kind", "image", "table"),
    "adapt": _with("method"),
    "metric": _or_nothing((lambda x: isinstance(x, str), "must be the name of a metric")),
    "seed": _or_nothing(_whole(0, 2**63)),
}
_BYTE = _whole(0, 255)
_INPUTS: Mapping[str, Mapping[str, Rule]] = {
    "image": {
        "channels": _one_of(1, 3),
        "height": _whole(1, MOST_PIXELS),
        "width": _whole(1, MOST_PIXELS),
        "background": _or_nothing(_list_of(3, _BYTE)),
        "range": _or_nothing(_list_of(2, _number(-1e308), ascending=True)),
    },
    "table": {"columns": _names(1, MOST_COLUMNS)},
}
_METHODS: Mapping[str, Mapping[str, Rule]] = {
    "linear_probe": {
        "epochs": _whole(0, 10**6),
        "client_lr": _number(0, 1e6),
        "batch_size": _whole(1),
        "optimizer": _one_of("sgd", "adam", "adamw"),
        "momentum": _or_nothing(_number(0, 1)),
        "weight_decay": _or_nothing(_number(0, 1e6)),
        "balance": _one_of(None, "none", "loss", "sampling"),
        "local_steps": _or_nothing(_whole(0, 10**9)),
        "accept": _one_of(None, True, False),
    },
    "personal_ridge": {"penalty": _or_nothing(_number(0)), "accept": _one_of(None, True, False)},
}
