"""Which side of a sub-question has no arm, since its arms are still to run, or a race went on without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from headstart.evidence.answer import Answer
from headstart.evidence.race import Out, Race
from headstart.evidence.sides import Traits

Asked = Literal["start_pays", "share_pays", "adapt_pays"]

_VERBS = {
    "dropped": "was dropped",
    "screened": "was not run",
    "excluded": "was excluded at a look",
    "represented": "does not go on",
    "time": "was not finished",
}
"""What happened to an arm, by how it went out; a reference stands for no side."""


def lost_side(
    asked: Asked, answer: Answer, race: Race | None, traits: Mapping[str, Traits]
) -> tuple[Literal["open", "dropped", "not asked"], str]:
    """Say why a sub-question has no arm on one side: the race is not there yet, or went on without them, or neither.

    Of the arms that stood for that side, the last one to go out is named.

    Args:
        asked: the sub-question.
        answer: that has no contrast for it.
        race: of the arms; None without one.
        traits: what every arm of the study is.

    >>> from headstart.evidence.answer import Rule
    >>> none_yet = Answer(None, "undecided", "federate", Rule(0.02, 0.95, "these"))
    >>> out = {"fedavg": Out("dropped", 2, "41.2 points behind fedavg-pretrained on validation data")}
    >>> lost_side("start_pays", none_yet, Race(out=out), {"fedavg": Traits("federate", from_scratch=True)})[1]
    'fedavg from scratch was dropped: 41.2 points behind fedavg-pretrained on validation data after 2 seeds'
    """
    race = race or Race()
    there = {arm for standing in answer.families.values() for arm in standing.arms}
    empty = [side for side in _sides(asked, answer, traits) if not side & there]
    for side in empty:
        if coming := [arm for arm in race.left if arm in side]:
            return "open", f"{_arm(coming[0], asked, traits)} is still to run"
    for side in empty:
        if gone := [arm for arm in race.out if arm in side and race.out[arm].kind in _VERBS]:
            return "dropped", _words(_arm(gone[-1], asked, traits), race.out[gone[-1]])
    return "not asked", "no arm stands for the other side"


def _sides(asked: Asked, answer: Answer, traits: Mapping[str, Traits]) -> list[set[str]]:
    """Return the arms of each side, what does less first."""
    if asked == "start_pays":
        families = ("fine-tune",) if answer.leader == "fine-tune" else ("federate", "both")
        own = {arm for arm, one in traits.items() if one.family in families}
        scratch = {arm for arm in own if traits[arm].from_scratch}
        return [scratch, own - scratch]
    sharing = (("fine-tune",), ("federate", "both"))
    parts = sharing if asked == "share_pays" else (("federate",), ("both",))
    return [{arm for arm, one in traits.items() if one.family in part} for part in parts]


def _arm(name: str, asked: Asked, traits: Mapping[str, Traits]) -> str:
    if asked != "start_pays":
        return name
    return f"{name} {'from scratch' if traits[name].from_scratch else 'with its trained start'}"


def _words(arm: str, out: Out) -> str:
    # A reason may tell the seeds itself.
    after = "" if "seed" in out.why or not out.seeds else f" after {out.seeds} {'seed' if out.seeds == 1 else 'seeds'}"
    return f"{arm} {_VERBS[out.kind]}: {out.why}{after}"
