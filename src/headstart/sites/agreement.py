"""What belongs to the federation is agreed in it: names and sums of the sites united, and applied at each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from headstart.core.errors import DataError, SettingError
from headstart.data.agreement import Agreement
from headstart.data.features import categories
from headstart.data.federation import Federation
from headstart.data.labels import check_class_names, check_numbers_of_classes, class_order
from headstart.data.scale import scaled
from headstart.data.settings import DataSettings
from headstart.data.sources import Source
from headstart.data.standardize import ColumnSums, known_sums, lacks_values, statistics, united
from headstart.sites.refusals import Refused
from headstart.sites.said import Present
from headstart.sites.settings import LEAST_ROWS

_PART = re.compile(r"\[\d+(,\d+)*\]$")
"""How the name of an input ends that is one number of a column of vectors, which cannot be named by itself."""


def common_categories(source: Source, one_hot: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of each column's categories that have enough rows to be told."""
    found = {column: categories(source, column) for column in one_hot}
    return {
        column: tuple(sorted(name for name, count in counts.items() if count >= LEAST_ROWS))
        for column, counts in found.items()
    }


def needs_sums(settings: DataSettings) -> bool:
    """Say whether a setting rests on means of the whole federation."""
    return settings.standardize != "none" or settings.missing == "mean"


def _needs_all(settings: DataSettings) -> bool:
    """Say whether a setting rests on sums of every site; ``auto`` scales by those that may leave."""
    return settings.standardize in ("none", "pooled") or (settings.standardize == "auto" and settings.missing == "mean")


def scaled_as_agreed(federation: Federation, settings: DataSettings, agreed: Agreement) -> Federation:
    """Fill and standardise a site's table by what was agreed.

    Raises:
        Refused: a setting needs means of the federation, and none were agreed.
    """
    if federation.examples.kind == "table" and agreed.statistics is None:
        _check_alone(federation, settings)
    return scaled(federation, settings.standardize, agreed.statistics)


def _check_alone(federation: Federation, settings: DataSettings) -> None:
    """Check that a site's own means are enough: each client's are, where it has values of every column."""
    (client,) = federation.clients
    lacking = lacks_values(known_sums(federation.examples, [client]))
    if needs_sums(settings) and (settings.standardize != "client" or lacking.any()):
        names = [name for name, lacks in zip(federation.examples.columns, lacking, strict=True) if lacks]
        what = f"too few values of '{names[0]}' outside test" if names else "no means of its own to go by"
        raise Refused(
            f"data.standardize: '{client.id}' has {what}, and no means of all sites were agreed, as not every policy "
            "lets sums leave; fill the column, write data.standardize = 'client' or 'none', or start the nodes with "
            "--policy sums"
        )


def agreement_of(settings: DataSettings, said: Sequence[Present]) -> Agreement:
    """Unite what sites say of their data.

    Raises:
        DataError: they hold inputs of different kinds or sizes, or no classes of a task.
    """
    kind = _the_one({one.client: one.kind for one in said}, "data", "hold inputs of one kind", "mend the files")
    classes, fixed_val = settings.classes or _classes(said, settings), any(one.fixed_val for one in said)
    if kind == "image":
        return Agreement(classes=classes, shape=_shape(said), range=_range(said), fixed_val=fixed_val)
    if kind == "text":
        return Agreement(classes=classes, fixed_val=fixed_val)
    aside = _aside(said)
    columns = tuple(name for name in _in_order(one.columns for one in said) if name not in aside)
    if not columns:
        raise DataError(
            f"data.columns: no input is left at all sites together but what names rows ({', '.join(sorted(aside))}); "
            "name the input columns"
        )
    names = {
        column: tuple(sorted({name for one in said for name in one.categories.get(column, ())}))
        for column in columns
        if column in settings.one_hot
    }
    return Agreement(classes=classes, columns=columns, categories=names, fixed_val=fixed_val)


def _aside(said: Sequence[Present]) -> dict[str, str]:
    """Return the columns that are no inputs at any site, each with the first site that says why.

    What one site takes for an identifier is none where another knows better: the rule is that of all rows together.
    """
    describing = {name for one in said for name in one.describing}
    found: dict[str, str] = {}
    for one in said:
        for name in (*one.set_aside, *(name for name in one.doubtful if name not in describing)):
            found.setdefault(name, one.client)
    return found


def follows(said: Present, agreed: Agreement, settings: DataSettings) -> bool:
    """Say whether a site reads what was agreed anyway, so that it need not be asked."""
    if said.fixed_val != agreed.fixed_val:
        return False
    if agreed.kind != "table":
        return said.shape == agreed.shape and said.range == agreed.range
    same = set(said.columns) - set(said.doubtful) == set(agreed.columns) and not agreed.categories
    return same and not needs_sums(settings)


def with_sums(agreed: Agreement, sums: Mapping[str, ColumnSums | None], settings: DataSettings) -> Agreement:
    """Add means and deviations, if every site sent sums; with ``auto``, of those sites that did.

    Args:
        agreed: names.
        sums: of each client's columns.
        settings: of the study.

    Raises:
        SettingError: a setting needs sums that not every policy lets leave.
        DataError: no site that sent sums has a value of a column.
    """
    if agreed.kind != "table" or not needs_sums(settings):
        return agreed
    came, silent = [each for each in sums.values() if each is not None], _silent(sums)
    if silent and _needs_all(settings):
        raise SettingError(_not_agreed(settings, silent))
    if not came or (silent and settings.standardize == "client"):
        return agreed
    together = united(came)
    senders = [name for name, each in sums.items() if each is not None]
    _check_values(
        agreed, together, f"no site whose policy lets sums leave ({_listed(senders)})" if silent else "no site"
    )
    means, deviations = statistics(together)
    return replace(agreed, means=tuple(means.tolist()), deviations=tuple(deviations.tolist()))


def _check_values(agreed: Agreement, sums: ColumnSums, who: str) -> None:
    empty = [name for name, count in zip(agreed.inputs, sums.counts, strict=True) if sums.rows and not count]
    if empty:
        more = "" if who == "no site" else ", or let the others send sums with --policy sums"
        raise DataError(f"data.columns: {who} has a value of '{empty[0]}' outside test; leave it out{more}")


def choices(
    settings: DataSettings, said: Sequence[Present], agreed: Agreement, sums: Mapping[str, ColumnSums | None]
) -> tuple[str, ...]:
    """Say what was decided once for all, though some sites by themselves would do otherwise.

    Args:
        settings: of the study.
        said: by all who are there.
        agreed: names.
        sums: of the columns of those who were asked to follow.
    """
    notes = [
        f"'{name}' is no input, as at '{client}' it names rows, or a part they play, and describes nothing; name it in "
        "data.columns to learn from it"
        for name, client in _aside(said).items()
    ]
    doubted = {name: one.client for one in reversed(said) for name in one.doubtful if name in agreed.columns}
    notes += [
        f"'{name}' is an input: at '{client}' alone its numbers look like those of rows, at others they describe"
        for name, client in doubted.items()
    ]
    narrower = [one.client for one in said if one.range and one.range != agreed.range]
    if narrower and agreed.range:
        low, high = agreed.range
        notes.append(
            f"values {low:g} to {high:g} of pictures become black and white everywhere, though {_listed(narrower)} "
            "need fewer; data.pixels.range states another range"
        )
    silent = _silent(sums)
    if settings.standardize == "auto" and agreed.kind == "table" and silent:
        notes.append(
            f"columns are brought to one scale without the rows of {_listed(silent)}, whose policies, covers or minima "
            "let no sums leave"
        )
    return tuple(notes)


def _silent(sums: Mapping[str, ColumnSums | None]) -> list[str]:
    return [name for name, each in sums.items() if each is None]


def _not_agreed(settings: DataSettings, silent: Sequence[str]) -> str:
    name, value, other = (
        ("missing", settings.missing, "'error' or 'drop'")
        if settings.standardize in ("none", "auto")
        else ("standardize", settings.standardize, "'client' or 'none'")
    )
    return (
        f"data.{name}: '{value}' needs sums of every site's columns, which the policies, covers or minima of "
        f"{_listed(silent)} do not let leave; write {other}, or start these nodes with --policy sums, neither masked "
        "nor with noise"
    )


def check_columns(said: Sequence[Present], settings: DataSettings, refusals: Sequence[str]) -> None:
    """Refuse a study that names no input columns where sites differ in theirs, so that some cannot follow.

    Raises:
        DataError: with what they said.
    """
    aside = _aside(said)
    columns = [set(one.columns) - set(aside) for one in said]
    shared = set.intersection(*columns)
    if refusals and settings.columns is None and any(own != shared for own in columns):
        whole = {name for name in shared if not _PART.search(name)}
        all_have = ", ".join(f'"{name}"' for name in _in_order(one.columns for one in said) if name in whole)
        raise DataError(
            f"data.columns: sites must have the same input columns ({'; '.join(refusals)}); mend the files, or name "
            f"those to learn from, such as the ones that all have: columns = [{all_have}]"
        )


def _classes(said: Sequence[Present], settings: DataSettings) -> tuple[str, ...]:
    """Return all classes: in the files' own order, if they state the same; else numbers by value, text by alphabet."""
    found = {name for one in said for name in one.classes}
    names = said[0].classes if all(one.classes == said[0].classes for one in said) else sorted(found, key=class_order)
    counted = all(one.sizes for one in said)
    rows = sum(sum(one.sizes.values()) for one in said) if counted else 2 * len(found)
    what = "the label of all sites together"
    check_class_names(names, len(found), rows, what, settings.task)
    if counted and settings.task == "auto":
        numbers = sorted(value for is_text, value, _ in map(class_order, found) if not is_text)
        check_numbers_of_classes(np.array(numbers), rows, "data.label", what)
    return tuple(names)


def _shape(said: Sequence[Present]) -> tuple[int, ...]:
    """Return the one size, and the colours that all pictures have room in."""
    size = _the_one(
        {one.client: "x".join(map(str, one.shape[1:])) for one in said},
        "data.image_size",
        "hold pictures of one size",
        "set it, for example to 64",
    )
    return (max(one.shape[0] for one in said), *map(int, size.split("x")))


def _range(said: Sequence[Present]) -> tuple[float, float] | None:
    """Return the range that holds for all pictures of more than 8 bits: the widest, as all of them together need.

    Raises:
        DataError: some sites hold shares, others larger numbers of which none says how they relate.
    """
    found = {one.client: one.range for one in said if one.range}
    if not found:
        return None
    shares, others = (
        [name for name, each in found.items() if (each[1] <= 1) == is_share] for is_share in (True, False)
    )
    low, high = min(each[0] for each in found.values()), max(each[1] for each in found.values())
    if shares and high > 255:
        raise DataError(
            "data.pixels.range: must be given where pictures hold values from 0 to 1 at some sites "
            f"({_listed(shares)}) and to {high:g} at others ({_listed(others)}), received none; set "
            "pixels = { range = [LOW, HIGH] }, or save them alike"
        )
    return low, high


def _the_one(found: Mapping[str, str], setting: str, rule: str, way_out: str) -> str:
    """Return what all clients have.

    Raises:
        DataError: some have another; the message names a client of each.
    """
    by_value = {value: client for client, value in found.items()}
    if len(by_value) > 1:
        received = ", ".join(f"{value} at '{client}'" for value, client in sorted(by_value.items()))
        raise DataError(f"{setting}: sites must {rule}, received {received}; {way_out}")
    return next(iter(by_value))


def _in_order(columns: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return all names, in the order in which they first come.

    >>> _in_order([("b", "a"), ("a", "c", "b")])
    ('b', 'a', 'c')
    """
    return tuple(dict.fromkeys(name for names in columns for name in names))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:5]) + (", …" if len(names) > 5 else "")
