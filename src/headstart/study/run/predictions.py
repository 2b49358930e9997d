"""What every run says of every client's own test examples: gathered for the judge, and written as a table."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.checked import write_table
from headstart.core.trees import Tree
from headstart.data.federation import Federation
from headstart.evidence.metrics import is_function, measure
from headstart.evidence.outcomes import RIGHT_OR_WRONG, Outcomes
from headstart.study.run.folder import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS = 2**19
"""Rows of the table that are written at once, if one run has no more: what its runs have in common is kept once."""

_PAGE = {"data_page_size": 2**22, "max_rows_per_page": _MOST_ROWS}
"""How much is compressed at once; older versions of PyArrow know the first alone and have no limit of rows."""

_ORDER = ("predicted", "probability", "log_loss", "confidence", "error")
_WORDS = ["arm", "seed", "client", "view", "predicted"]


def outcomes(folder: RunFolder, federation: Federation, arms: Sequence[str], metric: str) -> Outcomes | None:
    """Gather the predictions of some arms' runs; None if one of the runs kept none, see ``RunFolder.lacking``.

    Args:
        folder: the runs.
        federation: that they were made with.
        arms: names; one without a run is all missing.
        metric: of the decision, whose parts are gathered where it is a mean of parts.
    """
    wanted = [line for line in folder.records.all() if line["arm"] in arms]
    trees = [(line["arm"], line["seed"], tree) for line in wanted if (tree := _tree(folder, line)) is not None]
    if not trees or len(trees) < len(wanted):
        return None
    owner, rows = _test(federation)
    predicted = parts = None
    if federation.task.kind == "classification":
        missing = np.array(-1, dtype=np.min_scalar_type(-1 - federation.num_classes))
        predicted = _filled(trees, arms, "predicted", missing)
    if (name := _part_of(trees[0][2], metric)) and metric not in RIGHT_OR_WRONG:
        parts = _filled(trees, arms, name, np.array(np.nan, dtype=np.float32))
    needs = not is_function(metric) and measure(metric).by_example and metric not in RIGHT_OR_WRONG
    if (predicted is None and parts is None) or (needs and parts is None):
        return None
    return Outcomes(
        arms=tuple(arms),
        seeds=tuple(sorted({seed for _, seed, _ in trees})),
        clients=tuple(client.id for client in federation.clients),
        seen=np.array([client.seen for client in federation.clients], dtype=bool),
        owner=owner,
        labels=federation.examples.labels[rows],
        predicted=predicted,
        parts=parts,
        metric=metric,
    )


def _part_of(tree: Tree, metric: str) -> str:
    """Name what a run kept of each example that is its part of the metric; empty for nothing."""
    return next((name for name in ("part", metric) if f"test/{name}" in tree), "")


def write_predictions(path: Path, folder: RunFolder, federation: Federation, *, most_rows: int = _MOST_ROWS) -> None:
    """Write ``predictions.parquet``, a row for each run and test example; no file where no run kept any.

    Columns: ``arm``, ``seed``, ``client``, ``view``, ``row`` (the example's place in the federation's examples),
    ``predicted`` (a class's place among the classes, null where numbers are not finite), and, where they were kept,
    what else :func:`~headstart.evidence.metrics.example_values` says, and ``part``, the example's part of its client's
    metric (:func:`~headstart.evidence.metrics.example_parts`).

    Args:
        path: of the file.
        folder: the runs.
        federation: that they were made with.
        most_rows: that are written at once, if one run has no more.
    """
    lines = [line for line in folder.records.all() if folder.store.has_tree(line["key"])]
    if not lines:
        path.unlink(missing_ok=True)
        return
    table = _Table(federation, sorted({line["arm"] for line in lines}), most_rows)
    write_table(path, lambda temporary: table.write(temporary, folder, lines))


class _Table:
    """The table of a federation's test examples, for as many runs as are given."""

    def __init__(self, federation: Federation, arms: Sequence[str], most_rows: int) -> None:
        self.most_rows = most_rows
        self.arms, self.clients = list(arms), [client.id for client in federation.clients]
        self.owner, self.rows = _test(federation)
        self.num_classes, self.is_classes = federation.num_classes, federation.task.kind == "classification"

    def write(self, path: Path, folder: RunFolder, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write the runs, some at a time."""
        import pyarrow as pa
        from pyarrow import parquet

        known = inspect.signature(parquet.ParquetWriter.__init__).parameters
        together = max(1, self.most_rows // max(1, len(self.rows)))
        parts = (self._part(folder, lines[begin : begin + together]) for begin in range(0, len(lines), together))
        first = next(parts)
        numbers = [field.name for field in first.schema if pa.types.is_floating(field.type)]
        with parquet.ParquetWriter(
            path,
            first.schema,
            compression="zstd",
            use_dictionary=_WORDS,
            use_byte_stream_split=numbers,
            **{name: value for name, value in _PAGE.items() if name in known},
        ) as writer:
            for part in (first, *parts):
                writer.write_table(part, row_group_size=max(1, len(part)))

    def _part(self, folder: RunFolder, lines: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Return the rows of some runs."""
        import pyarrow as pa

        trees, each = [_tree(folder, line) or {} for line in lines], len(self.rows)
        arm = np.repeat([self.arms.index(line["arm"]) for line in lines], each)
        columns = {
            "arm": _words(arm, self.arms),
            "seed": np.repeat([line["seed"] for line in lines], each),
            "client": _words(np.tile(self.owner, len(lines)), self.clients),
            "view": _words(np.zeros(len(arm)), ["test"]),
            "row": np.tile(self.rows.astype(np.int32), len(lines)),
        }
        said = {name: _joined(trees, name) for name in _said(trees[0])}
        if self.is_classes:
            said["predicted"] = pa.array(said["predicted"], mask=said["predicted"] == self.num_classes)
        return pa.table(columns | said)


def _tree(folder: RunFolder, line: Mapping[str, Any]) -> Tree | None:
    """Return what a run kept of its test examples; None if it is older than that."""
    found = folder.store.get(line["key"])
    return found.tree if found else None


def _test(federation: Federation) -> tuple[Array, Array]:
    """Return every test example's client and place among the examples, client by client."""
    rows = [client.test for client in federation.clients]
    return np.repeat(np.arange(len(rows)), [len(own) for own in rows]), np.concatenate(rows)


def _filled(trees: Sequence[tuple[str, int, Tree]], arms: Sequence[str], name: str, missing: Array) -> Array | None:
    """Put what all runs kept under a name in its places ``(arms, seeds, rows)``; None if one has it not."""
    if not all(f"test/{name}" in tree for _, _, tree in trees):
        return None
    seeds = sorted({seed for _, seed, _ in trees})
    found = np.full((len(arms), len(seeds), len(trees[0][2][f"test/{name}"])), missing)
    for arm, seed, tree in trees:
        found[arms.index(arm), seeds.index(seed)] = tree[f"test/{name}"].numpy()
    return found


def _said(tree: Tree) -> list[str]:
    """Name what a run kept of each example, what is predicted first."""
    names = [name.removeprefix("test/") for name in sorted(tree) if name.startswith("test/")]
    return [*(name for name in _ORDER if name in names), *(name for name in names if name not in _ORDER)]


def _joined(trees: Sequence[Tree], name: str) -> Array:
    return np.concatenate([tree[f"test/{name}"].numpy() for tree in trees])


def _words(places: Array, words: Sequence[str]) -> pa.DictionaryArray:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(places.astype(np.int32), words)
