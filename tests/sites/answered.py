"""What sites say to each kind of request, as it should be, and as nobody should."""

import json
from collections.abc import Iterator
from typing import Any

from headstart.data.standardize import ColumnSums
from headstart.evidence.tally import ClientTally, Tally
from headstart.sites.answers import DUTIES, Kind
from headstart.sites.counts import Counted
from headstart.sites.said import Agreed, Compared, Evaluated, Noisy, Present
from headstart.sites.secure.messages import Keyed, Revealed, Shared
from headstart.sites.wire import write

SCORES = {"local": 0.5, "global": 0.5, "personal": 0.5, "lda": 0.5, "ncm": 0.5}
SIZES = {"train": 3, "val": 1, "test": 2}
_TALLY = Tally((2, 1), (1, 1), 3, 2.0)
TALLIES = ClientTally(
    train=_TALLY, began=_TALLY, val=Tally((1, 0), (0, 0), 1, 1.0), mixed_rows=4, is_constant=False, changed=1
)
SAID: dict[Kind, Any] = {
    "hello": Present("north", "0.1", "image", ("a", "b"), (), {}, (1, 8, 8), False, "updates", SIZES),
    "agree": Agreed(SIZES, ColumnSums(4, (4, 2), (1.0, 2.0), (0.5, 0.0))),
    "start": DUTIES["start"].answer(),
    "keys": Keyed("0" * 64, "1" * 64, "2" * 64, "ab" * 100),
    "shares": Shared({"north": "0" * 96, "south": "1" * 96}),
    "update": DUTIES["update"].answer(),
    "reveal": Revealed({"north": "0" * 32}, {"south": "1" * 32}),
    "adapt": Evaluated(
        True,
        {"test": {"accuracy": (0.5,), "log_loss": (2.0,), "num_examples": (2.0,)}},
        {"test": {"accuracy": 0.5}},
        ({"client": "north", "round": 0, "reason": "diverged"},),
        TALLIES,
    ),
    "count": Counted(
        (1,), (7,), (((7, 6), (3, 3)),), (((25, 12), (12, 10)),), (((13, 6), (6, 6)),), (((0, 5), (0, 0)),), 1
    ),
    "sums": Noisy(1.0),
    "heads": Compared(1, SCORES),  # type: ignore[arg-type]
}

JUNK: tuple[str, ...] = (
    "null",
    "true",
    "-1",
    "0.5",
    "1e12",
    "1e400",
    "NaN",
    "-Infinity",
    "9" * 400,
    "9" * 5000,
    '""',
    '"all"',
    '"\\u001b[31mred"',
    '"two\\nlines"',
    '"\\ud800"',
    json.dumps("a" * 100_000),
    "[]",
    "{}",
    "[null]",
    "[[[[[[1]]]]]]",
    "[" * 5000,
    "[" * 5000 + "]" * 5000,
    '{"a": {"b": {"c": 1}}}',
    '{"train": 1e6, "val": 2, "test": 3}',
    '{"train": 1000000000000, "val": 2, "test": 3}',
    json.dumps([str(number) for number in range(20_000)]),
    json.dumps({str(number): number for number in range(20_000)}),
)
"""Values, as JSON or what looks like it."""

WHOLE: tuple[str, ...] = (
    "",
    "{",
    "null",
    "[]",
    "3",
    "[" * 100_000,
    '{"error": 3}',
    '{"surprise": 1}',
    "\x00",
    "\ud800",
)
"""In the place of a whole message."""


def fields(text: str) -> list[str]:
    """Return every place of a message, as a way of names and numbers."""
    return ["/".join(map(str, way)) for way in _ways(json.loads(text))]


def _ways(value: Any) -> Iterator[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield (name,)
        yield from ((name, *way) for way in _ways(part))


def spoilt(text: str, way: str, junk: str) -> str:
    """Return a message with something else at one place; nothing at all there where that is ``missing``."""
    table = json.loads(text)
    *names, last = way.split("/")
    place = table
    for name in names:
        place = place[int(name) if isinstance(place, list) else name]
    key = int(last) if isinstance(place, list) else last
    if junk == "missing":
        del place[key]
        return json.dumps(table)
    place[key] = "JUNK HERE"
    return json.dumps(table).replace('"JUNK HERE"', junk)


def said(kind: Kind) -> str:
    """Return an honest answer as JSON."""
    return write(SAID[kind])
