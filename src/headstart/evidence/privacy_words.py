"""What an arm promises its clients, in words: an epsilon says little to who does not know what it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_STRONG, _SOME = 1.0, 10.0
"""Ponomareva et al.: How to DP-fy ML. JAIR 77, 2023, https://doi.org/10.1613/jair.1.14649, section 5.2.1."""

SIMULATED = (
    "In a simulation nothing is hidden: its noise follows from the seed, and scores are counted on every client's own "
    "examples without noise. The numbers say what the same settings would promise clients whose noise nobody knows; "
    "runs with other seeds on the same clients would add up, too."
)
OVER_SITES = (
    "Sites draw their noise themselves, from their system's randomness: the epsilon is towards whoever sees the shared "
    "models. Scores that sites tell have no noise, and are not in it; runs with other seeds add up."
)
OF_EXAMPLES = (
    "What is promised of single examples is promised towards the server, too. How many examples a client has counts as "
    "known; columns are scaled, and validation data choose, without noise: that is not in it."
)
"""Said once, where an epsilon is."""


def privacy_note(arms: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is to be known of all these promises; nothing where there are none."""
    if not arms:
        return ""
    words = OVER_SITES if any(found.get("own_noise") for found in arms.values()) else SIMULATED
    return f"{words} {OF_EXAMPLES}" if any("examples" in found for found in arms.values()) else words


def privacy_words(found: Mapping[str, Any]) -> str:
    """Return what an arm promises, as a clause.

    Args:
        found: ``epsilon``, ``delta``, ``clients``, ``runs`` and ``all_runs``, as in a record.

    >>> privacy_words({"epsilon": 7.046, "delta": 1e-05, "clients": 100, "runs": 1, "all_runs": 7.046})
    'epsilon 7.05 (delta 1e-05) for each of 100 clients with all that it holds: a reasonable promise'
    """
    if found.get("of") == "examples":
        return _of_examples(found)
    if found["epsilon"] is None:
        return "nothing is promised to a client: a federated stage has no noise"
    once = f"epsilon {_number(found['epsilon'])} (delta {found['delta']:.0e}) for each of {found['clients']} clients"
    seen = found.get("to_server")
    server = f"; {_number(seen)} towards the server, which sees each update" if seen else ""
    often = f"; {_number(found['all_runs'])} for the {found['runs']} runs together by which its settings were chosen"
    also = f". Also {_of_examples(found['examples_too'])}" if found.get("examples_too") else ""
    words = f"{once} with all that it holds{often if found['runs'] > 1 else ''}{server}: {_meaning(found['all_runs'])}"
    return f"{words}{also}"


def _of_examples(found: Mapping[str, Any]) -> str:
    """Return what an arm promises single examples.

    >>> said = {"epsilon": 2.0, "delta": 1e-05, "clients": 12, "examples": 80, "runs": 4, "all_runs": 4.3}
    >>> print(_of_examples(said))
    epsilon 2 (delta 1e-05) for each single example of 12 clients; 4.3 for the 4 runs together by which its ...
    """
    if found["epsilon"] is None:
        return "nothing is promised to an example: a stage reads examples without noise"
    once = f"epsilon {_number(found['epsilon'])} (delta {found['delta']:.0e}) for each single example of"
    often = f"; {_number(found['all_runs'])} for the {found['runs']} runs together by which its settings were chosen"
    words = f"{once} {found['clients']} clients{often if found['runs'] > 1 else ''}"
    return f"{words}: {_meaning(found['all_runs'], 'more examples, fewer passes')}"


def privacy_lines(arms: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each arm that has noise, with what it promises."""
    yield from ((arm, privacy_words(found)) for arm, found in arms.items())


def weakest(seeds: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the promise of the seed that promises least.

    >>> weakest([{"epsilon": 2.0, "all_runs": 3.0}, {"epsilon": 2.0, "all_runs": 4.0}])["all_runs"]
    4.0
    """
    return max(seeds, key=lambda found: float("inf") if found["all_runs"] is None else found["all_runs"])


def _meaning(epsilon: float, helps: str = "more clients, fewer rounds") -> str:
    """Return what is customary to say of an epsilon, and what besides noise would help."""
    if epsilon <= _STRONG:
        return "a strong promise"
    if epsilon <= _SOME:
        return "a reasonable promise"
    return f"next to no promise ({helps} or more noise make it one)"


def _number(epsilon: float) -> str:
    """Write an epsilon with three digits, none of them made up.

    >>> _number(0.0123), _number(7.046), _number(271.99)
    ('0.0123', '7.05', '272')
    """
    return f"{epsilon:.3g}" if epsilon < 1000 else f"{epsilon:.0f}"
