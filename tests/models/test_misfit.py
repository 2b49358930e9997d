"""What does not fit is listed, all of it, in few lines."""

from __future__ import annotations

import torch

from headstart.models.misfit import misfit

TREE = {f"layer{index}.weight": torch.ones(2, 3) for index in range(9)}


def test_what_fits_is_no_misfit() -> None:
    assert misfit(TREE, TREE) == ""
    assert misfit({"w": torch.ones(2).half()}, {"w": torch.ones(2)}) == ""


def test_counts_and_the_first_names() -> None:
    lines = misfit({}, TREE).splitlines()
    assert lines == ["9 missing from the file: 'layer0.weight', 'layer1.weight', 'layer2.weight', …"]


def test_every_kind_has_its_line() -> None:
    found = {"a.weigth": torch.ones(2), "b": torch.ones(3, 2), "c": torch.ones(2).char()}
    wanted = {"a.weight": torch.ones(2), "b": torch.ones(2, 3), "c": torch.ones(2)}
    assert misfit(found, wanted).splitlines() == [
        "1 missing from the file: 'a.weight' (there is 'a.weigth')",
        "1 not the model's: 'a.weigth' (it has 'a.weight')",
        "2 of another shape or type: 'b' (3 x 2, not 2 x 3), 'c' (2 of int8, not 2)",
    ]


def test_counts_of_batches_may_miss_and_be_too_many() -> None:
    assert misfit({"bn.num_batches_tracked": torch.tensor(1)}, {}) == ""
    assert misfit({}, {"bn.num_batches_tracked": torch.tensor(1)}) == ""


def test_a_long_name_is_cut() -> None:
    assert len(misfit({"x" * 10_000: torch.ones(1)}, {})) < 100
