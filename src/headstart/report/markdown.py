"""A run as Markdown, short enough to paste."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headstart.evidence.answer_words import DOING
from headstart.evidence.by_epsilon import level_rows, turning_words
from headstart.evidence.privacy_words import privacy_note
from headstart.report import answer, findings, views
from headstart.report.devices import DeviceArm, device_tables
from headstart.report.first import first_words
from headstart.report.gains import gains_of
from headstart.report.marks import careful
from headstart.report.marks import item as _item
from headstart.report.marks import said as _said
from headstart.report.marks import table as _table
from headstart.report.network import network_of
from headstart.report.power import choices, design_of
from headstart.report.race import course
from headstart.report.run import Run
from headstart.report.summary import ArmRow, ClientRow, arm_rows, client_rows, recommended
from headstart.report.units import Metric, duration, energy, number, operations, size


def to_markdown(run: Run) -> str:
    """Give the verdict and its tables as Markdown, short enough to paste."""
    rows = arm_rows(run)
    blocks = [
        f"# {_said(run.name)}: {_said(views.headline(run))}",
        careful(answer.doubt(run.verdict)),
        _said(_so_far(run)),
        _said(views.sentence(run, rows)),
        _answer(run),
        _numbers(run, rows),
        _arms(run, rows) if rows else "",
        *_gains(run),
        *_devices(run),
        *network_blocks(network_of(run.network, run.records)),
        *_clients(run),
        *_race(run),
        *_reasons(run),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _so_far(run: Run) -> str:
    """What an answer on the way leaves open; before there is any, what was foretold and will run."""
    race = course(run.so_far)
    first = () if run.verdict else first_words(run)
    return " ".join((*(race.stands if race else ()), *first))


def _race(run: Run) -> list[str]:
    race = course(run.so_far)
    if race is None:
        return []
    words = _said(" ".join(part for part in (race.ended, race.confidence, race.assumes) if part))
    looks = [(f"{x.seeds} seeds", x.error, x.confidence, x.answer or x.state, x.went_on) for x in race.looks]
    out = [(x.arm, str(x.seeds), x.how, x.why) for x in race.out]
    tables = [
        _table(("Look with", "Error it may spend", "Confidence", "Answer", "Why it went on"), looks) if looks else "",
        _table(("Arm that did not go on", "Seeds", "How", "Why"), out) if out else "",
    ]
    title = f"## How the race {'goes' if race.going else 'went'}"
    return ["\n\n".join(part for part in (title, words, *tables) if part)]


def _answer(run: Run) -> str:
    lines = answer.answer_lines(run.verdict) if run.verdict else []
    return "\n".join(f"- **{_said(label)}{'' if label.endswith('?') else ':'}** {_said(text)}" for label, text in lines)


def _numbers(run: Run, rows: tuple[ArmRow, ...]) -> str:
    return "\n".join(
        f"- {_said(item.label)}: **{_said(item.value)}** ({_said(item.note)})" for item in views.key_numbers(run, rows)
    )


def _arms(run: Run, rows: tuple[ArmRow, ...]) -> str:
    metric, best = Metric(run.measure), answer.use_label(run.verdict).lower()
    columns: dict[str, Callable[[ArmRow], str]] = {
        "Arm": lambda row: _named(row, best),
        "Family": lambda row: row.family or "",
        metric.heading: lambda row: metric.value(row.mean),
        f"{views.confidence(run)} interval": lambda row: metric.span(row.low, row.high),
        "Worst decile": lambda row: metric.value(row.worst_decile),
        "Held-out clients": lambda row: metric.value(row.unseen),
        "Kept": lambda row: row.kept or "",
        **({"Epsilon": lambda row: number(row.epsilon)} if any(row.epsilon is not None for row in rows) else {}),
        "Bytes down": lambda row: size(row.download),
        "Bytes up": lambda row: size(row.upload),
        "Compute": lambda row: operations(row.flops),
        "Memory": lambda row: size(row.memory),
        "Rounds": lambda row: number(row.rounds, 0),
    }
    return "## Arms\n\n" + _table(tuple(columns), [[write(row) for write in columns.values()] for row in rows])


def _named(row: ArmRow, best: str) -> str:
    """An arm's name, what it is, and why it did not go on."""
    role = {"recommended": best}.get(row.role, row.role)
    out = f"dropped: {row.out}" if row.out else ""
    marks = ", ".join(part for part in ("" if role == "dropped" else role, out) if part)
    return f"{row.name} ({marks})" if marks else row.name


def _gains(run: Run) -> list[str]:
    found = gains_of(run.verdict)
    if found is None:
        return []
    titles = ("Client", "Instead", "Gain, points", f"{views.confidence(run)} interval", "Sure")
    rows = [(one.client, one.instead, one.written, one.interval, "yes" if one.sure else "") for one in found.shown]
    says = "\n".join(map(_item, found.says))
    table = [_table(titles, rows)] if rows else []
    return ["\n\n".join(["## What each client gains with another family", says, *table])]


def _power(run: Run) -> str:
    design = design_of(run)
    if design is None or not run.verdict:
        return ""
    rows = [(one.what, one.these.words, one.like_these.words) for one in choices(design)]
    return _table(("Smallest min_effect with", "For these clients", "For clients like these"), rows)


def _devices(run: Run) -> list[str]:
    titles = ("Arm", "Fits", "Memory", "Down", "Up", "Computing", "Transfer", "Energy")
    return [
        f"## On the device {_said(device.name)}, modelled\n\n"
        + _table(titles, [_device_arm(arm) for arm in device.arms])
        for device in device_tables(run)
    ]


def _device_arm(arm: DeviceArm) -> list[str]:
    sizes = [size(value) for value in (arm.memory, arm.down, arm.up)]
    return [
        arm.name,
        "yes" if arm.fits else "no",
        *sizes,
        duration(arm.seconds),
        duration(arm.transfer),
        energy(arm.joules),
    ]


def network_blocks(found: Any) -> list[str]:
    """What happened over the network as blocks of Markdown; none of a simulation.

    Args:
        found: What ``network_of`` returned.
    """
    if found is None:
        return []
    titles = ("Run", "Rounds", "Without everybody", "Answers", "Down", "Up", "Median round", "Longest", "In all")
    arms = [
        (
            f"{row.arm}, seed {row.seed}",
            str(row.rounds),
            str(row.incomplete),
            f"{row.given} of {row.asked}",
            f"{size(row.down)} (counted {size(row.counted_down)})",
            f"{size(row.up)} (counted {size(row.counted_up)})",
            *map(duration, (row.median, row.longest, row.seconds)),
        )
        for row in found.arms
    ]
    clients = [
        (row.client, f"{row.given} of {row.asked}", size(row.down), size(row.up), "; ".join(row.reasons))
        for row in found.clients
    ]
    tables = [
        *([_table(titles, arms)] if arms else []),
        _table(("Client", "Answers", "Down", "Up", "Why not"), clients),
    ]
    return ["\n\n".join(["## The network, as it happened", _said(" ".join(found.says)), *tables])]


def _clients(run: Run) -> list[str]:
    rows = client_rows(run)
    few = views.is_few(run, len(rows))
    listed = rows if few else views.worst_hit(rows)
    if not listed or recommended(run) is None:
        return []
    alone = [] if run.baseline == "local" else ["local"]
    titles = ("Client", str(recommended(run)), str(run.baseline), *alone, "Difference from baseline")
    title = "Every client" if few else "Clients worst hit"
    return [f"## {title}\n\n" + _table(titles, [_client(row, Metric(run.measure), bool(alone)) for row in listed])]


def _client(row: ClientRow, metric: Metric, has_alone: bool) -> list[str]:
    scores = [row.recommended, row.baseline, *([row.local] if has_alone else [])]
    return [row.name, *map(metric.value, scores), metric.change(row.change)]


def _reasons(run: Run) -> list[str]:
    foretold = findings.prediction(run)
    sections = {
        "Did every arm learn?": [*map(_item, _learnt(run))],
        "What clients are promised": _promises(run),
        "Who wins at which epsilon": _by_epsilon(run),
        "Ruled out": [_item(f"{arms}: {reason}") for arms, reason in findings.ruled_out(run)],
        "What would change the answer": [_item(reason) for reason in run.verdict.get("would_change") or ()],
        "What can be decided with these data": [_power(run)] if _power(run) else [],
        "Prediction": _foretold(foretold) if foretold else [],
        "Left out": [
            _item(f"{x['client']} ({x['arm']}): {x['reason']}, {x['times']} times") for x in findings.excluded(run)
        ],
        "What was read": [_item(f"{label}: {text}") for label, text in findings.account(run)],
        "Notes": [_item(note) for note in findings.data_notes(run)],
    }
    return [f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items() if lines]


def _learnt(run: Run) -> list[str]:
    said = findings.learnt(run)
    return [*(f"{arm}: {words}" for arm, words in findings.warnings(run)), *([said] if said else [])]


def _promises(run: Run) -> list[str]:
    note = privacy_note(run.verdict.get("privacy") or {})
    said = [_item(f"{arm}: {words}.") for arm, words in findings.privacy(run)]
    return [*said, _item(note)] if said else []


def _by_epsilon(run: Run) -> list[str]:
    levels, metric = run.verdict.get("by_epsilon") or [], Metric(run.measure)
    rows = [
        (epsilon, family, one["arm"], metric.value(one["mean"]), metric.span(one["low"], one["high"]))
        for epsilon, family, one in level_rows(levels)
    ]
    titles = ("Epsilon", "Doing", "Arm", metric.heading, f"{views.confidence(run)} interval")
    return [f"{_said(turning_words(levels))}\n", _table(titles, rows)] if rows else []


def _foretold(found: dict[str, Any]) -> list[str]:
    said = found["words"] or f"{DOING.get(found['family'], found['family'])}; there is no verdict yet."
    return [_said(said), *map(_item, found["gains"])]
