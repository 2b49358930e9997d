"""Which columns of a table the inputs are made of, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from headstart.core.errors import DataError, nearest
from headstart.core.words import listed
from headstart.data.account import Dropped, Finding, Findings
from headstart.data.column_kinds import check_numbers, is_numeric, why_no_numbers
from headstart.data.sources import Source


@dataclass(frozen=True)
class Chosen:
    """The columns that inputs are made of, and those that are left.

    Attributes:
        columns: names of columns, in order.
        dropped: columns that play no part, each with its reason; empty where the inputs were named.
        set_aside: names of those dropped that could be inputs if they were asked for, such as identifiers.
    """

    columns: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    set_aside: tuple[str, ...] = ()

    def findings(self, source: Source) -> Findings:
        """Return the records, and one note on columns of numbers, which one would take for inputs."""
        noted = [one for one in self.dropped if is_numeric(source.table.schema.field(one.name).type)]
        groups = [
            f"{_listing(one.name for one in noted if one.why == why)} ({why})"
            for why in dict.fromkeys(one.why for one in noted)
        ]
        note = f"columns of numbers of '{source.name}' that are no inputs: {'; '.join(groups)}"
        records: tuple[Finding, ...] = self.dropped
        return (*records, note) if noted else records


def choose_columns(
    source: Source,
    columns: tuple[str, ...] | None,
    one_hot: tuple[str, ...],
    taken: Collection[str | None],
    named: Mapping[str, str],
    *,
    dates: tuple[str, ...] = (),
    whole: bool = True,
) -> Chosen:
    """Choose the input columns: numbers, vectors of numbers, categories and dates.

    Args:
        source: the table.
        columns: input columns; None takes every one that can be an input, is not ``taken`` and not ``named``.
        one_hot: columns of categories.
        taken: columns that play another part (label, client, …).
        named: columns, such as identifiers, that are inputs only where they are asked for, each with the reason.
        dates: columns of dates.
        whole: whether the rows are a whole federation's; a part may have no value of a column.

    Raises:
        DataError: a column is missing or has no numbers, or a column of numbers holds words.
    """
    asked = columns if columns is not None else tuple(name for name in source.table.column_names if name not in taken)
    made = dict.fromkeys(one_hot, "one_hot") | dict.fromkeys(dates, "dates")
    for name, setting in made.items():
        if name not in asked:
            way_out = "it has another part; name all inputs in data.columns" if name in taken else nearest(name, asked)
            raise DataError(f"data.{setting}: '{name}' is not an input column; {way_out}")
    if columns is not None:
        for name in columns:
            source.column(name, "data.columns")
            if name not in made:
                check_numbers(source, name, may_be_empty=not whole)
        return Chosen(columns)
    reasons = {name: None if name in made else named.get(name) or why_no_numbers(source, name) for name in asked}
    dropped = tuple(Dropped(name, why) for name, why in reasons.items() if why is not None)
    set_aside = tuple(one.name for one in dropped if one.name in named)
    return Chosen(tuple(name for name, why in reasons.items() if why is None), dropped, set_aside)


def _listing(names: Iterable[str]) -> str:
    return listed([f"'{name}'" for name in names], 10)
