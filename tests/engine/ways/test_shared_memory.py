"""Trees that forked processes share."""

import multiprocessing

import pytest
import torch

from headstart.core.machine import can_fork
from headstart.core.trees import Tree
from headstart.engine.ways.shared_memory import Slots

LIKE = {"w": torch.zeros(2, 3), "scale": torch.zeros((), dtype=torch.float64), "nothing": torch.zeros(0)}


@pytest.fixture
def slots() -> Slots:
    return Slots(LIKE, count=2)


def tree(value: float) -> Tree:
    return {name: torch.full_like(like, value) for name, like in LIKE.items()}


def test_each_slot_has_its_own_tree(slots: Slots) -> None:
    slots.write(0, tree(1.5))
    slots.write(1, tree(2.5))
    torch.testing.assert_close((slots.read(0), slots.read(1)), (tree(1.5), tree(2.5)), rtol=0, atol=0)


def test_rows_of_a_slot_are_written_by_themselves() -> None:
    slots = Slots({"w": torch.zeros(2, 3)}, count=2)
    slots.write_part(1, 1, {"w": torch.ones(1, 3)})
    assert slots.read(1)["w"].mean(1).tolist() == [0, 1]
    with pytest.raises(ValueError, match="other names or shapes"):
        slots.write_part(1, 1, {"w": torch.ones(1, 4)})


@pytest.mark.parametrize("bad", [{"w": torch.zeros(2, 3)}, {**LIKE, "w": torch.zeros(3, 2)}], ids=["names", "shapes"])
def test_another_tree_is_refused(slots: Slots, bad: Tree) -> None:
    with pytest.raises(ValueError, match="other names or shapes"):
        slots.write(0, bad)


@pytest.mark.skipif(not can_fork(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_a_forked_process_writes_is_seen_here(slots: Slots) -> None:
    process = multiprocessing.get_context("fork").Process(target=slots.write, args=(1, tree(4)))
    process.start()
    process.join()
    torch.testing.assert_close(slots.read(1), tree(4))
