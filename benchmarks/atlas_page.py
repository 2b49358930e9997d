"""The page of the atlas: every number on it comes from the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from atlas_refit import NEAR, SHARING, Score, fitted, foretold, gain, left_out, regret, widened
from atlas_rows import in_balanced, insides
from atlas_scores import choosers, of_prediction, refitted
from atlas_study import MIN_EFFECT
from headstart.diagnosis.predict import FITTED, Coefficients, Fit
from headstart.evidence.sides import FAMILIES

Row = Mapping[str, Any]
HITS, REGRET, COVERED = 0.80, 0.007, (0.85, 0.95)
"""What was aimed at: share of hits, mean regret, share of gains in their 90 % intervals."""


def page(rows: Sequence[Row]) -> str:
    """Return what stands between the page's marks."""
    return "\n".join(
        [
            *_extent(rows),
            *_rules(rows),
            *_where(rows),
            *_answers(rows),
            *_data(rows),
            *_misses(rows),
            *_coefficients(rows),
        ]
    )


def _extent(rows: Sequence[Row]) -> Iterator[str]:
    kinds = Counter(row["modality"] for row in rows)
    said = ", ".join(f"{count} of {kind}s" for kind, count in kinds.most_common())
    clients, examples = ([row[key] for row in rows] for key in ("clients", "examples"))
    minutes = sum(row["cpu_seconds"] for row in rows) / 60
    yield (
        f"**{len(rows)} federations** of {len({row['data'] for row in rows})} data sets ({said}); {min(clients)} to "
        f"{max(clients)} clients with {min(examples)} to {max(examples)} training examples each; in "
        f"{sum(row['sites'] for row in rows)} of them every client has one site's data. Their studies took "
        f"{minutes:.0f} minutes of one core. The standard error of a gap between families on fresh data is "
        f"{np.median([row['fresh_se'] for row in rows]):.3f} (median), so that some hits and misses are chance."
    )
    yield ""


def _rules(rows: Sequence[Row]) -> Iterator[str]:
    yield "## How often it is right\n"
    found, again = choosers(rows), refitted(rows)
    first, *others = found
    *here, moved, last = again
    yield f"| rule | best family, or within {NEAR:g} | mean regret, points | worst | gains in their 90 % interval |"
    yield "|---|---|---|---|---|"
    for name in (first, *here, *others, moved, last):
        yield _line(name, {**found, **again}[name])
    yield ""
    yield _targets(found["the prediction"])
    yield ""


def _line(name: str, found: Score) -> str:
    covered = "–" if np.isnan(found.coverage) else f"{found.coverage:.2f}"
    return f"| {name} | {found.hits:.2f} | {100 * found.regret:.2f} | {100 * found.worst:.1f} | {covered} |"


def _targets(found: Score) -> str:
    low, high = COVERED
    met = {
        f"hits of {HITS:.2f}": found.hits >= HITS,
        f"a mean regret of {100 * REGRET:.1f} points": found.regret <= REGRET,
        f"coverage from {low:.2f} to {high:.2f}": low <= found.coverage <= high,
    }
    said = [f"{what} ({'met' if ok else '**missed**'})" for what, ok in met.items()]
    return f"Aimed at, for the prediction as it ships: {', '.join(said)}."


SLICES: Mapping[str, Callable[[Row], bool]] = {
    "images": lambda row: row["modality"] == "image",
    "sounds": lambda row: row["modality"] == "sound",
    "texts": lambda row: row["modality"] == "text",
    "tables": lambda row: row["modality"] == "table",
    "up to 15 examples per client": lambda row: row["examples"] <= 15,
    "30 or 60": lambda row: row["examples"] in (30, 60),
    "120 or more": lambda row: row["examples"] >= 120,
    "up to 10 clients": lambda row: row["clients"] <= 10,
    "over 10, under 100": lambda row: 10 < row["clients"] < 100,
    "100 clients or more": lambda row: row["clients"] >= 100,
    "labels strongly skewed (α up to 0.3)": lambda row: row["alpha"] is not None and row["alpha"] < 1,
    "labels as at the site, or α of 1": lambda row: row["alpha"] is None or row["alpha"] == 1,
    "every client one site's": lambda row: row["sites"],
    "rows of all sites mixed": lambda row: not row["sites"],
}


def _where(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Who wins where\n"
    yield "![One dot for each federation, in the colour of the family that is best on fresh data.](images/atlas.png)\n"
    yield from _head("federations")
    for name, belongs in SLICES.items():
        if own := [row for row in rows if belongs(row)]:
            yield f"| {name} | {_summary(own)} |"
    yield ""
    yield _weak(rows)
    yield ""


def _weak(rows: Sequence[Row], fewest: int = 6) -> str:
    """Name the kinds of federations in which the prediction, fitted without kin, is not what was aimed at."""
    found_for = left_out(rows, partial(widened, moved=False))
    rows = [{**row, "predicted": foretold(row, found_for[row["data"]], validated=True)} for row in rows]
    kinds = {
        name: own for name, belongs in SLICES.items() if len(own := [row for row in rows if belongs(row)]) >= fewest
    }
    found = {name: of_prediction(own) for name, own in kinds.items()}
    few = [f"{name} ({one.hits:.2f})" for name, one in found.items() if one.hits < HITS]
    narrow = [f"{name} ({one.coverage:.2f})" for name, one in found.items() if one.coverage < COVERED[0]]
    return (
        f"With variances fitted without kin: kinds with fewer than {HITS:.2f} hits: {', '.join(few) or 'none'}; kinds "
        f"whose gains lie in their 90 % intervals in fewer than {COVERED[0]:.2f}: {', '.join(narrow) or 'none'}."
    )


def _head(first: str) -> Iterator[str]:
    columns = (
        first,
        "number",
        "fine-tune best",
        "federate",
        "both",
        "no matter",
        "hits",
        "regret",
        "covered",
        "old hits",
    )
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"


def _summary(rows: Sequence[Row]) -> str:
    """Return a line of the tables by kind and by data set."""
    even = [max(regret(row, family) for family in FAMILIES) <= NEAR for row in rows]
    best = Counter(row["best"] for row, same in zip(rows, even, strict=True) if not same)
    found = choosers(rows)
    own, old = found["the prediction"], found["the rule before it"]
    counts = [len(rows), *(best[family] for family in FAMILIES), sum(even)]
    numbers = [f"{own.hits:.2f}", f"{100 * own.regret:.2f}", f"{own.coverage:.2f}", f"{old.hits:.2f}"]
    return " | ".join([*map(str, counts), *numbers])


def _answers(rows: Sequence[Row]) -> Iterator[str]:
    yield "## The studies' answers\n"
    decided = [row for row in rows if row["answer"]]
    wrong = [row for row in decided if regret(row, row["answer"]) > MIN_EFFECT]
    inside = insides(rows)
    grounds = Counter(row["grounds"] for row in rows)
    said = ", ".join(f"{count} {name}" for name, count in grounds.most_common())
    yield (
        f"The studies themselves, each on a test of a fifth of its clients' data: {said}. Of {len(decided)} answers "
        f"{len(wrong)} name a family that is worse than the best by more than {MIN_EFFECT:g} on fresh data. The gap on "
        f"fresh data lies in the answer's 95 % interval in {np.mean(inside):.3f} of {len(inside)} contrasts."
    )
    yield ""
    for row in wrong:
        lost = 100 * regret(row, row["answer"])
        yield f"- `{row['name']}`: answered {row['answer']}, best {row['best']}, {lost:.1f} points."
    yield ""


def _data(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Data sets\n"
    yield from _head("data set")
    for name in sorted({row["data"] for row in rows}):
        yield f"| {name} | {_summary([row for row in rows if row['data'] == name])} |"
    yield ""


def _misses(rows: Sequence[Row], most: int = 10) -> Iterator[str]:
    columns = (
        "federation",
        "predicted",
        "best",
        "regret, points",
        "gain of federate: said, true",
        "gain of both: said, true",
    )
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for row in sorted(rows, key=lambda row: -regret(row, row["predicted"]["family"]))[:most]:
        lost = 100 * regret(row, row["predicted"]["family"])
        gains = " | ".join(_said(row, family) for family in SHARING)
        yield f"| `{row['name']}` | {row['predicted']['family']} | {row['best']} | {lost:.1f} | {gains} |"
    yield ""


def _said(row: Row, family: str) -> str:
    found = row["predicted"]["gains"][family]
    mean, low, high = (100 * found[name] for name in ("mean", "low", "high"))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f}), {100 * gain(row, family):+.1f}"


def _coefficients(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Coefficients\n"
    yield "| gain of | coefficients | constant | a | q | v | spread | noise | few |"
    yield "|---|---|---|---|---|---|---|---|---|"
    balanced = in_balanced(rows)
    every: dict[str, Mapping[Any, Fit]] = {
        "as shipped": FITTED["accuracy"],
        "refitted on all of these": fitted(rows),
        "as shipped, in balanced accuracy": FITTED["balanced_accuracy"],
        "refitted, in balanced accuracy": fitted(balanced),
    }
    for family in SHARING:
        for name, found in every.items():
            yield _numbers(family, name, found[family].validated)
            yield _numbers(family, f"{name}, without validation data", found[family].unvalidated)
    yield ""


def _numbers(family: str, name: str, found: Coefficients) -> str:
    cells = [found.constant, found.a, found.q, found.v]
    return (
        f"| {family} | {name} | "
        + " | ".join(f"{cell:.3f}" for cell in cells)
        + f" | {found.spread:.5f} | {found.noise:.2f} | {found.few:.3f} |"
    )
