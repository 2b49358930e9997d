from typing import get_args

import pytest
import torch

from headstart.core.seeds import torch_generator
from headstart.training.augment import Augment, augmented, num_draws

KINDS: tuple[Augment, ...] = get_args(Augment)


def pictures(channels: int = 3, height: int = 16, width: int = 24) -> torch.Tensor:
    return torch.randint(0, 256, (6, channels, height, width), generator=torch_generator(0), dtype=torch.uint8)


def drawn(kind: Augment, count: int = 6) -> torch.Tensor:
    return torch.rand(count, num_draws(kind), generator=torch_generator(1, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_is_changed_as_its_pictures_are_alone(kind: Augment) -> None:
    given, draws = pictures(), drawn(kind)
    together = augmented(given.view(2, 3, *given.shape[1:]), draws.view(2, 3, -1), kind)
    alone = torch.stack([augmented(one, own, kind) for one, own in zip(given, draws, strict=True)])
    assert torch.equal(together.flatten(0, 1), alone)
    assert together.dtype == torch.uint8
    assert torch.equal(given, alone) == (kind == "none")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_draws_at_both_ends_are_allowed(kind: Augment, end: float) -> None:
    found = augmented(pictures(1).float(), torch.full((6, num_draws(kind)), end), kind)
    assert found.isfinite().all()
    assert found.shape == (6, 1, 16, 24)
    assert found.dtype == torch.float32


def test_a_flip_mirrors_half() -> None:
    given = pictures()
    found = augmented(given, torch.tensor([[0.1], [0.9]] * 3), "flip")
    assert torch.equal(found[::2], given[::2].flip(-1))
    assert torch.equal(found[1::2], given[1::2])


def test_a_shift_is_a_crop_of_the_mirrored_frame() -> None:
    given = pictures(height=16, width=16).float()
    draws = torch.tensor([[0.9, row, column] for row in (0.0, 0.5, 0.99) for column in (0.1, 0.7)])
    found = augmented(given, draws, "flip-crop")
    framed = torch.nn.functional.pad(given, (2, 2, 2, 2), mode="reflect")
    for one, frame, (_, row, column) in zip(found, framed, draws.tolist(), strict=True):
        top, left = int(row * 5), int(column * 5)
        assert torch.equal(one, frame[:, top : top + 16, left : left + 16])


def test_a_whole_cut_with_plain_colours_is_the_picture() -> None:
    """All of the area, brightness and the rest unchanged: draws of 1 and of a half."""
    draws = torch.tensor([0.9, 1.0, 0.3, 0.3, 0.5, 0.5, 0.5]).repeat(6, 1)
    assert torch.equal(augmented(pictures(), draws, "crop-color"), pictures())


def test_a_cut_is_an_enlargement() -> None:
    """The left upper quarter of a picture of four plain quarters is plain."""
    given = torch.kron(torch.tensor([[10.0, 90.0], [50.0, 200.0]]), torch.ones(8, 8)).expand(1, 3, 16, 16)
    quarter = (0.25 - 0.2) / 0.8
    found = augmented(given, torch.tensor([[0.9, quarter, 0.0, 0.0, 0.5, 0.5, 0.5]]), "crop-color")
    torch.testing.assert_close(found[..., :15, :15], torch.full((1, 3, 15, 15), 10.0))


@pytest.mark.parametrize("number", range(9))
def test_each_of_nine_changes_does_something_else(number: int) -> None:
    """The first leaves pictures alone; a move by half of the most is a move by 15 percent of the side."""
    given = pictures(height=20, width=20).float()
    draws = torch.tensor([0.9, 0.5, 0.5, (number + 0.5) / 9, 0.5, 0.9]).repeat(6, 1)
    found = augmented(given, draws, "trivial")
    assert torch.allclose(found, given, atol=1e-3) == (number == 0)
    if number == 3:
        torch.testing.assert_close(found[..., :17], given[..., 3:], atol=1e-3, rtol=0)
    if number == 5:
        torch.testing.assert_close(found[..., :17, :], given[..., 3:, :], atol=1e-3, rtol=0)
    if number == 6:
        torch.testing.assert_close(found, 1.45 * given, atol=1e-3, rtol=0)
    if number == 7:
        torch.testing.assert_close(found.mean((1, 2, 3)), given.mean((1, 2, 3)))


def test_a_turn_turns() -> None:
    """By 30 degrees, the most: a dot right of the middle goes up or down by half of its distance."""
    given = torch.zeros(1, 1, 41, 41)
    given[..., 20, 30] = 255
    found = augmented(given, torch.tensor([[0.9, 0.5, 0.5, 1.5 / 9, 1.0, 0.9]]), "trivial")
    row, column = divmod(int(found.flatten().argmax()), 41)
    assert abs(row - 20) == 5
    assert column in (28, 29)
