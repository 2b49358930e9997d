"""An account in words: one block of labels and lines, long lists folded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headstart.data.account import Account, Filled, LeftOut

FOLD = 6
"""How many names of a list are written; the others are counted."""

Lines = tuple[tuple[str, str], ...]
"""Label and text of each line."""


def in_words(account: Account) -> Lines:
    """Return what became of a source, and of the pool after it; lines that would say nothing are left out.

    >>> in_words(Account(source="people.csv", kind="table", rows=3, used=3, classes={"ill": 1, "well": 2}))[:2]
    (('source', 'people.csv (table), 3 rows read, 3 used'), ('scale', 'columns as they are'))
    """
    pool = ((f"pool: {label}", text) for label, text in in_words(account.central)) if account.central else ()
    return (*_rows(account), *_columns(account), *_holders(account), *pool)


def _rows(account: Account) -> Lines:
    read = f"{account.source} ({account.kind}), {account.rows:,} rows read, {account.used:,} used"
    return (("source", read), *(("left out", _left_out(one)) for one in account.left_out))


def _columns(account: Account) -> Lines:
    lines = [
        ("inputs", _counted(account.inputs, "columns") if account.kind == "table" else _folded(account.inputs)),
        ("other parts", _folded(_part(name, part) for name, part in account.parts.items())),
        *(("dropped", f"{_folded(names)}: {why}") for why, names in _by_reason(account).items()),
        ("filled", _filled(account.filled)),
        *(("encoded", f"{one.column}: {one.how}") for one in account.encoded[:FOLD]),
        ("encoded", f"and {len(account.encoded) - FOLD} columns more" if len(account.encoded) > FOLD else ""),
        *(("converted", f"{one.count:,} {one.what}: {one.how}") for one in account.converted),
        ("scale", account.standardised or ("columns as they are" if account.kind == "table" else "")),
    ]
    return tuple(line for line in lines if line[1])


def _holders(account: Account) -> Lines:
    lines = [
        ("predicts", account.predicts),
        ("strata" if account.predicts else "classes", _sizes(account.classes)),
        ("clients", _clients(account)),
        ("splits", _sizes(account.splits)),
    ]
    return tuple(line for line in lines if line[1])


def _left_out(one: LeftOut) -> str:
    more = ", …" if one.count > len(one.rows) else ""
    names = f"{', '.join(map(str, one.rows))}{more}, counted from 0"
    rows = f" (row{'s' if one.count > 1 else ''} {names})" if one.rows else ""
    return f"{one.count:,} row{'s' if one.count > 1 else ''}: {one.why}{rows}"


def _part(name: str, part: str) -> str:
    return name if name == part else f"{name} ({part})"


def _by_reason(account: Account) -> Mapping[str, list[str]]:
    """Gather the dropped columns by the reason why."""
    found: dict[str, list[str]] = {}
    for one in account.dropped:
        found.setdefault(one.why, []).append(one.name)
    return found


def _filled(filled: Sequence[Filled]) -> str:
    if not filled:
        return ""
    cells = sum(one.count for one in filled)
    columns = _folded(f"{one.column} {one.count:,} ({one.how})" for one in filled)
    return f"{cells:,} empty cells: {columns}"


def _clients(account: Account) -> str:
    """Name few clients with their sizes, of many say the smallest and the largest size."""
    sizes = list(account.clients.values())
    if len(sizes) <= FOLD:
        return f"{len(sizes)}: {_sizes(account.clients)}" if sizes else ""
    least, most = min(sizes), max(sizes)
    return f"{len(sizes):,}, of {most:,} rows" if least == most else f"{len(sizes):,}, of {least:,} to {most:,} rows"


def _sizes(counts: Mapping[str, int]) -> str:
    return _folded(f"{name} {count:,}" for name, count in counts.items())


def _counted(names: Sequence[str], what: str) -> str:
    return f"{len(names):,} {what}: {_folded(names)}" if names else ""


def _folded(parts: Iterable[str]) -> str:
    """Join a list, without what goes beyond ``FOLD``.

    >>> _folded("abcdefgh")
    'a, b, c, d, e, f and 2 more'
    """
    listed = list(parts)
    more = f" and {len(listed) - FOLD:,} more" if len(listed) > FOLD else ""
    return ", ".join(listed[:FOLD]) + more
