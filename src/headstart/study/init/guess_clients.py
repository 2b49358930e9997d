"""What a first study file says of the clients: who they are, how their rows are split, what the server has."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.study.init.draft import Line
from headstart.study.init.look import Found
from headstart.study.init.parts import Parts
from headstart.study.init.roles import is_holder
from headstart.study.init.shares import Shares

_MOST_CLIENTS, _ROWS_EACH, _GROUPS_EACH = 10, 40, 4
"""Clients that a partition makes at the most, and rows or groups that each should have."""
_HOPELESS = 0.2
"""Differences between two ways to train are rarely larger."""


def clients_of(found: Found, parts: Parts) -> tuple[int, ...]:
    """Return each client's rows with a label: of the column that names them, or as a partition would deal them."""
    if parts.client:
        held = found.by_holder(parts.client, parts.label)
        return tuple(sorted((counts.total() for counts in held.values()), reverse=True))
    rows = found.rows - found.by_name[parts.label].empty
    things = found.by_name[parts.group].distinct if parts.group else rows
    number = max(2, min(_MOST_CLIENTS, things // (_GROUPS_EACH if parts.group else _ROWS_EACH)))
    return (rows // number,) * number


def whose(found: Found) -> str:
    """Say why no column names the clients."""
    alone = next((one.name for one in found.columns if one.kind == "one value" and is_holder(one.name)), None)
    return "no column says whose a row is" if alone is None else f"'{alone}' names one holder of rows, who is alone"


def partition_lines(found: Found, parts: Parts, number: int) -> Iterator[Line]:
    """Yield the lines of ``[data.partition]`` for a number of clients; none where a column names them."""
    if parts.client:
        return
    why = f"{whose(found)}: these clients are made up, for trying out"
    is_mixed = parts.task == "classification" and number * found.by_name[parts.label].distinct <= found.rows
    yield Line("method", "dirichlet_clients" if is_mixed else "iid", why)
    yield Line("num_clients", number)
    if is_mixed:
        yield Line("alpha", 0.5, "how alike clients' classes are: 0.1 hardly, 100 nearly equal")


def split_lines(found: Found, parts: Parts, shares: Shares, held_out: float) -> Iterator[Line]:
    """Yield the lines of ``[data.split]``."""
    if parts.split:
        yield Line("column", parts.split, f"the data's own split: {found.by_name[parts.split].in_words}")
    for name in (one for one in found.splits if one != parts.split):
        yield Line(
            "column", name, f"the data's own split, which leaves out rows: {found.by_name[name].in_words}", is_on=False
        )
    if parts.group:
        number = found.by_name[parts.group].distinct
        yield Line("group", parts.group, f"rows of one of its {number:,} values are never on both sides of a split")
    if parts.split:
        return
    for name in [column.name for column in found.columns if column.kind == "dates"][:1]:
        yield Line("time", name, "a client's earliest rows train, its latest are tested", is_on=False)
    yield Line("train", shares.train)
    yield Line("val", shares.val, "for tuning, and for refusing what does harm")
    yield Line("test", shares.test, _why_test(parts, shares, held_out))


def _why_test(parts: Parts, shares: Shares, held_out: float) -> str:
    if parts.task != "classification":
        return f"about {shares.tested:,} test rows"
    of = "clients like these" if held_out else "these clients"
    if shares.decides:
        return f"about {shares.tested:,} test rows, enough to decide a difference of 2 points for {of}"
    if shares.effect > _HOPELESS:
        return f"about {shares.tested:,} test rows, too few to decide anything: this is for trying out"
    return f"about {shares.tested:,} test rows: differences below {100 * shares.effect:.2g} points may stay undecided"


def central_lines(beside: str | None) -> Iterator[Line]:
    """Yield the lines of ``[data.central]``; a source that lies beside the data is the pool."""
    if beside:
        yield Line("source", beside, "lies beside the data, and is called as a server's own pool is")
        return
    yield Line("fraction", 0.1, "a share of the rows as what the server has itself, to start from", is_on=False)
