"""Until when sharing pays: federations whose clients agree more or less, and curves with a known crossing."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.diagnosis.curves import Curves
from headstart.diagnosis.heads import LeftOut, Part, Shared


def federation(apart: float, size: int, clients: int = 12, seed: int = 0) -> list[Part]:
    """Clients whose labels follow a common direction and, as much as they are apart, one of their own."""
    draw = np.random.default_rng(seed)
    common = draw.standard_normal(20)
    parts = []
    for _ in range(clients):
        features = draw.standard_normal((size, 20)).astype(np.float32)
        own = common + apart * draw.standard_normal(20)
        parts.append((features, (features @ own + 4 * draw.standard_normal(size) > 0).astype(np.int64)))
    return parts


def measured(parts: list[Part]) -> Curves | None:
    return Curves.measure(parts, Shared.of(parts, 2), 2)


def test_the_further_clients_are_apart_the_sooner_sharing_ceases_to_pay() -> None:
    near, far = (measured(federation(apart, 40)) for apart in (0.4, 1.5))
    assert near is not None
    assert far is not None
    assert far.cost > near.cost
    assert far.until is not None
    assert near.until is None or far.until < near.until


def crossing(apart: float, clients: int) -> float:
    """Measure where a client's own head becomes as good as the shared one, on more and more examples."""
    sizes, gaps = np.array([30, 60, 120, 240, 480]), []
    for size in sizes:
        parts = federation(apart, int(size), clients, seed=3)
        pool = Shared.of(parts, 2)
        errors = [LeftOut.of(part, part, pool, 2).squared.mean(axis=1) for part in parts]
        gaps.append(np.mean([own - shared for own, shared, _ in errors]))
    at = next(at for at, gap in enumerate(gaps) if gap < 0)
    share = gaps[at - 1] / (gaps[at - 1] - gaps[at])
    return float(sizes[at - 1] * (sizes[at] / sizes[at - 1]) ** share)


@pytest.mark.parametrize("apart", [0.4, 0.9])
def test_the_crossing_is_foretold_from_a_few_examples(apart: float) -> None:
    """From 40 examples of each client: one crossing lies at 60, the other near 400."""
    found, truth = measured(federation(apart, 40, clients=30, seed=3)), crossing(apart, 30)
    assert found is not None
    assert found.until is not None
    assert truth / 3 < found.until < 3 * truth
    assert found.low is None or found.low <= found.until
    assert found.high is None or found.high >= found.until


def test_of_two_clients_hardly_anything_is_known() -> None:
    """Their costs may agree by chance: a bootstrap over two would call that certain."""
    found = [measured(federation(0.9, 40, clients=2, seed=seed)) for seed in range(5)]
    wide = [one for one in found if one is not None and (one.high is None or one.high > 10 * (one.low or 0))]
    assert len(wide) >= 4


def test_the_curves_are_told_for_the_figure() -> None:
    found = measured(federation(0.9, 40, clients=4))
    assert found is not None
    assert (found.clients, found.examples) == (4, 40)
    assert [n for n, _ in found.own] == [40, 20, 10]
    assert found.shared[-1][0] == 40
    reach = [n for n, _, _ in found.fitted]
    assert reach == sorted(reach)
    assert reach[-1] >= 160
    assert all(np.isfinite(found.fitted).ravel())


def test_clients_with_few_examples_are_left_out() -> None:
    parts = federation(0.9, 40)
    few = [(features[:5], labels[:5]) for features, labels in parts]
    assert measured([parts[0], *few[1:]]) is None
    found = measured([*parts[:3], *few[3:]])
    assert found is not None
    assert (found.clients, found.examples) == (12, 40)


@pytest.mark.parametrize("classes", [1, 2])
def test_labels_that_say_nothing_end_in_numbers(classes: int) -> None:
    draw = np.random.default_rng(0)
    parts = [(draw.standard_normal((20, 6)), draw.integers(classes, size=20)) for _ in range(4)]
    found = measured(parts)
    assert found is not None
    assert all(np.isfinite(found.fitted).ravel())
