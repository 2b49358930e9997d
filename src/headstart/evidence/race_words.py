"""What a race leaves open, in words; it reads what ``verdict.json`` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.evidence.answer_words import DOING
from headstart.evidence.sides import FAMILIES


def undecided(found: Mapping[str, Any]) -> str:
    """Name what is open: families that may still be best, or whether arms to run change the answer.

    >>> undecided({"grounds": "undecided", "families": {"fine-tune": {"excluded_by": ["both"]}}})
    'whether to adapt on top of federating'
    """
    families: Mapping[str, Any] = found.get("families") or {}
    if found.get("answer"):
        return "whether an arm that is still to run changes this"
    alive = [name for name in FAMILIES if not (families.get(name) or {}).get("excluded_by")]
    if found.get("grounds") != "undecided" or len(alive) == len(FAMILIES):
        return "fine-tune, federate, or both"
    if set(alive) == {"federate", "both"}:
        return "whether to adapt on top of federating"
    return " or ".join(DOING[name] for name in alive)


def stand(found: Mapping[str, Any]) -> str:
    """Say in a line what the answer is so far, what is left to be decided, and how much to be run.

    >>> found = {"headline": "No claim yet", "grounds": "no claim", "leader": "both", "race": {"left": ["ridge"]}}
    >>> stand(found)
    'so far: no claim yet; to decide: fine-tune, federate, or both; 1 arm to run'
    >>> stand({**found, "families": {"both": {}, "fine-tune": {}}})
    'so far: no claim yet, doing both has the best mean; to decide: fine-tune, federate, or both; 1 arm to run'
    """
    words, leader = str(found["headline"]), found.get("leader")
    several = len(found.get("families") or {}) > 1
    ahead = f", {DOING[leader]} has the best mean" if leader and several and not found.get("answer") else ""
    left = len((found.get("race") or {}).get("left") or ())
    run = f"{left} {'arm' if left == 1 else 'arms'} to run" if left else "no arm is left to run before the next look"
    return f"so far: {words[:1].lower()}{words[1:]}{ahead}; to decide: {undecided(found)}; {run}"
