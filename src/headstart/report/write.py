"""Write a run as a page, as Markdown or as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headstart.core.errors import SettingError, nearest
from headstart.core.files import write_text
from headstart.report import views
from headstart.report.page import to_html
from headstart.report.run import Run, load_run
from headstart.report.summary import ArmRow, arm_rows, client_rows, recommended
from headstart.report.units import Metric, operations, share, size


def write_report(folder: str | Path, *, formats: Sequence[str] = ("html",)) -> list[Path]:
    """Write the report of a run folder into the folder itself.

    Args:
        folder: What ``headstart study`` wrote.
        formats: Any of ``"html"``, ``"md"``, ``"json"``; each becomes ``report.<format>``.

    Returns:
        The files, in the order of ``formats``.

    Raises:
        SettingError: A format is unknown.
        DataError: The folder is no run folder, or one of its files cannot be read.
    """
    for name in formats:
        if name not in FORMATS:
            raise SettingError(f"report format must be one of {', '.join(FORMATS)}, got '{name}': {nearest(name, FORMATS)}")
    run = load_run(folder)
    paths = [run.folder / f"report.{name}" for name in formats]
    for name, path in zip(formats, paths, strict=True):
        write_text(path, FORMATS[name](run))
    return paths


def to_json(run: Run) -> dict[str, Any]:
    """Give a run's numbers as plain data: verdict, arms, clients, diagnosis, notes; missing numbers are None."""
    value = {
        "name": run.name,
        "metric": run.metric,
        "headline": views.headline(run),
        "sentence": views.sentence(run),
        "verdict": dict(run.verdict),
        "arms": [asdict(row) for row in arm_rows(run)],
        "clients": [asdict(row) for row in client_rows(run)],
        "diagnosis": dict(run.diagnosis),
        "prediction": views.prediction(run),
        "excluded": views.excluded(run),
        "notes": views.data_notes(run),
        "tuning": views.tuning(run),
        "seeds": list(run.seeds),
        "versions": dict(views.versions(run)),
        "hashes": dict(views.hashes(run)),
        "settings": run.study_text,
    }
    plain: dict[str, Any] = _plain(value)
    return plain


def to_markdown(run: Run) -> str:
    """Give the verdict and its tables as Markdown, short enough to paste."""
    rows = arm_rows(run)
    blocks = [f"# {headline_of(run)}", views.sentence(run), _numbers(run, rows), _arms(run, rows), *_clients(run), *_reasons(run)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def headline_of(run: Run) -> str:
    """The study's name and the verdict in a few words."""
    return f"{run.name}: {views.headline(run)}"


def _numbers(run: Run, rows: tuple[ArmRow, ...]) -> str:
    return "\n".join(f"- {item.label}: **{item.value}** ({item.note})" for item in views.key_numbers(run, rows))


def _arms(run: Run, rows: tuple[ArmRow, ...]) -> str:
    metric = Metric(run.metric)
    titles = (
        "Arm", metric.label.capitalize(), f"{views.confidence(run)} interval", "Worst decile", "Held-out clients",
        "Best", "Bytes down", "Bytes up", "Compute", "Memory", "Rounds",
    )  # fmt: skip
    lines = [
        (
            f"{row.name}{f' ({row.role})' if row.role else ''}", metric.value(row.mean), metric.span(row.low, row.high),
            metric.value(row.worst_decile), metric.value(row.unseen), share(row.probability_best), size(row.download),
            size(row.upload), operations(row.flops), size(row.memory), "–" if row.rounds is None else f"{row.rounds:.0f}",
        )
        for row in rows
    ]  # fmt: skip
    return "## Arms\n\n" + table(titles, lines)


def _clients(run: Run) -> list[str]:
    rows, metric = client_rows(run), Metric(run.metric)
    if not rows or recommended(run) is None:
        return []
    listed = rows if views.is_few(run, len(rows)) else views.worst_hit(rows, metric.sign)
    if not listed:
        return []
    title = "Every client; no significance is claimed" if views.is_few(run, len(rows)) else "Clients worst hit"
    lines = [
        (row.name, metric.value(row.recommended), metric.value(row.baseline), metric.value(row.local), metric.change(row.change))
        for row in listed
    ]
    return [f"## {title}\n\n" + table(("Client", str(recommended(run)), str(run.baseline), "local", "Difference from baseline"), lines)]


def _reasons(run: Run) -> list[str]:
    ruled = [f"- {arm}: {reason}" for arm, reason in (run.verdict.get("ruled_out") or {}).items()]
    foretold = views.prediction(run)
    sections = {
        "Ruled out": ruled,
        "What would change the answer": [f"- {reason}" for reason in run.verdict.get("would_change") or ()],
        "Prediction": [f"- {foretold['winner']}: {_outcome(foretold)}"] if foretold else [],
        "Left out": [f"- {x['client']} ({x['arm']}): {x['reason']}, {x['times']}×" for x in views.excluded(run)],
        "Notes": [f"- {note}" for note in views.data_notes(run)],
    }
    return [f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items() if lines]


def _outcome(foretold: dict[str, Any]) -> str:
    return {None: "no verdict yet", True: "held", False: "did not hold"}[foretold["held"]]


def table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table: text left, numbers right.

    >>> print(table(("Arm", "Mean"), [("a|b", "1")]))
    | Arm | Mean |
    |:--|--:|
    | a\\|b | 1 |
    """
    ruler = "|" + "|".join([":--", *["--:"] * (len(titles) - 1)]) + "|"
    return "\n".join([_line(titles), ruler, *map(_line, lines)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json_text(run: Run) -> str:
    return json.dumps(to_json(run), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[Run], str]] = {"html": to_html, "md": to_markdown, "json": _json_text}
