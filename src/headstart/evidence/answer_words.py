"""The answer in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from headstart.evidence.answer import Answer, Compared, Rule
from headstart.evidence.contrast import FEWEST_CLIENTS, FEWEST_SEEDS, Contrast
from headstart.evidence.metrics import Measure, measure
from headstart.evidence.power import Needed
from headstart.evidence.sides import FAMILIES, Family

State = Literal["better", "good enough", "open"]

DO: Mapping[Family, str] = {
    "fine-tune": "Fine-tune, do not upload",
    "federate": "Federate",
    "both": "Do both: federate, then fine-tune at each client",
}
DOING: Mapping[str, str] = {
    "fine-tune": "fine-tuning alone",
    "federate": "federating",
    "both": "doing both",
}


def headline(answer: Answer) -> str:
    """Say the answer in a few words."""
    if answer.leader is None:
        return "No answer: no arm may be recommended"
    if answer.family:
        return DO[answer.family]
    if answer.grounds == "no claim":
        return "No claim yet"
    left = _open_families(answer)
    if "fine-tune" in answer.families and "fine-tune" not in left:
        return "Share; whether to adapt afterwards is open"
    return f"Undecided between {_listing([DOING[family] for family in left])}"


def sentence(answer: Answer, metric: Measure | str) -> str:
    """Say the answer, its grounds and its uncertainty.

    Args:
        answer: to be said.
        metric: of its numbers.
    """
    if answer.leader is None:
        return "; ".join(["No arm may be recommended", *_absent(answer)]) + "."
    if answer.grounds == "no claim":
        ahead = f"; {DOING[answer.leader]} has the best mean so far" if len(answer.families) > 1 else ""
        return f"No claim: {why_no_claim(answer)}{ahead}."
    beside = " ".join(f"Not judged: {words}." for words in _absent(answer))
    if answer.family and answer.grounds == "only":
        only = "the only family that its devices and data allow" if answer.absent else "the only family of this study"
        return f"{DO[answer.family]}: {only}. {beside}".rstrip()
    if answer.family:
        said = f"{DO[answer.family]}: {', and '.join(_against_rivals(answer, metric))}, {_for_whom(answer)}."
        return f"{said} {beside}".rstrip()
    behind = "".join(f"; {words}" for words in _behind(answer, metric))
    left = _listing([DOING[family] for family in _open_families(answer)])
    return f"Undecided between {left}{behind}, {_for_whom(answer)}. {_what_decides(answer, metric)} {beside}".rstrip()


def why_no_claim(answer: Answer) -> str:
    """Say what is too little for any claim."""
    found = answer.basis
    if found is None:
        return "; ".join(_absent(answer)) or "there is nothing to compare"
    if found.seeds < FEWEST_SEEDS:
        return f"it needs {FEWEST_SEEDS} seeds, and {_count(found.seeds, 'was', 'were')} run"
    if answer.rule.scope == "like these" and found.clients < FEWEST_CLIENTS:
        few = _count(found.clients, "was", "were")
        return f'"clients like these" needs {FEWEST_CLIENTS} clients with test data, and {few} there'
    return "no client has two test examples that are kept one by one"


def subanswer(found: Compared, rule: Rule, metric: Measure | str) -> tuple[State, str]:
    """Say whether what a side does more pays: ``better``, or the other side is ``good enough``, or it is ``open``."""
    low, high = found.contrast.interval(rule.confidence)
    sides = f"{found.arm} against {found.over_arm}"
    change = f"{signed(found.contrast.gap, metric)}{_interval(found.contrast, rule, metric)}"
    if low > 0:
        return "better", f"{change}: {sides}"
    if high <= rule.min_effect:
        most = "it costs" if high < 0 else f"at most {amount(max(0.0, high), metric)} more"
        return "good enough", f"{most}, {change}: {sides}"
    return "open", f"{change}: {sides}"


def needs(needed: Needed, scope: str) -> str:
    """Say what would decide, each alone; empty where nothing of it would.

    >>> needs(Needed(examples=1412, seeds=5), "these")
    'about 1,400 more test examples or 5 more seeds'
    """
    parts = [
        f"about {_rounded(needed.examples)} more test examples" if needed.examples and scope == "these" else "",
        _count(needed.clients, "more client", "more clients") if needed.clients else "",
        _count(needed.seeds, "more seed", "more seeds") if needed.seeds else "",
    ]
    return " or ".join(part for part in parts if part)


def amount(value: float, metric: Measure | str) -> str:
    """Write a difference without its sign.

    >>> amount(0.1114, "accuracy"), amount(0.01, "balanced_accuracy"), amount(0.25, "log_loss")
    ('11.1 points', '1 point', '0.250 nats')
    """
    return measure(metric).amount(value)


def signed(value: float, metric: Measure | str) -> str:
    """Write a difference with its sign.

    >>> signed(-0.0114, "accuracy"), signed(0.25, "log_loss")
    ('-1.1 points', '+0.250 nats')
    """
    return f"{'-' if value < 0 else '+'}{amount(value, metric)}"


def _against_rivals(answer: Answer, metric: Measure | str) -> Iterator[str]:
    """Say how the answer compares with every other family: what it beats, what it matches, what is better by little."""
    own = str(answer.family)
    for rival in (family for family in FAMILIES if family in answer.families and family != answer.family):
        found = answer.between(own, rival)
        if found is None:
            continue
        low, high = found.ends(answer.rule.tail(len(answer.families)))
        doubt = _interval(found, answer.rule, metric)
        if low > 0:
            if found.interval(answer.rule.confidence)[0] <= 0:
                # Two families are told apart by one bound; the interval has two.
                doubt = f" ({answer.rule.confidence * 100:g} %, one-sided: at least {amount(low, metric)})"
            yield f"better than {DOING[rival]} by {amount(found.gap, metric)}{doubt}"
        elif high < 0:
            less = f"less than the {amount(answer.rule.min_effect, metric)} that matter"
            doubt = _interval(found.turned(), answer.rule, metric)
            yield f"behind {DOING[rival]} by {amount(found.gap, metric)}{doubt}, {less}, and cheaper"
        else:
            cheaper = ", and cheaper" if _is_cheaper(answer, rival) else ""
            yield f"as good as {DOING[rival]} within {amount(answer.rule.min_effect, metric)}{cheaper}"


def _absent(answer: Answer) -> Iterator[str]:
    """Say which families could not be judged, and why."""
    yield from (f"{DOING[family]} ({one.why})" for family, one in answer.absent.items())


def _is_cheaper(answer: Answer, rival: Family) -> bool:
    """Say whether the answer was chosen before a rival that is good enough, too."""
    return answer.families[rival].regret_upper <= answer.rule.min_effect


def _behind(answer: Answer, metric: Measure | str) -> Iterator[str]:
    """Say how far the families that are surely not best are behind the one that shows it."""
    for family, standing in answer.families.items():
        if not standing.excluded_by:
            continue
        rival = _surest(answer, family, standing.excluded_by)
        found = answer.between(rival, family)
        if found:
            whom = "" if rival == answer.leader else f" {DOING[rival]}"
            doubt = _interval(found, answer.rule, metric, bare=True)
            yield f"{DOING[family]} is {amount(found.gap, metric)} behind{whom}{doubt}"


def _surest(answer: Answer, family: Family, rivals: Sequence[Family]) -> Family:
    """Return the leader if it surely beats a family, or else the rival that does so most surely."""

    def low(rival: Family) -> float:
        found = answer.between(rival, family)
        return found.interval(answer.rule.confidence)[0] if found else -math.inf

    return max(rivals, key=lambda rival: (rival == answer.leader, low(rival)))


def _open_families(answer: Answer) -> list[Family]:
    return [family for family in FAMILIES if family in answer.families and not answer.families[family].excluded_by]


def _what_decides(answer: Answer, metric: Measure | str) -> str:
    parts = []
    if answer.decided_at is not None and (answer.decided_at < 1 or not measure(metric).is_share):
        parts.append(f"It would be decided at min_effect {_up(answer.decided_at)}")
    lacking = needs(answer.needed, answer.rule.scope) if answer.needed else ""
    if lacking:
        parts.append(f"for {amount(answer.rule.min_effect, metric)} it needs {lacking}")
    return "; ".join(parts) + "." if parts else ""


def _up(value: float) -> str:
    """Write a threshold, rounded up so that it is enough.

    >>> _up(0.03012), _up(0.03)
    ('.031', '.030')
    """
    return f"{math.ceil(value * 1000 - 1e-9) / 1000:.3f}".removeprefix("0")


def _interval(found: Contrast, rule: Rule, metric: Measure | str, *, bare: bool = False) -> str:
    low, high = found.interval(rule.confidence)
    if not math.isfinite(low):
        return ""
    of, level = measure(metric), "" if bare else f"{rule.confidence * 100:g} % "
    return f" ({level}{of.number(low)} to {of.number(high)})"


def _for_whom(answer: Answer) -> str:
    found = answer.basis
    if answer.rule.scope == "like these":
        return "for clients like these"
    return f"for {_count(found.clients, 'this client', 'these clients')}" if found else "for these clients"


def _count(number: int, one: str, many: str) -> str:
    """Say a number of things.

    >>> _count(1, "was", "were"), _count(5, "more seed", "more seeds"), _count(6, "this client", "these clients")
    ('1 was', '5 more seeds', 'these 6 clients')
    """
    words = one if number == 1 else many
    first, _, rest = words.partition(" ")
    return f"{first} {number} {rest}" if first in ("this", "these") else f"{number} {words}"


def _rounded(number: int) -> str:
    """Write a number with two digits that mean something.

    >>> _rounded(1412), _rounded(37)
    ('1,400', '37')
    """
    unit = 10 ** max(0, len(str(number)) - 2)
    return f"{round(number / unit) * unit:,}"


def _listing(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
