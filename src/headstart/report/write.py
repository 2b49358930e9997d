"""Write a run as a page, as Markdown or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headstart.core.errors import SettingError, nearest
from headstart.core.files import write_text
from headstart.core.plain import plain
from headstart.report import answer, findings, views
from headstart.report.card import to_card_markdown
from headstart.report.chosen import why_this_arm
from headstart.report.devices import device_tables
from headstart.report.gains import gains_of
from headstart.report.markdown import to_markdown
from headstart.report.network import network_of
from headstart.report.page import to_card_html, to_html
from headstart.report.power import choices, design_of
from headstart.report.probe import is_probe
from headstart.report.probe_page import write_probe
from headstart.report.race import course
from headstart.report.run import Run, load_run
from headstart.report.summary import arm_rows, client_rows


def write_report(folder: str | Path, *, formats: Sequence[str] = ("html",)) -> list[Path]:
    """Write the report of a run folder, or of a probe's, into the folder itself.

    Args:
        folder: What ``headstart study`` or ``headstart probe`` wrote.
        formats: Any of ``"html"``, ``"md"``, ``"json"``, which become ``report.<format>``, and ``"card"``, which is
            ``card.md`` and ``card.html``.

    Returns:
        The files, in the order of ``formats``.

    Raises:
        SettingError: A format is unknown.
        DataError: The folder is no run folder, or one of its files cannot be read.
    """
    for name in formats:
        if name not in FORMATS:
            raise SettingError(f"report format '{name}' is unknown: {nearest(name, FORMATS)}")
    if is_probe(folder):
        return write_probe(folder, formats)
    run = load_run(folder)
    files = {run.folder / name: write for one in formats for name, write in FORMATS[one].items()}
    for path, write in files.items():
        write_text(path, write(run))
    return [*files]


def to_json(run: Run) -> dict[str, Any]:
    """Give a run's numbers as plain data: verdict, arms, clients, notes; missing numbers are None."""
    race, network = course(run.so_far), network_of(run.network, run.records)
    value = {
        "name": run.name,
        "metric": run.metric,
        "headline": views.headline(run),
        "sentence": views.sentence(run, arm_rows(run)),
        "answer": _answer_data(run),
        "race": race and asdict(race),
        "verdict": dict(run.verdict),
        "arms": [asdict(row) for row in arm_rows(run)],
        "clients": [asdict(row) for row in client_rows(run)],
        "diagnosis": dict(run.diagnosis),
        "prediction": findings.prediction(run),
        "devices": [asdict(device) for device in device_tables(run)],
        "warnings": [{"arm": arm, "words": words} for arm, words in findings.warnings(run)],
        "excluded": findings.excluded(run),
        "network": network and asdict(network),
        "account": run.federation.get("account"),
        "notes": findings.data_notes(run),
        "tuning": findings.tuning(run),
        "seeds": list(run.seeds),
        "versions": dict(findings.versions(run)),
        "hashes": dict(findings.hashes(run)),
        "settings": run.study_text,
    }
    said: dict[str, Any] = plain(value)
    return said


def _answer_data(run: Run) -> dict[str, Any] | None:
    """The answer as the page opens with it; None without a verdict."""
    verdict, design = run.verdict, design_of(run)
    if not verdict:
        return None
    if not answer.has_answer(verdict):
        return {"note": answer.OLD}
    gains = gains_of(verdict)
    return {
        **{name: verdict[name] for name in ("answer", "grounds", "scope", "expected_regret", "regret_upper")},
        "questions": [asdict(one) for one in answer.questions(verdict)],
        "arm": verdict.get("recommended"),
        "why": why_this_arm(verdict),
        "needed": answer.needed(verdict),
        "cautions": list(verdict.get("cautions") or ()),
        "each_client": list(gains.says) if gains else [],
        "can_decide": [asdict(one) for one in choices(design)] if design else [],
    }


def _json_text(run: Run) -> str:
    return json.dumps(to_json(run), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Mapping[str, Callable[[Run], str]]] = {
    "html": {"report.html": to_html},
    "md": {"report.md": to_markdown},
    "json": {"report.json": _json_text},
    "card": {"card.md": to_card_markdown, "card.html": to_card_html},
}
"""Every format with the files that it writes."""
