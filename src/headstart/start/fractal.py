"""Pre-training on fractals: a network learns to tell iterated function systems apart, which takes no data at all.

Kataoka, Okayasu, Matsumoto, Yamagata, Yamada, Inoue, Nakamura, Satoh: Pre-training without Natural Images. ACCV 2020.
https://arxiv.org/abs/2101.08515. As a start of federated averaging: Chen, Tu, Li, Shen, Chao: On the Importance and
Applicability of Pre-Training for Federated Learning. ICLR 2023. https://arxiv.org/abs/2206.11488 (section 5).

Differs from the paper: systems are drawn by their singular values, as the second paper does, so that none need be
thrown away; pictures are grey, few and small, one map of each is changed at random; training stops early on fractals
held back. The second paper trains on pairs of fractals by SimSiam; here systems are classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt

from headstart.start.course import train_until_stale
from headstart.start.protocol import Build, Central, Start, silent
from headstart.training import (
    InputKind,
    LocalTraining,
    MadePictures,
    Network,
    Params,
    StartError,
    Task,
    Tell,
    classification,
    cut_at,
    draw_pictures,
    draw_system,
    loss_of,
    new_head,
)

_MOST_SIDE = 64
"""Pixels of a side above which pictures are drawn smaller and shown larger: their number of points is bounded."""

_HELD_BACK = 5
"""Of so many pictures of a system the first is held back."""


@dataclass(frozen=True, kw_only=True)
class Fractal(Start):
    """Train a network from random weights to tell fractals apart, and drop its head.

    Attributes:
        systems: classes.
        pictures: of each system.
        epochs: passes over them at most.
        patience: epochs without improvement before stopping.
        local: how steps are taken.
        seed: pre-train once, with this seed, for all seeds of a study; None pre-trains anew for each.
    """

    systems: Annotated[int, Field(ge=2, le=10_000)] = 100
    pictures: Annotated[int, Field(ge=2, le=1000)] = 50
    epochs: PositiveInt = 20
    patience: PositiveInt = 5
    local: LocalTraining = LocalTraining(client_lr=0.01, momentum=0.9)
    seed: NonNegativeInt | None = None

    trainable: ClassVar[Literal["all"]] = "all"
    from_scratch: ClassVar[bool] = True
    reads: ClassVar[InputKind | None] = "image"

    @property
    def num_examples(self) -> int:
        """Pictures of a pass."""
        return self.systems * (self.pictures - len(range(0, self.pictures, _HELD_BACK)))

    def __call__(
        self, build: Build, task: Task, central: Central | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return the trained body under a new head.

        Raises:
            StartError: training does not lower the loss on fractals held back.
        """
        fractals = classification(tuple(f"system {number}" for number in range(self.systems)))
        network, weights = build(fractals, from_scratch=True)
        model, params = cut_at(network, weights, self.trainable)
        made = self._made(build.shape, weights["head.weight"].device, seed, fractals)
        course = train_until_stale(model, params, made, self.local, self.epochs, self.patience, tell)
        if not course.has_lowered_loss:
            raise StartError(
                "start.client_lr: pre-training must lower the loss on fractals held back, and with "
                f"{self.local.client_lr:g} no epoch of {len(course.losses) - 1} did; give a smaller client_lr if it "
                "diverged, a larger one or more epochs if it stood still, or start = 'random'"
            )
        return new_head(network, model.weights(course.best), task.num_outputs, seed, loss_of(task))

    def _made(self, shape: tuple[int, ...], device: torch.device, seed: int, task: Task) -> Central:
        """Draw the pictures, and hold some of each system back."""
        height, width = shape[1:]
        systems = [draw_system(seed, "fractal", number) for number in range(self.systems)]
        drawn = draw_pictures(systems, self.pictures, min(_MOST_SIDE, max(height, width)), seed, "fractal")
        pictures = torch.from_numpy(drawn).expand(-1, shape[0], -1, -1).to(device)
        labels = torch.arange(self.systems, device=device).repeat_interleave(self.pictures)
        held_back = torch.arange(len(labels), device=device) % self.pictures % _HELD_BACK == 0
        whole = MadePictures(pictures, labels, (height, width), (seed, "fractal"))
        train, val = (replace(whole, pictures=pictures[some], labels=labels[some]) for some in (~held_back, held_back))
        return Central(train, val, task, is_same=False)
