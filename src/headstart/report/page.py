"""The report page: one HTML file that needs no network and no other file, and reads as well without its script."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from headstart.evidence.by_epsilon import turning_words
from headstart.evidence.contest import FEW_CLIENTS
from headstart.evidence.privacy_words import privacy_note
from headstart.report import answer, asked, findings, script, units, views
from headstart.report.card import card_parts
from headstart.report.chosen import why_this_arm
from headstart.report.classes import class_rows, undefined
from headstart.report.client_data import client_data
from headstart.report.company import advice_rows, company_lines
from headstart.report.depth import depths
from headstart.report.devices import device_tables
from headstart.report.figures import NARROW, WIDE, figures
from headstart.report.first import first_words
from headstart.report.gains import gains_of
from headstart.report.network import network_of
from headstart.report.pairs import pair_lines
from headstart.report.power import choices, design_of
from headstart.report.race import course
from headstart.report.rendering import environment
from headstart.report.run import Run
from headstart.report.summary import arm_rows, client_means, client_rows, local_arm, recommended
from headstart.report.svg import inline_svg
from headstart.report.units import Metric
from headstart.report.words import GLOSSARY


def to_html(run: Run) -> str:
    """Render the page.

    Args:
        run: What ``load_run`` read.

    Returns:
        HTML with its style and its figures inside; no link leaves it.
    """
    return str(environment().get_template("report.html").render(**_context(run)))


def to_card_html(run: Run) -> str:
    """Render the decision card."""
    says = {"doubt": answer.doubt(run.verdict), "headline": views.headline(run), "parts": card_parts(run)}
    return str(environment().get_template("card.html").render(run=run, **says))


def _context(run: Run) -> dict[str, Any]:
    rows, clients, metric = arm_rows(run), client_rows(run), Metric(run.measure)
    chosen = next((row for row in rows if row.role == "recommended"), None)
    return {
        "run": run,
        "metric": metric,
        "plain_unit": metric.plain_unit,
        "minus": units.MINUS,
        "rows": rows,
        "clients": clients,
        "listed": views.listed(clients, lower_is_better=metric.sign < 0),
        "classes": class_rows(run),
        "undefined": undefined(run),
        "chosen": chosen,
        "plainly": chosen.says if chosen else "",
        "local": local_arm(run),
        "recommended": recommended(run),
        "glossary": GLOSSARY,
        "figures": _drawings(run),
        "devices": device_tables(run),
        "matrix": _matrix(run) if 0 < len(clients) <= FEW_CLIENTS else (),
        "worst_hit": views.worst_hit(clients),
        "compared": any(row.change is not None or row.change_local is not None for row in clients),
        "show": _shown(rows),
        "by_chance": any(row.hurt_local_by_chance is not None or row.hurt_keep_by_chance is not None for row in rows),
        **_on_the_way(run),
        **_sections(run, rows),
        **_scripted(run, rows, views.listed(clients, lower_is_better=metric.sign < 0)),
    }


def _scripted(run: Run, rows: Any, listed: Any) -> dict[str, Any]:
    """What only a script can show, and the script."""
    asked_of = asked.asked(run, rows)
    return {
        "asked": asked_of,
        "asked_not": asked.why_not(run) if run.verdict else "",
        "crossed": asked.CROSSED,
        "pair_lines": pair_lines(run, rows),
        "client_data": client_data(run, listed),
        "script": script.script(),
        "policy": script.policy(),
    }


def _on_the_way(run: Run) -> dict[str, Any]:
    """How the race stands or went, and what there is to say before anything was judged."""
    found = course(run.so_far)
    going = not run.verdict or (found is not None and found.going)
    return {
        "race": found,
        "reloads": _RELOADS if going else 0,
        "first": () if run.verdict else first_words(run),
    }


_RELOADS = 5
"""Seconds after which a page on the way reads itself again; a finished one never does."""


def _sections(run: Run, rows: Any) -> dict[str, Any]:
    return {
        **_answer(run, rows),
        "beaten": views.beaten(run, rows),
        "confidence": views.confidence(run),
        "facts": findings.facts(run.diagnosis),
        "prediction": findings.prediction(run),
        "company": company_lines(run.diagnosis.get("company") or {}),
        "advice": advice_rows(run.diagnosis.get("company") or {}),
        "warnings": findings.warnings(run),
        "learnt": findings.learnt(run),
        "privacy": findings.privacy(run),
        "privacy_note": privacy_note(run.verdict.get("privacy") or {}),
        "turns": turning_words(run.verdict.get("by_epsilon") or ()),
        "ruled_out": findings.ruled_out(run),
        "excluded": findings.excluded(run),
        "account": findings.account(run),
        "network": network_of(run.network, run.records),
        "notes": findings.data_notes(run),
        "tuning": findings.tuning(run),
        "depths": depths(run),
        "versions": findings.versions(run),
        "hashes": findings.hashes(run),
    }


def _answer(run: Run, rows: Any) -> dict[str, Any]:
    """The answer, what it rests on, and what could be decided."""
    verdict, known = run.verdict, answer.has_answer(run.verdict)
    design = design_of(run)
    return {
        "headline": views.headline(run),
        "sentence": views.sentence(run, rows),
        "label": answer.use_label(verdict),
        "to_use": answer.to_use(verdict).removeprefix(str(recommended(run))) if known else "",
        "why": why_this_arm(verdict),
        "tree": views.tree(run),
        "matters": answer.matters(verdict),
        "needed": answer.needed(verdict),
        "decided_at": answer.decided_in_words(verdict),
        "doubt": answer.doubt(verdict),
        "cautions": answer.other_cautions(verdict),
        "old": answer.OLD if verdict and not known else "",
        "by_chance_best": answer.first_by_chance(verdict),
        "key_numbers": views.key_numbers(run, rows),
        "gains": gains_of(verdict),
        "choices": choices(design) if design and verdict else (),
    }


def _shown(rows: Any) -> Mapping[str, bool]:
    """Which optional columns hold anything at all."""
    names = (
        "family",
        "low",
        "worst_decile",
        "unseen",
        "hurt_local",
        "hurt_keep",
        "kept",
        "epsilon",
        "rounds",
        "memory",
        "flops",
        "seconds",
    )
    return {name: any(getattr(row, name) is not None for row in rows) for name in names}


def _drawings(run: Run) -> dict[str, dict[str, Any]]:
    """Every figure as inline SVG, once for a wide column and once for a phone."""
    from markupsafe import Markup

    sizes = {"wide": figures(run, WIDE), "narrow": figures(run, NARROW)}
    render = partial(_drawing, sizes)
    return {name: {kind: Markup(render(kind, name)) for kind in sizes} for name in sizes["wide"]}  # noqa: S704


def _drawing(sizes: Mapping[str, Mapping[str, Any]], kind: str, name: str) -> str:
    prefix = hashlib.sha256(f"{kind}/{name}".encode()).hexdigest()[:4]
    return inline_svg(sizes[kind][name], f"{kind}-{name}", clip=prefix)


def _matrix(run: Run) -> tuple[dict[str, Any], ...]:
    """Few clients: every client under every arm."""
    scores = run.scores()
    means = client_means(scores)
    order = [row.name for row in arm_rows(run) if row.name in means]
    return tuple(
        {
            "client": name,
            "seen": bool(scores.seen[at]),
            "values": [(arm, float(means[arm][at])) for arm in order],
        }
        for at, name in enumerate(scores.clients)
    )
