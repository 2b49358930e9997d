"""What an arm does, in one sentence: each method's own clause."""

from __future__ import annotations

from headstart.study.written.arms import Arm, Stage


def sentence(arm: Arm) -> str:
    """Say what an arm does.

    >>> sentence(Arm("ridge", start="random", federate="ridge"))
    'it starts from random weights; clients solve one shared ridge regression in a single round; each client...'
    """
    return f"it {arm.start.entry.says}; {_together(arm.federate)}; {arm.adapt.entry.says}."


def _together(stages: tuple[Stage, ...]) -> str:
    """Say what clients learn together; of several stages their names, for each clause is a sentence of its own."""
    if not stages:
        return "clients share nothing"
    if len(stages) == 1:
        return stages[0].entry.says.format(words=_words(stages[0]))
    return f"clients train together with {', then '.join(_words(stage) for stage in stages)}"


def _words(stage: Stage) -> str:
    rounds = stage.settings.get("rounds")
    noise = ", under noise" if stage.settings.get("noise_multiplier") else ""
    return stage.method + (f", {rounds} rounds" if isinstance(rounds, int) and rounds > 1 else "") + noise
