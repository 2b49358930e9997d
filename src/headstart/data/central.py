"""The server's pool: from another source, or a share of the clients' source; never a client's example."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from headstart.core import seeds
from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data.account import Findings, left_out
from headstart.data.encoding import Encoding, encoded, told, unknown_categories
from headstart.data.examples import Examples
from headstart.data.groups import whole_groups
from headstart.data.labels import keep_classes
from headstart.data.read import read_examples
from headstart.data.reading import Reading
from headstart.data.settings import CentralSettings, DataSettings
from headstart.data.sources import Source
from headstart.data.subsample import stratified


def take_share(examples: Examples, central: CentralSettings, seed: int) -> tuple[Array, Array]:
    """Draw a share of the clients' examples for the server, class by class.

    Returns:
        Ascending indices of the clients' examples and of the server's.
    """
    names = keep_classes(examples.classes, central.keep, central.exclude, "data.central")
    wanted = [examples.classes.index(name) for name in names]
    eligible = np.flatnonzero(_eligible(examples, np.isin(examples.labels, wanted)))
    count = max(1, round(len(eligible) * (central.fraction or 0)))
    rng, count = seeds.numpy_generator(seed, "central"), min(count, central.max_examples or count)
    labels = examples.labels[eligible]
    if examples.groups is None:
        drawn = eligible[stratified(labels, count, rng)]
    else:
        drawn = eligible[whole_groups(labels, examples.groups[eligible], count, rng)]
    return np.setdiff1d(np.arange(len(examples)), drawn), drawn


def _eligible(examples: Examples, is_wanted: Array) -> Array:
    """Leave out groups that hold a row which is not wanted: they could not be drawn whole."""
    groups = examples.groups
    return is_wanted if groups is None else is_wanted & ~np.isin(groups, groups[~is_wanted])


@dataclass(frozen=True, eq=False)
class Held:
    """What clients hold, as far as the pool must be like it and apart from it.

    Attributes:
        examples: theirs.
        encoding: how a table's columns become inputs.
        groups: names of the groups that rows of theirs are of.
    """

    examples: Examples
    encoding: Encoding = Encoding()
    groups: Collection[str] = ()


def read_central(
    source: Source,
    settings: DataSettings,
    central: CentralSettings,
    clients: Held,
) -> tuple[Examples, Findings]:
    """Read a source as the central pool, in the clients' format, and leave out what the clients hold.

    Where every class of the pool is one of the clients', it has the clients' class indices; else it has its
    own. Rows without a label are kept, with label -1. A category that no client has becomes the first of the clients',
    for no weight of theirs could be learnt for it; the account says so.

    Args:
        source: the pool's.
        settings: of the study's data.
        central: of the pool.
        clients: what they hold.

    Raises:
        DataError: the pool is of another kind than the clients' examples, or nothing is left of it.
    """
    held = clients.examples
    examples, kept, found = read_examples(source, _reading(settings, central, clients))
    if examples.kind != held.kind:
        raise DataError(
            f"data.central.source: '{source.name}' holds {examples.kind}s, the clients hold "
            f"{held.kind}s; give a pool of the same kind"
        )
    found += (*told(examples, kept, clients.encoding, settings), *unknown_categories(kept, clients.encoding))
    examples = encoded(examples, kept, clients.encoding)
    same_file = central.source == settings.source
    apart, grouped = _without_groups(kept, settings.split.group, clients.groups, same_file=same_file)
    examples, kept = examples.take(apart), kept.take(apart)
    pool, more = _without_overlap(examples, held, same_file or bool(central.id and settings.id), kept.row_numbers)
    return (pool if pool.classes == held.classes else _without_empty_classes(pool)), (*found, *grouped, *more)


def _without_groups(
    source: Source, group: str | None, held: Collection[str], *, same_file: bool
) -> tuple[Array, Findings]:
    """Leave out rows of groups that clients hold, where names mean the same; say so where they may.

    Returns:
        Indices of the rows that are left, and what is to say.
    """
    every = np.arange(len(source))
    if group is None or group not in source.table.column_names:
        return every, ()
    shared = np.array([name in held for name in source.texts(group, "data.split.group")], dtype=bool)
    count = int(shared.sum())
    if same_file and count == len(source):
        raise DataError(
            f"data.central: all {count} rows of the pool are of a '{group}' that a client has; give another source, or "
            "take a share with data.central.fraction"
        )
    if same_file:
        return every[~shared], left_out(source.row_numbers[shared], f"a client holds its '{group}'")
    note = f"{count} of {len(source)} rows have a '{group}' whose name a client has too, and which may be one"
    return every, (note,) if count else ()


def _reading(settings: DataSettings, central: CentralSettings, held: Held) -> Reading:
    clients = held.examples
    is_image = clients.kind == "image"
    return Reading(
        setting="data.central",
        label=None if central.unlabelled else central.label or settings.targets[0],
        task=settings.task,
        targets=() if central.unlabelled else settings.targets,
        image=central.image,
        text=(central.text or settings.text) if clients.kind == "text" else None,
        id=central.id,
        columns=settings.columns,
        one_hot=settings.one_hot,
        dates=settings.dates,
        classes=clients.classes,
        keep=central.keep,
        exclude=central.exclude,
        where=central.where,
        known_classes=False,
        unlabelled_rows=True,
        inputs=held.encoding.columns if clients.kind == "table" else None,
        size=(clients.shape[1], clients.shape[2]) if is_image else None,
        channels=clients.shape[0] if is_image else None,
        pixels=clients.pixels or settings.pixels,
        missing=settings.missing,
        max_examples=central.max_examples,
        max_corrupt=settings.max_corrupt,
        seed=settings.seed,
    )


def _without_overlap(pool: Examples, clients: Examples, same_names: bool, numbers: Array) -> tuple[Examples, Findings]:
    """Leave out what clients hold, by content, and by name where names mean the same in both."""
    held = set(clients.row_hashes)
    names = set(clients.ids) if same_names else set()
    kept = [
        row
        for row, (content, name) in enumerate(zip(pool.row_hashes, pool.ids, strict=True))
        if content not in held and name not in names
    ]
    if not kept:
        raise DataError(
            f"data.central: all {len(pool)} examples of the pool are also a client's; give another source, "
            "exclude the clients' classes, or take a share with data.central.fraction"
        )
    if len(kept) == len(pool):
        return pool, ()
    note = f"{len(pool) - len(kept)} of {len(pool)} examples are also a client's and are left out of the pool"
    record = left_out(np.delete(numbers, kept), "a client holds it")
    return pool.take(np.array(kept)), (*record, note)


def _without_empty_classes(pool: Examples) -> Examples:
    """Forget classes that no example of the pool has."""
    used, labels = np.unique(pool.labels, return_inverse=True)
    unlabelled = int((used < 0).any())
    names = tuple(pool.classes[label] for label in used[unlabelled:])
    return replace(pool, labels=labels.astype(np.int64) - unlabelled, classes=names)
