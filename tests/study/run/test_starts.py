"""Starts in memory: equal tensors once, the oldest out first."""

import torch

from headstart.study.run.starts import Starts


def test_equal_tensors_are_held_once() -> None:
    starts = Starts()
    first = starts.keep("a", {"body": torch.ones(3), "head": torch.zeros(2)})
    second = starts.keep("b", {"body": torch.ones(3), "head": torch.ones(2)})
    assert second["body"] is first["body"]
    assert second["head"] is not first["head"]
    assert starts.get("a") == first
    assert starts.get("c") is None


def test_what_differs_in_a_sign_of_zero_is_not_equal() -> None:
    starts = Starts()
    first = starts.keep("a", {"head": torch.tensor([0.0])})
    assert starts.keep("b", {"head": torch.tensor([-0.0])})["head"] is not first["head"]


def test_the_oldest_goes_when_there_are_too_many_bytes() -> None:
    starts = Starts(most_bytes=16)
    for number, name in enumerate("abc"):
        starts.keep(name, {"w": torch.full((2,), float(number))})
    assert starts.get("a") is None
    assert starts.get("b") is not None
    assert starts.get("c") is not None
