"""The answer of a verdict in the words that page, Markdown, JSON and terminal share.

Everything here reads ``verdict.json``, or what ``Verdict.as_json`` returns. A verdict from before there was an answer
has none of it: ``has_answer`` says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from headstart.core.plain import finite
from headstart.evidence.answer_words import amount
from headstart.evidence.metrics import Measure, measure_in
from headstart.report.chosen import named, why_this_arm
from headstart.report.race import is_going
from headstart.report.run import Json
from headstart.report.units import share

OLD = (
    "This verdict is from before studies answered the question (fine-tune, federate, or both); run the study into a "
    "new folder to get the answer."
)
ASKS = {
    "start_pays": "Does the good start pay?",
    "share_pays": "Does sharing pay?",
    "adapt_pays": "Does adapting pay on top?",
}
_SAYS = {"better": "yes", "good enough": "no", "open": "open", "dropped": "not tested", "not asked": "not asked"}
_MEANS = {"better": "better", "good enough": "good enough without"}


@dataclass(frozen=True)
class Question:
    """One of the three sub-questions.

    Attributes:
        asks: the question.
        state: ``better``, ``good enough`` (the side that does less is), ``open``, ``dropped`` (a race dropped the arms
            of a side) or ``not asked``.
        says: that in a word: yes, no, open, not tested, not asked.
        means: that in other words, empty where there is nothing to add.
        words: the numbers, and the arms that were compared.
        settles: what would answer it where it is open, if the gap stays what it is; empty where nothing is known.
        gap: of the side that does more over the other, positive is better; None without.
        low: end of its interval.
        high: the other end.
    """

    asks: str
    state: str
    says: str
    means: str
    words: str
    settles: str
    gap: float | None
    low: float | None
    high: float | None


def has_answer(verdict: Json) -> bool:
    """Whether a verdict answers the question; one from before that does not."""
    return "grounds" in verdict


def headline(verdict: Json) -> str:
    """The answer in a few words, marked where it is one on the way."""
    if has_answer(verdict):
        words = str(verdict["headline"])
        return f"So far: {words[:1].lower()}{words[1:]}" if is_going(verdict) else words
    arm = verdict.get("recommended")
    return "No arm can be recommended" if arm is None else f"Recommended: {arm}"


def doubt(verdict: Json) -> str:
    """What stands before the answer, for it may mean nothing; mostly empty."""
    return str(verdict.get("doubt") or "")


def other_cautions(verdict: Json) -> tuple[str, ...]:
    """What a reader should know before believing the answer, beside what stands before it."""
    return tuple(str(words) for words in verdict.get("cautions") or () if str(words) not in doubt(verdict))


def lead(verdict: Json) -> str:
    """The sentence that belongs under the headline, without saying the headline again.

    >>> lead({"headline": "Federate", "sentence": "Federate: as good as doing both within 2 points."})
    'As good as doing both within 2 points.'
    """
    # What would decide it stands on a line of its own.
    words = re.sub(r" It would be decided at .*?(?= Not judged:|$)", "", str(verdict.get("sentence") or ""))
    title = str(verdict.get("headline") or "")
    rest = words.removeprefix(f"{title}: ").removeprefix(f"{title}; ").removeprefix(f"{title}, ")
    rest = rest.removeprefix("No claim: ")
    return rest[:1].upper() + rest[1:]


def questions(verdict: Json) -> tuple[Question, ...]:
    """The three sub-questions with their answers; none in a verdict from before the answer."""
    found = ((asks, verdict.get(key)) for key, asks in ASKS.items())
    least = finite(verdict.get("min_effect")) or 0.0
    return tuple(_question(asks, one, least) for asks, one in found if one)


def _question(asks: str, one: Json, least: float) -> Question:
    state = str(one["state"])
    gap, low, high = (finite(one.get(key)) for key in ("gap", "low", "high"))
    means = "better without" if high is not None and high < 0 else _MEANS.get(state, "")
    settles = _settles(one, gap, low, high, least) if state == "open" else ""
    return Question(asks, state, _SAYS[state], means, str(one["words"]), settles, gap, low, high)


def _settles(one: Json, gap: float | None, low: float | None, high: float | None, least: float) -> str:
    """Say how many more clients or test examples would narrow an interval enough; it shrinks with their square root.

    >>> _settles({"scope": "like these", "clients": 8, "examples": 288}, 0.018, -0.017, 0.053, 0.02)
    'about 22 more clients like these would settle it, if the gap stays what it is'
    >>> _settles({"scope": "these", "clients": 8, "examples": 300}, 0.03, -0.01, 0.07, 0.02)
    'about 230 more test examples would settle it, if the gap stays what it is'
    """
    if gap is None or low is None or high is None:
        return ""
    # It is settled where all of the interval lies above nothing, or below what matters.
    room = max(gap, least - gap)
    is_of_others = one.get("scope") == "like these"
    have = int(one.get("clients" if is_of_others else "examples") or 0)
    more = have * (((high - low) / 2 / room) ** 2 - 1)
    if more < 1:
        return ""
    number = f"{float(f'{more:.2g}'):,.0f}"
    what = "clients like these" if is_of_others else "test examples"
    return f"about {number} more {what} would settle it, if the gap stays what it is"


def use_label(verdict: Json) -> str:
    """What the recommended arm is: to be used, or without any claim just ahead."""
    return "Ahead so far" if verdict.get("grounds") == "no claim" or is_going(verdict) else "Arm to use"


def to_use(verdict: Json) -> str:
    """The arm to use, and what it may cost; empty where none may be recommended."""
    arm = verdict.get("recommended")
    return "" if arm is None else ", ".join([named(verdict, str(arm)), *_how_sure(verdict)])


def behind(verdict: Json) -> tuple[str, str]:
    """By how much the arm to use may be behind the best family, expected and at most; empty without a claim.

    >>> behind({"metric": "accuracy", "grounds": "better", "expected_regret": 1e-5, "regret_upper": -0.03})
    ('nothing', 'nothing')
    >>> behind({"metric": "accuracy", "grounds": "undecided", "expected_regret": 0.004, "regret_upper": 0.031})
    ('0.4 points', '3.1 points')
    """
    found = [finite(verdict.get(key)) for key in ("expected_regret", "regret_upper")]
    if verdict.get("grounds") == "only" or None in found:
        return "", ""
    expected, most = (_loss(value or 0.0, measure_in(verdict)) for value in found)
    return expected, most


def _loss(value: float, metric: Measure) -> str:
    words = amount(max(0.0, value), metric)
    return words if any(digit in words for digit in "123456789") else "nothing"


def _how_sure(verdict: Json) -> Iterator[str]:
    expected, most = behind(verdict)
    if most == "nothing":
        yield "surely behind no other family"
    elif most:
        yield f"expected to be behind the best by {expected}, at most by {most}"


def needed(verdict: Json) -> str:
    """What would decide an undecided study; empty where it is decided, or nothing is known."""
    if verdict.get("grounds") != "undecided":
        return ""
    words, at = str((verdict.get("needed") or {}).get("words") or ""), decided_at(verdict)
    return " or ".join(part for part in (words, f"a min_effect of {at}" if at else "") if part)


def decided_at(verdict: Json) -> str:
    """The smallest ``min_effect`` at which it would be decided, rounded up so that it is enough; empty if unknown.

    >>> decided_at({"decided_at": 0.03012}), decided_at({"decided_at": 0.03}), decided_at({})
    ('0.031', '0.030', '')
    """
    value = finite(verdict.get("decided_at"))
    return "" if value is None else f"{math.ceil(1000 * value - 1e-9) / 1000:.3f}"


def decided_in_words(verdict: Json) -> str:
    """The same in the metric's unit.

    >>> decided_in_words({"decided_at": 0.03012, "metric": "accuracy"}), decided_in_words({})
    ('3.1 points', '')
    """
    value = decided_at(verdict)
    return amount(float(value), measure_in(verdict)) if value else ""


def matters(verdict: Json) -> str:
    """The smallest difference that matters, in the metric's unit; empty without a verdict."""
    value = finite(verdict.get("min_effect"))
    return "" if value is None else amount(value, measure_in(verdict))


def first_by_chance(verdict: Json) -> str:
    """How often each family has the best mean when clients and seeds are redrawn; empty below ten clients."""
    shares: Json = verdict.get("family_best") or {}
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{family} {share(value)}" for family, value in ordered)


def answer_lines(verdict: Json) -> list[tuple[str, str]]:
    """All that stands below the headline and its sentence, as label and text."""
    if not has_answer(verdict):
        return [("note", OLD)]
    asked = [(one.asks, f"{one.says}: {one.words}") for one in questions(verdict)]
    others = {
        use_label(verdict): to_use(verdict),
        "Why this one": why_this_arm(verdict),
        "Needed": needed(verdict),
        "Best when redrawn": first_by_chance(verdict),
    }
    cautions = [("Caution", words) for words in other_cautions(verdict)]
    return [*asked, *((label, text) for label, text in others.items() if text), *cautions]
