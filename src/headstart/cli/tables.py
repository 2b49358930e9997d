"""Tables and trees for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.table import Table
from rich.tree import Tree

from headstart.cli.arms import ruled_out_lines
from headstart.cli.terminal import shown
from headstart.core.units import duration
from headstart.costs.units import show_bytes
from headstart.data.account_words import in_words
from headstart.evidence.answer_words import DOING
from headstart.report.company import company_lines
from headstart.report.foretold import gain_lines, until_line

if TYPE_CHECKING:
    from headstart.data.federation import Federation
    from headstart.diagnosis import Diagnosis
    from headstart.study.estimate import Branch
    from headstart.study.written.schema import StudySettings
    from headstart.study.written.slate import Slate


def plan_tree(
    settings: StudySettings,
    slate: Slate,
    branches: list[Branch],
    trials: int,
    beside: Mapping[int, float] | None = None,
) -> Tree:
    """Return the prefix tree of a study, what is finished, and what the rest takes; ``beside`` by processes, too."""
    seconds, sent = sum(b.seconds for b in branches), sum(c.total_bytes for c in slate.costs.values())
    seeds = len(settings.seeds)
    left = "nothing" if all(branch.done for branch in branches) else _about(seconds)
    if left != "nothing":
        left += "".join(f", on {count} processes {_about(took)}" for count, took in (beside or {}).items())
    most = " at most, for it stops when it is decided" if settings.races and left != "nothing" else ""
    each = "1 trial" if trials == 1 else f"{trials} trials"
    tree = Tree(
        f"[bold]{shown(settings.name)}[/]: {len(slate.arms)} arms × {seeds} seeds, {each} an arm; "
        f"{left} to go{most}; {show_bytes(sent)} would cross the network per seed"
    )
    grown: dict[tuple[str, ...], Tree] = {(): tree}
    for branch in branches:
        parent = grown[branch.path[:-1]]
        state = "[green]finished[/]" if branch.done else _about(branch.seconds)
        state += f" ({shown(branch.way)})" if branch.way else ""
        arms = f"  [dim]{shown(', '.join(branch.arms))}[/]" if branch.arms else ""
        grown[branch.path] = parent.add(f"{shown(branch.path[-1])}  {state}{arms}")
    for line in ruled_out_lines(slate.ruled_out):
        tree.add(line)
    return tree


def _about(seconds: float) -> str:
    """Write a rough time.

    >>> _about(0), _about(42.3)
    ('under a second', 'about 42 s')
    """
    return "under a second" if seconds < 1 else f"about {duration(seconds, digits=0)}"


def data_block(federation: Federation) -> Table:
    """Return what was read and what became of it, and what is odd, as one block that fits the terminal."""
    lines = in_words(federation.account) if federation.account else ()
    notes = list(federation.notes[:_NOTES])
    if len(federation.notes) > _NOTES:
        notes.append(f"and {len(federation.notes) - _NOTES} more in the report")
    block = Table.grid(padding=(0, 2))
    block.add_column(style="dim", no_wrap=True)
    block.add_column(overflow="fold")
    before = ""
    for label, text in (*lines, *(("note", note) for note in notes)):
        block.add_row("" if label == before else label, shown(text))
        before = label
    return block


_NOTES = 5
"""How many notes on the data the terminal shows."""


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """Yield the diagnosis in lines."""
    facts = found.as_json()
    for section in ("label_skew", "quantity_skew", "feature_shift", "backbone", "ceiling"):
        values = ", ".join(f"{key.replace('_', ' ')} {shown(_value(value))}" for key, value in facts[section].items())
        yield f"[bold]{section.replace('_', ' ')}[/]: {values}"
    missing = facts["missing_classes"]
    yield f"[bold]clients without all classes[/]: {len(missing)}"
    family = facts["prediction"]["family"]
    yield f"[bold]foretold[/]: [green]{DOING[family] if family else 'none of the families that are allowed'}[/]"
    until = until_line(facts["curves"] or {})
    for line in (*gain_lines(facts["prediction"]), *([until] if until else []), *facts["prediction"]["reasons"]):
        yield f"  {shown(line)}"
    for label, line in zip(("[bold]with whom[/]: ", "  "), company_lines(facts["company"] or {}), strict=False):
        yield f"{label}{shown(line)}"


def _value(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
