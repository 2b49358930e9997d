"""SCAFFOLD.

Karimireddy, Kale, Mohri, Reddi, Stich, Suresh: SCAFFOLD: Stochastic Controlled Averaging for Federated Learning. ICML
2020. https://arxiv.org/abs/1910.06378 (Algorithm 1, option II).

Differs from the paper: means are weighted by numbers of examples, the control's too; a client takes epochs, so that its
number of steps follows from its data; steps may have momentum. Under a clip or a robust aggregate the server's control
is the mean of what it was told, no longer that of the clients' controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import PositiveInt

from headstart.federate.protocol import Begin, Federate, Schedule
from headstart.federate.server import Average, ServerOptimizer
from headstart.training import (
    Batch,
    ClientData,
    LocalTraining,
    Model,
    Params,
    Scale,
    Trainable,
    Tree,
    trees,
)

_CONTROL = "control/"


@dataclass(frozen=True, kw_only=True)
class Corrected(LocalTraining):
    """Every step has a correction, the same for all steps of a round."""

    is_plain: ClassVar[bool] = False

    def slope(self, model: Model, start: Tree, params: Params, batch: Batch) -> Params:
        """Add the correction, which stands where others see where the client began."""
        return trees.add(model.gradient(params, batch), start)


@dataclass(frozen=True, kw_only=True)
class Scaffold(Federate):
    """Clients correct their steps by the difference of two controls: the mean gradient of all, and their own.

    The shared tree has the parameters and, under ``control/``, the server's control: both travel, both ways. A client's
    private tree is its own control, which for a newcomer is zero.

    Attributes:
        schedule: rounds and cohorts.
        local_epochs: passes of a client over its data, each round.
        local: how a client takes its steps.
        trainable: where the model is cut.
        server: what the server does with the mean update of the parameters.

    Raises:
        SettingError: an optimiser whose steps do not add up to gradients.
    """

    schedule: Schedule = Schedule()
    local_epochs: Annotated[PositiveInt, Scale(3)] = 1
    local: Corrected = Corrected()
    trainable: Trainable = "all"
    server: ServerOptimizer = Average()

    personal: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what no mean gradient can be read from."""
        self.local.check_gradients_add_up()

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters; all controls are zero."""
        zero = trees.zeros_like(params)
        return Begin(_joined(params, zero), zero, self.server.init(params))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train with corrected steps; send both changes, keep the new control."""
        params, control = _parted(shared)
        correction = trees.subtract(control, private)
        local = self.local.fit(model, params, data, self.local_epochs, anchor=correction)
        update = trees.subtract(local, params)
        gradient = self.local.mean_gradient(model, update, data, self.local_epochs)
        change = trees.subtract(gradient, control)
        return _joined(update, change), trees.add(private, change)

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Let the server's optimiser take the mean update; the control moves by the share of clients that sent one."""
        (params, control), (step, change) = _parted(shared), _parted(update)
        params, state = self.server.update(params, state, step)
        return _joined(params, trees.add(control, trees.scale(change, share))), state

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the shared parameters."""
        return _parted(shared)[0]


def _joined(params: Tree, control: Tree) -> Tree:
    return params | {_CONTROL + name: value for name, value in control.items()}


def _parted(tree: Tree) -> tuple[Tree, Tree]:
    """Return the parameters' part, and the controls'."""
    return {name: value for name, value in tree.items() if not name.startswith(_CONTROL)}, trees.part(tree, _CONTROL)
