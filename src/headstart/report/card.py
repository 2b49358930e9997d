"""A decision card: one page for an ethics board or a pull request, as Markdown and as HTML."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headstart.core.plain import finite
from headstart.evidence.privacy_words import privacy_note
from headstart.report import answer, findings, views
from headstart.report.gains import gains_of
from headstart.report.marks import careful, item, said
from headstart.report.run import Run
from headstart.report.summary import ArmRow, arm_rows
from headstart.report.units import Metric, number, operations, size

_SCOPE = {
    "these": "of these clients alone; of others, and of later data, it says nothing",
    "like these": "of clients of which these are a fair sample; of other kinds of clients it says nothing",
}
_HERE = "It was measured in a simulation, with all data here: a real federation adds networks, failures and people."
_THERE = "No example was seen here: it rests on sums that the clients' sites sent, and can be checked no further."
_GROUPS = "Means over clients say nothing of groups of people within a client."
_FILES = ("study.toml", "federation.json", "records.jsonl", "clients.parquet", "predictions.parquet", "verdict.json")
"""Files of a run folder whose content the card is made of."""
_MOST = 6
"""Lines of one part, so that all is one page."""


@dataclass(frozen=True)
class Part:
    """A part of the card: its title, and what it says, one line each."""

    title: str
    lines: tuple[str, ...]


def card_parts(run: Run) -> tuple[Part, ...]:
    """Return what the card says: question, data, answer, how sure, costs, losers, limits, and hashes of all of it."""
    rows = arm_rows(run)
    parts: Mapping[str, Iterator[str]] = {
        "Question": _question(run),
        "Data": (f"{label}: {text}" for label, text in findings.account(run)),
        "Answer": _answer(run, rows),
        "How sure": _sure(run),
        "What it costs each client": _costs(run, rows),
        "Who loses": _losers(run),
        "What it does not say": _limits(run),
        "What it rests on": _hashes(run),
    }
    kept = ((title, tuple(lines)) for title, lines in parts.items())
    return tuple(Part(title, _short(title, lines)) for title, lines in kept if lines)


def to_card_markdown(run: Run) -> str:
    """Return the card as Markdown."""
    parts = [f"## {one.title}\n\n" + "\n".join(map(item, one.lines)) for one in card_parts(run)]
    before, says = careful(answer.doubt(run.verdict)), f"**{said(views.headline(run))}**"
    return "\n\n".join(filter(None, [f"# Decision card: {said(run.name)}", before, says, *parts])) + "\n"


def _question(run: Run) -> Iterator[str]:
    clients = run.verdict.get("num_clients") or len(run.federation.get("clients") or ())
    yield f"Should {clients} clients fine-tune a pre-trained model, train together (federate), or do both?"
    metric, matters = Metric(run.measure), answer.matters(run.verdict)
    if matters:
        yield (
            f"Decided by mean {metric.label} over clients; a difference below {matters} does not matter; "
            f"{views.confidence(run)} confidence. The rule was fixed before any run."
        )
    yield f"{len(run.arms)} ways were compared, with the same tuning budget, over {len(run.seeds)} seeds."


def _answer(run: Run, rows: tuple[ArmRow, ...]) -> Iterator[str]:
    yield f"{views.headline(run)}. {views.sentence(run, rows)}"
    if use := answer.to_use(run.verdict):
        yield f"{answer.use_label(run.verdict)}: {use}."
    chosen = next((row for row in rows if row.role == "recommended"), None)
    if chosen and chosen.says:
        yield f"{chosen.says[:1].upper()}{chosen.says[1:]}"
    for one in answer.questions(run.verdict):
        yield f"{one.asks} {one.says.capitalize()}: {one.words}."


def _sure(run: Run) -> Iterator[str]:
    verdict = run.verdict
    expected, most = answer.behind(verdict)
    if most == "nothing":
        yield "The arm to use is surely behind no other family."
    elif expected:
        yield f"The arm to use is expected to be behind the best family by {expected}, at most by {most}."
    basis = next((one for one in verdict.get("contrasts") or () if one["scope"] == verdict.get("scope")), None)
    if basis:
        yield f"It rests on {basis['examples']:,} test examples of {basis['clients']} clients, {basis['seeds']} seeds."
    if needed := answer.needed(verdict):
        yield f"Needed to decide: {needed}."
    yield from (f"Careful: {words}" for words in answer.other_cautions(verdict))
    yield from (f"{arm}: {words}." for arm, words in findings.warnings(run))


def _costs(run: Run, rows: tuple[ArmRow, ...]) -> Iterator[str]:
    """Say what the arm to use costs, and beside it each other family's representative."""
    metric, families = Metric(run.measure), run.verdict.get("families") or {}
    named = {one["representative"] for one in families.values()}
    for row in rows:
        if row.role == "recommended" or row.name in named:
            sent = f"receives {size(row.download)}, sends {size(row.upload)}"
            work = f"{operations(row.flops)}, {size(row.memory)} of memory, rounds: {number(row.rounds, 0)}"
            yield f"{row.name} ({row.family}, {metric.label} {metric.value(row.mean)}): {sent}; {work}."
    promised = run.verdict.get("privacy") or {}
    yield from (f"{arm}: {words}." for arm, words in findings.privacy(run))
    if note := privacy_note(promised):
        yield note


def _losers(run: Run) -> Iterator[str]:
    gains = gains_of(run.verdict)
    yield from gains.says if gains else ()
    hurt = (run.verdict.get("hurt") or {}).get(str(run.verdict.get("recommended"))) or {}
    share, chance = finite(hurt.get("local")), finite(hurt.get("local_by_chance"))
    if share is not None:
        beside = "" if chance is None else f" ({chance:.0%} would by chance)"
        yield f"Worse off with the arm to use than training alone: {share:.0%} of the clients{beside}."


def _limits(run: Run) -> Iterator[str]:
    if words := _SCOPE.get(str(run.verdict.get("scope"))):
        yield f"It speaks {words}."
    yield _HERE if (run.folder / "predictions.parquet").is_file() else _THERE
    yield _GROUPS
    yield from (f"Not tried: {arms} ({reason})." for arms, reason in findings.ruled_out(run))
    yield from (str(words) for words in run.verdict.get("would_change") or ())


def _hashes(run: Run) -> Iterator[str]:
    yield from (f"{label}: {value}" for label, value in findings.hashes(run))
    for name in _FILES:
        path = run.folder / name
        if path.is_file():
            yield f"{name}: sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    yield "; ".join(f"{name} {version}" for name, version in findings.versions(run))


def _short(title: str, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return a part's lines, of many the first; those that it rests on are all of them."""
    if len(lines) <= _MOST or title == "What it rests on":
        return lines
    return (*lines[: _MOST - 1], f"{len(lines) - _MOST + 1} more: see the report.")
