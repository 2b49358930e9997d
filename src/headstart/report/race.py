"""How a race stands, or how it went, in the words that page, Markdown, JSON and terminal share.

It reads what ``verdict.json`` says under ``race``; a folder of before there were races has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headstart.core.plain import finite
from headstart.evidence.answer_words import amount
from headstart.evidence.metrics import Measure, measure_in
from headstart.evidence.race_words import undecided

Json = Mapping[str, Any]

_HOW = {
    "dropped": "dropped",
    "screened": "not run",
    "excluded": "excluded at a look",
    "represented": "went no further",
    "reference": "not run",
    "time": "no time left",
}
_ENDED = {
    "decided": "It ended as soon as a look decided and nothing was left to run that could change that",
    "last look": "It ended at its last look",
    "time": "It ended when its time was up",
    "all": "Every arm was run, whatever the looks said",
}

_NOT_PAST = {"None": "to come", "decided": "not needed"}
"""How a look stands that is not past, by why the race is over."""


@dataclass(frozen=True)
class _Look:
    """A look at the test, in words; ``answer`` is empty of one that is not past, ``went_on`` of one that ended it."""

    seeds: int
    error: str
    confidence: str
    state: str  # "past" | "to come" | "not needed" | "not reached"
    answer: str
    went_on: str


@dataclass(frozen=True)
class _Gone:
    """An arm that does not go on."""

    arm: str
    kind: str
    how: str
    seeds: int
    why: str

    @property
    def reason(self) -> str:
        """How and why, in one."""
        return f"{self.how}: {self.why}"


@dataclass(frozen=True)
class _Course:
    """A race in words.

    Attributes:
        going: whether it goes on: what is said is said so far.
        ended: why it is over; empty while it goes on.
        confidence: what that of the answer is, and where it comes from.
        looks: at the test, past ones first.
        out: arms that do not go on, in the order in which they went out.
        left: arms that still have something to run.
        stands: while it goes on: which looks are past, what is left to be decided and run.
        assumes: what it takes for granted beside the guarantee; empty for nothing.
    """

    going: bool
    ended: str
    confidence: str
    looks: tuple[_Look, ...]
    out: tuple[_Gone, ...]
    left: tuple[str, ...]
    stands: tuple[str, ...]
    assumes: str


def is_going(verdict: Json) -> bool:
    """Whether a verdict is one on the way: its race goes on.

    >>> is_going({"race": {"ended": None}}), is_going({"race": {"ended": "decided"}}), is_going({"race": None})
    (True, False, False)
    """
    race = verdict.get("race") or {}
    return bool(race) and race.get("ended") is None


def course(verdict: Json) -> _Course | None:
    """Say how a race stands or went; None of a verdict without one."""
    race = verdict.get("race")
    if not race:
        return None
    going, left = is_going(verdict), tuple(map(str, race.get("left") or ()))
    return _Course(
        going=going,
        ended="" if going else f"{_ENDED.get(str(race['ended']), str(race['ended']))}.",
        confidence=_confidence(race),
        looks=tuple(_looks(race)),
        out=tuple(_gone(arm, one) for arm, one in (race.get("out") or {}).items()),
        left=left,
        stands=tuple(_stands(race, verdict)) if going else (),
        assumes=_assumes(race, measure_in(verdict)),
    )


def _gone(arm: str, one: Json) -> _Gone:
    kind = str(one["kind"])
    return _Gone(arm, kind, _HOW.get(kind, kind), int(one["seeds"]), str(one["why"]))


def _looks(race: Json) -> Iterator[_Look]:
    taken = list(race.get("taken") or ())
    for at, look in enumerate(taken):
        follows = taken[at + 1] if at + 1 < len(taken) else None
        why = _why_it_went_on(race, look, follows) if follows or race.get("ended") is None else ""
        yield _look(look, "past", str(look.get("answer") or "undecided"), why)
    for look in race.get("coming") or ():
        yield _look(look, _NOT_PAST.get(str(race.get("ended")), "not reached"), "", "")


def _look(look: Json, state: str, answer: str, went_on: str) -> _Look:
    return _Look(int(look["seeds"]), percent(look["alpha"]), percent(1 - look["alpha"]), state, answer, went_on)


def _why_it_went_on(race: Json, look: Json, follows: Json | None) -> str:
    """Say why a look did not end a race.

    >>> _why_it_went_on({}, {"answer": "both", "arms": 9}, {"arms": 10})
    'decided, but 1 arm that could change the answer was still to run'
    >>> _why_it_went_on({}, {"answer": None, "arms": 9}, None)
    'not decided'
    """
    if race.get("until") == "all":
        return "every arm was to run, whatever it said"
    if not look.get("answer"):
        return "not decided"
    more = int((follows or {}).get("arms") or 0) - int(look.get("arms") or 0)
    left = f"{more} {'arm' if more == 1 else 'arms'}" if more > 0 else "arms"
    return f"decided, but {left} that could change the answer {'was' if more == 1 else 'were'} still to run"


def _confidence(race: Json) -> str:
    taken, coming = race.get("taken") or (), race.get("coming") or ()
    if not taken:
        return ""
    if race.get("ended") is None:
        return f"What is said so far is said at the confidence of the next look, {_of(coming[0])}." if coming else ""
    total = percent(sum(look["alpha"] for look in (*taken, *coming)))
    if len(taken) + len(coming) == 1:
        return f"The test was looked at once, with all the error that is allowed ({total})."
    return (
        f"The answer's confidence is that of its look, {_of(taken[-1])}: each look may spend its "
        f"share of the error, all together {total}, so that looking early costs nothing of the guarantee."
    )


def _of(look: Json) -> str:
    return percent(1 - look["alpha"])


def _assumes(race: Json, metric: Measure) -> str:
    room = finite(race.get("headroom"))
    if room is None:
        return ""
    return (
        f"Deep arms of a family are not run where its heads are surely behind by more than {amount(room, metric)}: "
        "an assumption, outside the guarantee."
    )


def _stands(race: Json, verdict: Json) -> Iterator[str]:
    """Say which looks are past, what is left to be decided, and what to be run."""
    yield _times(race)
    yield f"Left to be decided: {undecided(verdict)}."
    left = list(map(str, race.get("left") or ()))
    if left:
        yield f"Left to run before the next look: {_arms(left)}."


def _times(race: Json) -> str:
    taken, coming = ([int(look["seeds"]) for look in race.get(name) or ()] for name in ("taken", "coming"))
    past = f"The test was asked with {_seeds(taken)}" if taken else "The test was not asked for a decision yet"
    if not coming:
        return f"{past}; that was the last time."
    again = "again, of every arm, " if set(coming) <= set(taken) else ""
    return f"{past}; it will be {again}with {_seeds(coming)}. Scores in between are shown, and decide nothing."


def _seeds(numbers: list[int]) -> str:
    """Name looks by their seeds.

    >>> _seeds([3]), _seeds([3, 3, 5])
    ('3 seeds', '3 and 5 seeds')
    """
    words = list(dict.fromkeys(map(str, numbers)))
    said = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"{said} {'seed' if numbers == [1] else 'seeds'}"


def _arms(names: list[str]) -> str:
    return f"{len(names)} {'arm' if len(names) == 1 else 'arms'} ({', '.join(names)})"


def percent(value: float) -> str:
    """Write a level or a share of the error, exactly.

    >>> percent(0.99), percent(1 - 0.035), percent(0.005)
    ('99%', '96.5%', '0.5%')
    """
    return f"{round(100 * value, 6):g}%"
