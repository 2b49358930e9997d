"""Which side of a sub-question has no arm, since a race went on without those it had, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from headstart.evidence.answer import Answer
from headstart.evidence.race import Out
from headstart.evidence.sides import Traits

Asked = Literal["start_pays", "share_pays", "adapt_pays"]

_VERBS = {
    "dropped": "was dropped",
    "screened": "was not run",
    "excluded": "went out with its family",
    "represented": "was left to the arm that stands for its family",
    "time": "was not finished",
}
"""What happened to an arm, by how it went out; a reference stands for no side."""


def lost_side(asked: Asked, answer: Answer, out: Mapping[str, Out], traits: Mapping[str, Traits]) -> str:
    """Say why a sub-question has no arm on one side; empty where a race is not the reason.

    Of the arms that stood for that side, the last one to go out is named.

    Args:
        asked: the sub-question.
        answer: that has no contrast for it.
        out: arms of the race that do not go on, in the order in which they went out.
        traits: what every arm of the study is.

    >>> from headstart.evidence.answer import Rule
    >>> open_answer = Answer(None, "undecided", "federate", Rule(0.02, 0.95, "these"))
    >>> out = {"fedavg": Out("dropped", 2, "41.2 points behind fedavg-pretrained on validation data")}
    >>> lost_side("start_pays", open_answer, out, {"fedavg": Traits("federate", from_scratch=True)})
    'fedavg from scratch was dropped: 41.2 points behind fedavg-pretrained on validation data after 2 seeds'
    """
    there = {arm for standing in answer.families.values() for arm in standing.arms}
    for side in _sides(asked, answer, traits):
        gone = [arm for arm in out if arm not in there and arm in side and out[arm].kind in _VERBS]
        if gone and not side & there:
            return _words(gone[-1], out[gone[-1]], is_start=asked == "start_pays", traits=traits[gone[-1]])
    return ""


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


def _words(arm: str, out: Out, *, is_start: bool, traits: Traits) -> str:
    start = (" from scratch" if traits.from_scratch else " with its trained start") if is_start else ""
    # A reason may tell the seeds itself.
    after = "" if "seed" in out.why else f" after {out.seeds} {'seed' if out.seeds == 1 else 'seeds'}"
    return f"{arm}{start} {_VERBS[out.kind]}: {out.why}{after}"
