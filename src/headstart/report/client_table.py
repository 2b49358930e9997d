"""``clients.parquet``, read as far as it is asked for: one metric on one split at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.core.checked import check_table
from headstart.core.damage import Damaged
from headstart.core.errors import DataError
from headstart.evidence.scores import COLUMNS, Scores, from_rows

if TYPE_CHECKING:
    import pyarrow as pa

_WORDS = ["arm", "client", "split", "metric"]


@dataclass(frozen=True, eq=False)
class ClientTable(Mapping[str, NDArray[Any]]):
    """The client table of a run folder, by column; it is empty where there is no such file.

    Attributes:
        path: of the file.
    """

    path: Path
    _known: dict[tuple[str, str, tuple[str, ...]], Scores] = field(default_factory=dict)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return one column, all of it."""
        if name not in COLUMNS:
            raise KeyError(name)
        return _array(_read(self.path, [name]), name) if self.path.exists() else np.array([])

    def __iter__(self) -> Iterator[str]:
        return iter(COLUMNS)

    def __len__(self) -> int:
        return len(COLUMNS)

    def scores(self, metric: str, split: str, arms: Sequence[str]) -> Scores:
        """Return one metric of those of some arms that have it, clients in their natural order.

        Raises:
            DataError: an arm, seed and client comes twice, or a client is seen in one row and held out in another.
        """
        key = (metric, split, tuple(arms))
        if key not in self._known:
            self._known[key] = self._scores(*key)
        return self._known[key]

    def _scores(self, metric: str, split: str, arms: Sequence[str]) -> Scores:
        if not self.path.exists():
            return from_rows((), metric, split, arms=(), clients=())
        filters = [("metric", "=", metric), ("split", "=", split)]
        table = _read(self.path, ["arm", "seed", "client", "seen", "value"], filters)
        (arm, arm_names), (client, client_names) = (_coded(table, name) for name in ("arm", "client"))
        (seed, seeds) = _coded(table, "seed")
        value, seen = (table.column(name).to_numpy() for name in ("value", "seen"))
        in_order = sorted(seeds)
        there = [name for name in arms if name in arm_names]
        ordered = sorted(client_names, key=_natural)
        place = (_moved(arm, arm_names, there), _moved(seed, seeds, in_order), _moved(client, client_names, ordered))
        kept = place[0] >= 0
        at = tuple(one[kept] for one in place)
        values = np.full((len(there), len(seeds), len(ordered)), np.nan)
        if _repeats(np.ravel_multi_index(at, values.shape)) or _disagree(at[2], seen[kept]):
            _refuse(table, metric, split)
        values[at] = value[kept].astype(np.float64)
        flags = np.ones(len(ordered), dtype=bool)
        flags[at[2]] = seen[kept]
        return Scores(tuple(there), tuple(map(int, in_order)), tuple(ordered), flags, values)


def read_clients(path: Path) -> ClientTable:
    """Open a client table.

    Raises:
        Damaged: it is no Parquet file, or not what was written.
        DataError: it lacks a column.
    """
    check_table(path)
    if path.exists():
        absent = [name for name in COLUMNS if name not in _names(path)]
        if absent:
            raise DataError(f"'{path}' lacks the column '{absent[0]}'; it must have {', '.join(COLUMNS)}")
    return ClientTable(path)


def _names(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.ParquetFile(path).schema_arrow.names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Damaged(path, "it is not a Parquet file") from error


def _read(path: Path, columns: list[str], filters: Any = None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=columns, filters=filters, read_dictionary=_WORDS)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Damaged(path, "it is not a Parquet file") from error


def _array(table: pa.Table, name: str) -> NDArray[Any]:
    if name not in _WORDS:
        return np.asarray(table.column(name).to_numpy())
    codes, names = _coded(table, name)
    return np.array(names)[codes] if names else np.array([])


def _coded(table: pa.Table, name: str) -> tuple[NDArray[np.int64], list[Any]]:
    """Return a column as places among the values that it holds."""
    whole = table.column(name).combine_chunks()
    found = whole if hasattr(whole, "indices") else whole.dictionary_encode()
    codes, words = found.indices.to_numpy(zero_copy_only=False), found.dictionary.to_pylist()
    used = np.bincount(codes, minlength=len(words)) > 0
    return (np.cumsum(used) - 1)[codes], [word for word, is_used in zip(words, used.tolist(), strict=True) if is_used]


def _moved(codes: NDArray[np.int64], names: Sequence[Any], order: Sequence[Any]) -> NDArray[np.int64]:
    """Turn places among some names into those in an order; -1 for a name that is not in it."""
    place = {name: at for at, name in enumerate(order)}
    moved = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    return moved[codes] if len(codes) else codes


def _repeats(places: NDArray[np.int64]) -> bool:
    return bool(np.bincount(places).max(initial=0) > 1)


def _disagree(client: NDArray[np.int64], seen: NDArray[np.bool_]) -> bool:
    """Whether a client is seen in one row and held out in another."""
    most = int(client.max(initial=-1)) + 1
    there, out = (np.bincount(client[flags], minlength=most) > 0 for flags in (seen, ~seen))
    return bool(np.any(there & out))


def _refuse(table: pa.Table, metric: str, split: str) -> None:
    """Say which rows do not fit together, at the first that does not."""
    from_rows(({**row, "metric": metric, "split": split} for row in table.to_pylist()), metric, split)


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts 'site-2' before 'site-10'."""
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", name))
