"""Iterated function systems: they contract, and the pictures of known ones are what they should be."""

import numpy as np
import pytest

from headstart.training.fractals import System, draw_pictures, draw_system, shaded

HALVES = np.repeat(0.5 * np.eye(2)[None], 3, 0)
GASKET = System(HALVES, np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]))
SQUARE = System(np.repeat(0.5 * np.eye(2)[None], 4, 0), np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [0.5, 0.5]]))


def walk(system: System, points: int) -> np.ndarray:
    """The chaos game in the plainest words: ``(points, 1, 2)``."""
    generator, at, found = np.random.default_rng(0), np.zeros(2), []
    for which in generator.integers(len(system.shifts), size=points):
        at = system.matrices[which] @ at + system.shifts[which]
        found.append(at)
    return np.array(found[20:])[:, None]


def dimension(picture: np.ndarray) -> float:
    """Slope of the logarithm of filled boxes over that of their size, from a pixel to an eighth of a side."""
    side, filled = len(picture), picture > 0
    sizes = [2**power for power in range(int(np.log2(side)) - 2)]
    counts = [filled.reshape(side // s, s, side // s, s).any((1, 3)).sum() for s in sizes]
    return float(-np.polyfit(np.log(sizes), np.log(counts), 1)[0])


@pytest.mark.parametrize(("system", "expected"), [(GASKET, np.log2(3)), (SQUARE, 2.0)], ids=["gasket", "square"])
def test_a_known_attractor_has_its_dimension(system: System, expected: float) -> None:
    assert dimension(shaded(walk(system, 30_000), 128)[0]) == pytest.approx(expected, rel=0.03)


def test_a_gasket_fills_the_cells_of_pascals_triangle_modulo_two() -> None:
    """A pixel is filled where row and column have no bit in common: 3^5 of 32 x 32, and few that these touch."""
    picture = shaded(walk(GASKET, 60_000), 32)[0] > 0
    expected = (np.arange(32)[:, None] & np.arange(32)) == 0
    assert expected.sum() == 3**5
    assert (picture == expected).mean() > 0.97


@pytest.mark.parametrize("number", range(20))
def test_drawn_systems_contract_and_keep_to_their_range(number: int) -> None:
    system = draw_system(7, number)
    values = np.linalg.svd(system.matrices, compute_uv=False)
    assert values.max() < 1
    total = (values @ [1.0, 2.0]).sum()
    assert (5 + len(values)) / 2 <= total + 1e-12
    assert total <= (6 + len(values)) / 2 + 1e-12
    assert system.chances.sum() == pytest.approx(1)


def test_pictures_of_a_system_are_keyed_and_of_one_kind() -> None:
    systems = [draw_system(0, number) for number in range(6)]
    pictures = draw_pictures(systems, 8, 16, 0)
    assert (pictures.shape, pictures.dtype) == ((48, 1, 16, 16), np.uint8)
    assert np.array_equal(pictures, draw_pictures(systems, 8, 16, 0))
    assert not np.array_equal(pictures, draw_pictures(systems, 8, 16, 1))
    assert len({picture.tobytes() for picture in pictures}) > 44, "hardly any two are the same"
    assert (pictures.max((1, 2, 3)) == 255).all()


def test_the_weakest_change_leaves_the_attractor() -> None:
    """The gasket's pictures, one map changed by up to a fifth, are still thinner than a square's."""
    pictures = draw_pictures([GASKET, SQUARE], 8, 64, 0).reshape(2, 8, 64, 64) > 0
    gasket, square = pictures.mean((2, 3))
    assert gasket.max() < 0.6 * square.min()


def test_a_system_that_does_not_contract_is_refused() -> None:
    runs_away = System(np.array([np.diag([1.0, 0.5])]), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="singular value of 1 or more"):
        draw_pictures([GASKET, runs_away], 1, 8, 0)
