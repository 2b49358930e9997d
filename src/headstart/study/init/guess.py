"""From what was found to a first study file, each line with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from headstart.core.words import listed
from headstart.data.labels import FEW_CLASSES
from headstart.study.init.backbones import Backbone, backbone_for
from headstart.study.init.draft import Draft, Line
from headstart.study.init.guess_clients import central_lines, clients_of, partition_lines, split_lines
from headstart.study.init.guess_data import data_lines
from headstart.study.init.look import Found
from headstart.study.init.parts import Parts, input_columns
from headstart.study.init.shares import MIN_EFFECT, SEEDS, shares_for

_MANY_CLIENTS, _HELD_OUT = 25, 0.2
_LONG_TEXT, _TOKENS = 600, 128
"""Letters of a text, by the mean, from which fewer tokens are read."""
_UNEVEN = 1.3
"""How much more than its even share the largest class may have before classes count alike."""
_NAMED = 6
_PHONE = tuple(
    Line(key, value, why, is_on=False)
    for key, value, why in (
        (
            "memory",
            "2 GB",
            "what each arm takes on such a device; nothing is trained again for it",
        ),
        ("uplink", "5 Mbit/s", ""),
        ("downlink", "20 Mbit/s", ""),
        ("compute", "10 GFLOP/s", ""),
    )
)
_MINUTES = 4
"""Enough for every head on the frozen part; deep arms take what is left."""


def guess(found: Found, parts: Parts, source: str, command: str, beside: str | None = None) -> Draft:
    """Return a study file's settings.

    Args:
        found: in the data.
        parts: that columns play.
        source: how the file names the data.
        command: by which it is written.
        beside: a source that lies beside and is called as a server's pool is; None where there is none.
    """
    backbone = backbone_for(found, parts)
    counts = clients_of(found, parts)
    held_out = _HELD_OUT if len(counts) >= _MANY_CLIENTS and parts.client else 0.0
    shares = shares_for(counts, held_out=held_out)
    what = f"{found.rows:,} rows, {len(found.columns)} columns"
    head = (
        f"Written by: {command}. Of {found.source.name}: {what}. A line that was a guess says why; what stands "
        "behind a '#' is another choice. docs/study-file.md explains every setting.",
        *_unused(found, parts),
    )
    tables = {
        "": (Line("name", _name(found)), Line("seeds", tuple(range(SEEDS)), "every arm runs once with each")),
        "data": data_lines(found, parts, source, backbone, held_out),
        "data.partition": tuple(partition_lines(found, parts, len(counts))),
        "data.split": tuple(split_lines(found, parts, shares, held_out)),
        "data.central": tuple(central_lines(beside)),
        "model": tuple(_model(found, parts, backbone)),
        "tuning": (Line("trials", 4, "settings tried of each arm, on validation data alone", is_on=False),),
        "budget": (Line("minutes", _MINUTES, _why_minutes(backbone), is_on=backbone.is_trained),),
        "decision": tuple(_decision(found, parts, good_start=backbone.is_trained or bool(beside))),
        "devices.phone": _PHONE,
    }
    return Draft(head, tables)


def _unused(found: Found, parts: Parts) -> Iterator[str]:
    """Say which columns play no part, and why, but for those that a line says that of."""
    used = {
        *parts.taken,
        parts.text,
        *parts.left_out,
        *found.splits,
        *(input_columns(found, parts) if parts.inputs == "table" else ()),
    }
    left = [column for column in found.columns if column.name not in used and column.kind != "pictures"]
    words = [
        f"'{one.name}' ({found.identifiers.get(one.name, one.kind)})"
        for one in left
        if one.name != found.source.id_column
    ]
    if words:
        beside = {"text": ", for a model reads the texts alone", "image": ", for a model reads the pictures alone"}
        yield f"Not used: {listed(words, _NAMED)}{beside.get(parts.inputs, '')}."


def _model(found: Found, parts: Parts, backbone: Backbone) -> Iterator[Line]:
    yield Line("backbone", backbone.name, backbone.why)
    if parts.text and found.by_name[parts.text].length > _LONG_TEXT:
        yield Line("max_tokens", _TOKENS, "about the first 90 words of a text; more takes longer")
    if parts.inputs == "image":
        yield Line(
            "backbone", "microsoft/resnet-18", "of the Hugging Face Hub, or a folder with a checkpoint", is_on=False
        )
    if parts.inputs == "table":
        yield Line("backbone", "mlp", "with hidden layers, which start at random", is_on=False)
    if backbone.is_trained:
        yield Line("trainable", "all", "to train the whole backbone in a federation, not the head alone", is_on=False)


def _why_minutes(backbone: Backbone) -> str:
    if not backbone.is_trained:
        return "after which nothing more is begun"
    return "then nothing more is begun, for a first answer; with more, or without this line, the same command goes on"


def _decision(found: Found, parts: Parts, *, good_start: bool) -> Iterator[Line]:
    baseline = "fedavg-pretrained" if good_start else "fedavg"
    yield Line("baseline", baseline, "the arm that others are compared with")
    if parts.task == "survival":
        yield Line("metric", "c_index", "of two rows, how often the one with the earlier event has the higher risk")
        return
    if parts.task == "regression":
        yield Line(
            "metric", "mae", f"mean error, in units of '{parts.label}'; what differs by 5 % of its deviation matters"
        )
        return
    yield from _metric(found, parts)
    yield Line("min_effect", MIN_EFFECT, "two points: a smaller difference does not matter to you")


def _metric(found: Found, parts: Parts) -> Iterator[Line]:
    sizes = found.by_name[parts.label].sizes
    share = max(sizes) / sum(sizes) if sizes else 0.0
    if share * len(sizes) <= _UNEVEN and len(sizes) <= FEW_CLASSES:
        yield Line("metric", "accuracy", f"classes are about equally frequent{_at_clients(found, parts)}")
        yield Line("metric", "balanced_accuracy", "every class counts alike, however rare", is_on=False)
        return
    yield Line(
        "metric",
        "balanced_accuracy",
        f"classes are uneven, of {min(sizes):,} to {max(sizes):,} rows: each counts alike",
    )
    yield Line("metric", "auroc", "how well scores rank, wherever the threshold is set", is_on=False)


def _at_clients(found: Found, parts: Parts) -> str:
    """Say where single clients' classes are uneven though those of all are not; nothing elsewhere."""
    held = found.by_holder(parts.client, parts.label) if parts.client else {}
    shares = {name: max(counts.values()) / counts.total() for name, counts in held.items()}
    worst = max(shares, key=shares.__getitem__, default="")
    if not worst or shares[worst] * len(found.by_name[parts.label].sizes) <= _UNEVEN:
        return " overall"
    return f" over all clients; at '{worst}' one has {shares[worst]:.0%} of the rows"


def _name(found: Found) -> str:
    """Return a name that a run folder can have."""
    stem = Path(found.source.name.rpartition("/")[2]).stem.removesuffix(".csv")
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_") or "study"
