"""With whom clients should learn, in words: the groups, and each client's advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from headstart.report.run import Json
from headstart.report.units import Metric

_MOST_NAMED = 4
_MOST_ROWS = 30
_WORDS = {"alone": "alone", "these": "with its group", "all": "with all"}


@dataclass(frozen=True)
class AdviceRow:
    """One client's advice as a page shows it.

    Attributes:
        client: its name.
        advice: in words.
        company: who is in its group.
        values: accuracies alone, with the group, with all, as written.
        gain: of the best shared head over its own, with its standard error.
        numbers: those two in points; the error is None where it is not known.
    """

    client: str
    advice: str
    company: str
    values: tuple[str, ...]
    gain: str
    numbers: tuple[float, float | None]


def company_lines(company: Json) -> list[str]:
    """Say which groups there are, and for how many clients an advice is beyond noise; nothing where none was sought.

    Args:
        company: as ``diagnosis.json`` has it.

    >>> one = {"advice": "all", "accuracy": {"alone": 0.7, "these": 0.8, "all": 0.8}}
    >>> company_lines({"groups": [["a", "b"]], "clients": [one, one]})
    ['no groups among 2 clients, whose heads fit each other', 'accuracy of heads without the example: alone \
70.0%, with all 80.0%; advice beyond noise: with all 2 of 2 clients']
    >>> these, open_ = {**one, "advice": "these"}, {**one, "advice": None}
    >>> company_lines({"groups": [["a", "c"], ["b"]], "clients": [these, open_, open_]})
    ["2 groups whose heads fit each other's data, of 2 and 1 clients (a, c; b)", 'accuracy of heads without \
the example: alone 70.0%, with its group 80.0%, with all 80.0%; advice beyond noise: with its group 1, open 2 of 3 \
clients']
    """
    if not company:
        return []
    clients, accuracy = company["clients"], Metric("accuracy")
    counted = Counter(one["advice"] for one in clients)
    said = [f"{words} {counted[name]}" for name, words in _WORDS.items() if counted[name]]
    said += [f"open {counted[None]}"] if counted[None] else []
    shown = [name for name in _WORDS if name != "these" or len(company["groups"]) > 1]
    means = [
        f"{_WORDS[name]} {accuracy.value(sum(one['accuracy'][name] for one in clients) / len(clients))}"
        for name in shown
    ]
    return [
        _groups(company),
        f"accuracy of heads without the example: {', '.join(means)}; advice beyond noise: {', '.join(said)} of "
        f"{len(clients)} clients",
    ]


def advice_rows(company: Json) -> list[AdviceRow]:
    """Return what the page says of each client; of more than 30, nothing."""
    if not company or len(company["clients"]) > _MOST_ROWS:
        return []
    return [_row(one, company["groups"][one["group"]]) for one in company["clients"]]


def _groups(company: Json) -> str:
    groups, clients = company["groups"], len(company["clients"])
    if len(groups) == 1:
        return f"no groups among {clients} clients, whose heads fit each other"
    if len(groups) == clients:
        return f"the heads of {clients} clients fit nobody else's data"
    sizes = [str(len(group)) for group in groups]
    shown = ", ".join(sizes[:-1]) + f" and {sizes[-1]}" if len(sizes) <= 2 * _MOST_NAMED else f"{sizes[0]} and fewer"
    names = "; ".join(_named(group) for group in groups[:_MOST_NAMED]) + ("; …" if len(groups) > _MOST_NAMED else "")
    return f"{len(groups)} groups whose heads fit each other's data, of {shown} clients ({names})"


def _named(group: list[str]) -> str:
    return ", ".join(group[:_MOST_NAMED]) + (
        f" and {len(group) - _MOST_NAMED} more" if len(group) > _MOST_NAMED else ""
    )


def _row(one: Json, group: list[str]) -> AdviceRow:
    accuracy, others = Metric("accuracy"), [name for name in group if name != one["client"]]
    advice = _WORDS[one["advice"]] if one["advice"] else f"open: {' or '.join(_WORDS[name] for name in one['among'])}"
    noise = "" if one["noise"] is None else f" ± {accuracy.change(one['noise']).lstrip('+')}"
    return AdviceRow(
        client=one["client"],
        advice=advice,
        company=_named(others),
        values=tuple(accuracy.value(_of(one, name)) for name in _WORDS),
        gain=f"{accuracy.change(one['gain'])}{noise}",
        numbers=(100 * one["gain"], None if one["noise"] is None else 100 * one["noise"]),
    )


def _of(one: Json, name: str) -> float | None:
    found: Mapping[str, float] = one["accuracy"]
    return found.get(name)
