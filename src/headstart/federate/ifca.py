"""IFCA: as many models as there are kinds of clients, each client with the one that fits it (also HypCluster).

Ghosh, Chung, Yin, Ramchandran: An Efficient Framework for Clustered Federated Learning. NeurIPS 2020.
https://arxiv.org/abs/2006.04088 (Algorithm 1, model averaging); HypCluster: Mansour, Mohri, Ro, Suresh: Three
Approaches for Personalization with Applications to Federated Learning. 2020. https://arxiv.org/abs/2002.10619
(Algorithm 2).

Differs from the paper: the models begin as one start, all but the first with noise on the head, and one that nobody
takes for longer than chance explains begins again as the largest with noise (the paper restarts all from other random
weights). A client sends changes of all models, zero but for its own, so that a mean is all that the server sees. Under
``clip_norm`` how many took a model stays unknown, and each change is divided by ``1 / clusters``. After the last round
every client, a new one too, chooses again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from headstart.federate.protocol import Begin, Schedule, Settles
from headstart.training import (
    ClientData,
    LocalTraining,
    Model,
    Params,
    Scale,
    SettingError,
    Tensor,
    Trainable,
    Tree,
    torch_generator,
    training_losses,
    trees,
)


@dataclass(frozen=True, kw_only=True)
class Ifca(Settles):
    """Every client trains the model of least loss on its data; the server averages each model's own clients.

    Attributes:
        clusters: number of models.
        spread: standard deviation of the noise on the head that sets models apart.
        schedule: rounds and cohorts.
        local_epochs: passes of a client over its data, each round.
        local: how a client takes its steps.
        trainable: where the model is cut.

    Raises:
        SettingError: a robust aggregate, to which a model that most clients do not take never moves.
    """

    clusters: Annotated[int, Field(ge=2, le=64)] = 4
    spread: Annotated[PositiveFloat, Scale(10)] = 0.01
    schedule: Schedule = Schedule()
    local_epochs: Annotated[PositiveInt, Scale(3)] = 1
    local: LocalTraining = LocalTraining()
    trainable: Trainable = "all"

    def __post_init__(self) -> None:
        """Refuse aggregates that look at one number at a time."""
        if self.schedule.aggregate != "mean":
            raise SettingError(
                f"aggregate: must be 'mean' where models have clients of their own, received "
                f"'{self.schedule.aggregate}', to which all others' clients are outliers; leave it out"
            )

    def init(self, model: Model, params: Params) -> Begin:
        """Share the start, and beside it the start with noise; every client begins with the first."""
        models = [params, *(self._apart(params, 0, number) for number in range(1, self.clusters))]
        nobody = params["head.bias"].new_zeros(self.clusters)
        first = nobody.index_fill(0, torch.tensor([0], device=nobody.device), 1)
        return Begin(_numbered(models), {"membership": first}, {"unseen": nobody, "rounds": nobody[0]})

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train the model of least loss; send its change, nothing for the others, and which it was."""
        private = self.settle(model, shared, private, data)
        own, membership = self.personal_params(model, shared, private), private["membership"]
        change = trees.subtract(self.local.fit(model, own, data, self.local_epochs), own)
        nothing = trees.zeros_like(change)
        changes = [trees.where(membership[..., number] > 0, change, nothing) for number in range(self.clusters)]
        return {**_numbered(changes), **({} if self.schedule.clip_norm else private)}, private

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Move each model by the mean of its own clients; one that nobody takes begins again beside the largest."""
        sizes = update.get("membership", torch.full_like(state["unseen"], 1 / self.clusters))
        unseen, rounds = torch.where(sizes > 0, 0, state["unseen"] + 1), state["rounds"] + 1
        moved = [
            trees.add(_at(shared, number), trees.scale(_at(update, number), 1 / size if size > 0 else 0.0))
            for number, size in enumerate(sizes.tolist())
        ]
        largest, lost = moved[int(sizes.argmax())], unseen >= self._patience
        models = [self._apart(largest, int(rounds), at) if lost[at] else one for at, one in enumerate(moved)]
        return _numbered(models), {"unseen": torch.where(lost, 0, unseen), "rounds": rounds}

    def settle(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> Tree:
        """Choose the model of least loss on the client's training data, the first of equals."""
        models = [_at(shared, number) for number in range(self.clusters)]
        losses = training_losses(model, models, data, self.local.batch_size).nan_to_num(nan=torch.inf)
        chosen = torch.nn.functional.one_hot(losses.argmin(0), self.clusters)
        return {"membership": chosen.to(shared["0/head.bias"])}

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the model it chose."""
        chosen, *others = (_at(shared, number) for number in range(self.clusters))
        for number, one in enumerate(others, 1):
            chosen = trees.where(private["membership"][..., number] > 0, one, chosen)
        return chosen

    @property
    def _patience(self) -> float:
        """Rounds without clients after which a model begins again; one, where everyone takes part."""
        drawn = self.schedule.cohort_size
        return 1 if drawn is None else max(1, math.log(_CHANCE) / (drawn * math.log(1 - 1 / self.clusters)))

    def _apart(self, params: Params, rounds: int, number: int) -> Params:
        """Return a model with noise on the head, keyed by the round and the model's number."""
        generator, weight = torch_generator("ifca", rounds, number), params["head.weight"]
        return {**params, "head.weight": weight + self.spread * _normal(weight, generator)}


_CHANCE = 0.01
"""Of a model with its fair share of the clients: that none of them is drawn for as many rounds."""


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty(like.shape, dtype=torch.float64).normal_(generator=generator).to(like)


def _numbered(models: list[Params]) -> Tree:
    return {f"{number}/{name}": value for number, one in enumerate(models) for name, value in one.items()}


def _at(tree: Tree, number: int) -> Params:
    return trees.part(tree, f"{number}/")
