"""FedCollab on sums of frozen features: who should learn with whom, found before any training.

Bao, Wang, Lin, Zhu, Gao, Zhang, Luo, Chen: Optimizing the Collaboration Structure in Cross-Silo Federated Learning.
ICML 2023. https://arxiv.org/abs/2306.06508 (Algorithm 1).

Differs from the paper: the distance of two clients is what their ridge heads lose when they change places, instead of
how well a network tells their examples apart; how much more examples are worth is chosen by cross-validation, of
several constants; a group learns a ridge head from its clients' sums. Each client then takes, of the heads of the
largest groups, that of all and its own, the one that errs least on its training data, as if no head had seen them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from headstart.federate.closed_form import pack_symmetric, unpack_symmetric
from headstart.federate.protocol import Begin, Reduction, Schedule, Settles
from headstart.training import (
    NO_LEAST_SQUARES,
    ClientData,
    ClientSums,
    Model,
    Params,
    Trainable,
    Tree,
    best_groups,
    head_of,
    own_ridge,
    regressand,
    with_intercept,
)


@dataclass(frozen=True, kw_only=True)
class Collab(Settles):
    """Clients send ``Z'Z``, ``Z'Y`` and their own head; the server groups them, and sends the groups' heads.

    The shared tree has the head of all and those of groups, and each one's mean share of an example in its own
    prediction; the private tree is the head that a client has chosen.

    Attributes:
        groups: heads of groups that are sent, those of most clients; who is alone needs none.
    """

    groups: Annotated[int, Field(ge=1, le=64)] = 8

    reduce: ClassVar[Reduction] = "each"
    schedule: ClassVar[Schedule] = Schedule(rounds=1)
    trainable: ClassVar[Trainable] = "head"
    not_for = NO_LEAST_SQUARES

    def init(self, model: Model, params: Params) -> Begin:
        """Share room for the heads; every client begins with the one that it was given."""
        outputs, features = params["head.weight"].shape
        heads = params["head.weight"].new_zeros(self.groups + 1, features + 1, outputs, dtype=torch.float64)
        return Begin({"heads": heads, "leverage": heads[:, 0, 0]}, params, {})

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Send the sums, the client's own head, and its error on examples left out of it one by one."""
        batch = data.everything(model)
        design, targets = with_intercept(batch), regressand(model, batch)
        head, left = own_ridge(design, targets)
        square, moment = targets.square().sum((-1, -2)), design.mT @ targets
        gram = pack_symmetric(design.mT @ design)
        return {"gram": gram, "moment": moment, "square": square, "head": head, "left": left}, private

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Group the clients; return the head of all and those of the largest groups, the rest filled up."""
        # Moves are one client after another: no work for a card.
        update = {name: value.cpu() for name, value in update.items()}
        sizes, features = update["gram"][:, -1].numpy(), update["moment"].shape[1]
        own = update["left"].numpy() / sizes
        sums = ClientSums(
            lambda at: unpack_symmetric(update["gram"][at], features), update["moment"], update["square"], sizes, own
        )
        found = best_groups(sums, update["head"])
        largest = sorted(found.heads, key=lambda number: -len(found.members(number)))[: self.groups]
        fitted = [sums.fit(range(len(sizes))), *(found.heads[number] for number in largest)]
        fitted += [fitted[0]] * (self.groups + 1 - len(fitted))
        heads = torch.stack([one.head for one in fitted]).to(shared["heads"])
        return {"heads": heads, "leverage": heads.new_tensor([one.leverage for one in fitted])}, state

    def settle(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> Tree:
        """Choose the head that errs least, the client's own before others."""
        batch = data.everything(model)
        design, targets = with_intercept(batch), regressand(model, batch)
        chosen, least = own_ridge(design, targets)
        for number in range(self.groups + 1):
            head, leverage = shared["heads"][..., number, :, :], shared["leverage"][..., number]
            error = (targets - design @ head).square().sum((-1, -2)) / (1 - leverage) ** 2
            better = error < least
            chosen, least = torch.where(better[..., None, None], head, chosen), torch.where(better, error, least)
        return {**private, **head_of(chosen, private)}

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the head that it chose."""
        return private
