"""The answer in the terminal, and what a plan can decide: wrapped to the width, never cut."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headstart.cli.terminal import shown
from headstart.evidence.metrics import measure_of
from headstart.evidence.power import Design
from headstart.evidence.verdict import default_scope
from headstart.report.answer import ASKS, answer_lines, doubt, headline, lead
from headstart.report.foretold import what_held
from headstart.report.gains import gains_of
from headstart.report.power import plan_lines
from headstart.report.race import course

if TYPE_CHECKING:
    from headstart.data.federation import Federation
    from headstart.study.written.schema import StudySettings
    from headstart.study.written.slate import Slate


_SHORT = {
    ASKS["start_pays"]: "Good start pays?",
    ASKS["share_pays"]: "Sharing pays?",
    ASKS["adapt_pays"]: "Adapting pays?",
}


def answer_block(found: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield the answer in lines of markup: headline, sentence, sub-answers, arm to use, cautions, race, prediction.

    Args:
        found: what ``verdict.json`` says.
        width: characters a line.
    """
    if words := doubt(found):
        yield from _styled(textwrap.wrap(f"Careful: {words}", width), "yellow")
        yield ""
    yield from _styled(textwrap.wrap(headline(found), width), "bold")
    yield from map(shown, textwrap.wrap(lead(found), width))
    yield ""
    lines = [*answer_lines(found), *_others(found)]
    yield from labelled([(_SHORT.get(label, label), text) for label, text in lines], width)


def _others(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    gains, race = gains_of(found), course(found)
    for words in gains.says if gains else ():
        yield "Each client", words
    for words in (*race.stands, race.ended, race.confidence) if race else ():
        if words:
            yield "The race", words
    yield "Foretold", what_held(found)


def labelled(lines: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """Yield lines of markup with their labels at the left; the same label twice is said once."""
    pairs, before = list(lines), ""
    indent = max((len(label) for label, _ in pairs), default=0) + 2
    for label, text in pairs:
        first, rest = f"{'' if label == before else label:<{indent}}", " " * indent
        before = label
        wrapped = textwrap.wrap(text, max(20, width - indent), break_on_hyphens=False) or [""]
        yield f"[dim]{first}[/]{shown(wrapped[0])}"
        yield from (rest + shown(line) for line in wrapped[1:])


def _styled(lines: Iterable[str], style: str) -> Iterator[str]:
    return (f"[{style}]{shown(line)}[/]" for line in lines)


def decidable_lines(settings: StudySettings, slate: Slate, federation: Federation, width: int) -> Iterator[str]:
    """Yield what a planned study could decide, in lines of markup."""
    decision, of = settings.decision, measure_of(settings.decision.metric, federation.task)
    rule = f"{of.words}, mean over clients; a difference of less than {of.amount(decision.min_effect)} does not matter"
    lines = (rule, *plan_lines(_design(settings, slate, federation), decision.min_effect, of))
    labels = ("decides by", "can decide", "[yellow]note[/]")
    for label, words in zip(labels, lines, strict=False):
        wrapped = textwrap.wrap(words, max(20, width - 12), break_on_hyphens=False)
        plain = label.replace("[yellow]", "").replace("[/]", "")
        yield f"{label}{' ' * (12 - len(plain))}{shown(wrapped[0])}"
        yield from (" " * 12 + shown(line) for line in wrapped[1:])


def _design(settings: StudySettings, slate: Slate, federation: Federation) -> Design:
    """Return what decides how small a difference the study can see."""
    from headstart.study.plan import family_of

    with_test = [client for client in federation.clients if len(client.test)]
    seen = [client for client in with_test if client.seen]
    held_out = bool(seen) and len(seen) < len(with_test)
    counts = tuple(len(client.test) for client in seen or with_test)
    decision, of = settings.decision, measure_of(settings.decision.metric, federation.task)
    scope = decision.clients or default_scope(len(counts), of, held_out=held_out)
    families = len({family for arm in slate.arms if (family := family_of(arm))})
    return Design(counts, len(settings.seeds), families, decision.confidence, scope)
