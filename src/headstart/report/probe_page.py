"""A probe as a page, in the style of a study's and of the same templates; as Markdown, and as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from headstart.core.errors import SettingError, nearest
from headstart.core.files import write_text
from headstart.core.plain import plain
from headstart.report import marks, script
from headstart.report.markdown import network_blocks
from headstart.report.network import network_of
from headstart.report.probe import HEADS, METRIC, Probe, is_probe, load_probe
from headstart.report.rendering import environment
from headstart.report.units import MISSING
from headstart.report.words import GLOSSARY

_LIMITS = (
    "What it compares are heads on features as they come. Training below the head together could add more than the "
    "best head does.",
    "Scores are of validation examples, few at many clients, by which ridge's penalty was chosen too; no test example "
    "was looked at.",
    "It says nothing of clients that were not asked, nor what training would cost in bytes and time.",
)


def write_probe(folder: str | Path, formats: Sequence[str] = ("html",)) -> list[Path]:
    """Write a probe's page, Markdown or data into its folder; beside a study's report they are named after the probe.

    Raises:
        SettingError: A probe has no such format.
        DataError: its files are damaged, or may not be read.
    """
    for name in formats:
        if name not in _FORMATS:
            raise SettingError(f"report format '{name}' is none of a probe's: {nearest(name, _FORMATS)}")
    probe = load_probe(folder)
    stem = "report" if is_probe(folder) else "probe-report"
    paths = [probe.folder / f"{stem}.{name}" for name in formats]
    for name, path in zip(formats, paths, strict=True):
        write_text(path, _FORMATS[name](probe))
    return paths


def _html(probe: Probe) -> str:
    context = {
        "probe": probe,
        "metric": METRIC,
        "heads": [title for _, title in HEADS],
        "network": network_of(probe.network, ()),
        "limits": _LIMITS,
        "glossary": GLOSSARY,
        "reloads": 0,
        "script": script.script(),
        "policy": script.policy(),
    }
    return str(environment().get_template("probe.html").render(**context))


def _markdown(probe: Probe) -> str:
    titles = ("Client", "Examples", *(title for _, title in HEADS), "Sharing adds")
    rows = [
        (
            row["client"],
            MISSING if row["examples"] is None else str(row["examples"]),
            *map(METRIC.value, row["scores"]),
            METRIC.change(row["gain"]),
        )
        for row in probe.rows
    ]
    left = [f"{name}: {reason}" for name, reason in probe.found["left_out"].items()]
    sections = {
        "Foretold": probe.foretold,
        "Left out": left,
        "Protection": probe.protection,
        "What it does not say": _LIMITS,
    }
    blocks = [
        f"# {marks.said(probe.name)}: {marks.said(probe.headline)}",
        marks.said(probe.sentence),
        "\n".join(map(marks.item, probe.cautions)),
        "\n".join(marks.item(f"{one['label']}: {one['value']} ({one['note']})") for one in probe.numbers),
        "## Heads, client by client\n\n" + marks.table(titles, rows),
        *(f"## {title}\n\n" + "\n".join(map(marks.item, lines)) for title, lines in sections.items() if lines),
        *network_blocks(network_of(probe.network, ())),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _json(probe: Probe) -> str:
    network = network_of(probe.network, ())
    value = {
        "name": probe.name,
        "headline": probe.headline,
        "sentence": probe.sentence,
        "cautions": probe.cautions,
        "foretold": probe.foretold,
        "protection": probe.protection,
        "probe": dict(probe.found),
        "network": network and asdict(network),
    }
    return json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


_FORMATS: Mapping[str, Callable[[Probe], str]] = {"html": _html, "md": _markdown, "json": _json}
