"""A model: a network cut into a frozen part below and a trainable part above."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from headstart.core import trees
from headstart.core.content import hash_json, hash_once
from headstart.core.errors import ModelError, SettingError
from headstart.core.trees import Params
from headstart.models.batch import Batch, NoisyStep
from headstart.models.cut import Trainable, block_of, cut_index
from headstart.models.fast_layers import taps_outermost, with_fast_layers
from headstart.models.functional import Functional, functional_of
from headstart.models.grouped import GroupedNetwork, grouped
from headstart.models.heads import head_gradient, head_logits
from headstart.models.layout import channels_last, channels_last_stack
from headstart.models.lora import Lora, merged, new_adapters
from headstart.models.losses import Loss
from headstart.models.network import Network
from headstart.models.noisy import noisy_gradient, noisy_head_gradient
from headstart.models.replay import Replay
from headstart.models.shared_base import SharedBase, shared_base


@dataclass(frozen=True, eq=False)
class Model:
    """A network cut at ``cut``: ``blocks[:cut]`` are frozen, the blocks above and the head are trainable.

    The functions below take the trainable tree as ``params`` and *activations at the cut* as inputs: raw
    inputs at cut 0, features at cut ``depth``. With a head only, they work on one client
    (``(batch, features)``) and on a stack of clients (``(clients, batch, features)``) alike.

    Attributes:
        network: the skeleton.
        cut: number of frozen blocks, from 0 to ``network.depth``.
        frozen: every weight and buffer that does not train, whether below the cut or above it.
        channels_last: whether pictures are laid out channel by channel within a pixel while they train.
        taps_outermost: weights of convolutions that are laid out tap by tap while they train.
        adapters: the first adapters, where these and the head train; else empty.
        scale: of the adapters.
        replay: takes steps faster where the device can; None takes them one operation after another.
        still: of what is trainable, what stays as it is: no slope of it is computed.
        alone: what lies above the cut as a function for one client; None calls its modules.
        side_by_side: the same for a stack of clients as one network; None lets PyTorch stack each operation.
        untuned: the same without faster layers, which know batches only; None where it has none itself.
    """

    network: Network
    cut: int
    frozen: Params
    channels_last: bool = False
    taps_outermost: frozenset[str] = frozenset()
    adapters: Params = field(default_factory=dict)
    scale: float = 1.0
    replay: Replay | None = None
    still: frozenset[str] = frozenset()
    alone: Functional | None = None
    side_by_side: GroupedNetwork | None = None
    untuned: Model | None = None

    @property
    def is_head_only(self) -> bool:
        """Whether only the head trains."""
        return self.cut == self.network.depth

    def tuned(self, inputs: Tensor, *, channels_last: bool) -> Model:
        """Return the same model with faster layers; ``inputs`` are a few activations at the cut."""
        network, taps = with_fast_layers(self.network, inputs, self.cut)
        alone = functional_of(network, inputs, self.cut)
        return replace(
            self, network=network, channels_last=channels_last, taps_outermost=taps, alone=alone, untuned=self
        )

    def grouped(self, inputs: Tensor) -> Model:
        """Return the same model whose stacks of clients train as one network; ``inputs`` are as for :meth:`tuned`.

        Raises:
            UnknownLayer: they cannot, and why.
        """
        if self.is_head_only:
            return self
        alone = functional_of(self.network, inputs, self.cut)
        return replace(self, channels_last=True, alone=alone, side_by_side=grouped(alone), untuned=self)

    def holding(self, still: Iterable[str]) -> Model:
        """Return the same model whose weights of these names stay as they are; the same one for the same names."""
        names = frozenset(still)
        if names == self.still:
            return self
        if names not in self._held:
            self._held[names] = replace(self, still=names)
        return self._held[names]

    @cached_property
    def _held(self) -> dict[frozenset[str], Model]:
        """Models made of this one: recorded steps are known by the model that takes them."""
        return {}

    @cached_property
    def frozen_key(self) -> str:
        """Name of the function from raw inputs to the activations at the cut, by content."""
        below = {name: value for name, value in self.frozen.items() if block_of(name) < self.cut}
        return hash_json([self.network.name, self.cut, hash_json({name: hash_once(below[name]) for name in below})])

    def trained_for(self, loss: Loss) -> Model:
        """Return the same model with another loss, one object for each."""
        if loss not in self._by_loss:
            network = copy.copy(self.network)
            network.loss = loss
            self._by_loss[loss] = replace(self, network=network)
        return self._by_loss[loss]

    @cached_property
    def _by_loss(self) -> dict[Loss, Model]:
        return {self.network.loss: self}

    def weights(self, params: Params) -> Params:
        """Return all weights of the network: the frozen ones and ``params``, adapters merged."""
        return merged({**self.frozen, **params}, self.scale)

    def recut(self, params: Params, trainable: Trainable) -> tuple[Model, Params]:
        """Cut the same weights elsewhere; of a stack, what is frozen then is one for all clients.

        Raises:
            ModelError: it is not.
        """
        model, tree = cut_at(self.network, self.weights(params), trainable)
        if params["head.bias"].dim() == 1:
            return model, tree
        own = {name: value for name, value in model.frozen.items() if value is not self.frozen.get(name)}
        return replace(model, frozen={**model.frozen, **{name: _common(value) for name, value in own.items()}}), tree

    @torch.no_grad()
    def activations(self, inputs: Tensor) -> Tensor:
        """Run the frozen part on raw inputs ``(batch, …)``."""
        if self.cut == 0:
            return inputs
        below = {name: value for name, value in self.frozen.items() if block_of(name) < self.cut}
        result: Tensor = functional_call(self.network, below, (inputs, 0, self.cut))
        return result

    @property
    def trainable(self) -> Params:
        """Weights of the names and shapes that train; their values mean nothing."""
        tree = {**dict(self.network.named_parameters()), **self.adapters}
        return {name: value.detach() for name, value in tree.items() if name not in self.frozen}

    @cached_property
    def num_trainable(self) -> int:
        """Number of weights that train."""
        return sum(value.numel() for value in self.trainable.values())

    @cached_property
    def above(self) -> Params:
        """The frozen weights and buffers of what lies above the cut."""
        return {name: value for name, value in self.frozen.items() if block_of(name) >= self.cut}

    def arranged(self, params: Params) -> Params:
        """Lay out weights as they train fastest."""
        lay = channels_last_stack if params["head.bias"].dim() > 1 else channels_last
        arranged = {name: lay(value) for name, value in params.items()} if self.channels_last else {**params}
        return arranged | {name: taps_outermost(params[name]) for name in self.taps_outermost & params.keys()}

    def logits(self, params: Params, inputs: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return scores ``(…, batch, outputs)`` from activations at the cut.

        Args:
            params: the trainable tree.
            inputs: activations at the cut.
            keep: what features are multiplied by before the head, ``(…, batch, features)``; None for 1.
        """
        if self.is_head_only:
            return head_logits(params, inputs if keep is None else inputs * keep)
        if params["head.bias"].dim() > 1:
            return self._stacked_logits(params, inputs, keep)
        return self._logits(params, channels_last(inputs) if self.channels_last else inputs, keep)

    def features(self, params: Params, inputs: Tensor) -> Tensor:
        """Return what the head reads, ``(…, batch, features)``, from activations at the cut."""
        if self.is_head_only:
            return inputs
        if params["head.bias"].dim() == 1:
            return self._own_features(params, channels_last(inputs) if self.channels_last else inputs)
        if self.side_by_side is None:
            return vmap(self._own_features)(params, inputs)
        hidden = torch.unflatten(self._prepared(inputs.flatten(0, 1)), 0, inputs.shape[:2])
        return self.side_by_side(self._merged(params), hidden)

    def _own_features(self, params: Params, inputs: Tensor) -> Tensor:
        return self._features(self._merged(params), inputs)

    def _stacked_logits(self, params: Params, inputs: Tensor, keep: Tensor | None) -> Tensor:
        if keep is None and (base := self._one_batch(params, inputs)):
            return base.logits(params, inputs)
        if self.side_by_side is None:
            return vmap(self._logits)(params, inputs, *_given(keep))
        hidden = torch.unflatten(self._prepared(inputs.flatten(0, 1)), 0, inputs.shape[:2])
        weights = self._merged(params)
        features = self.side_by_side(weights, hidden)
        # In this order the gradient lies in memory as the weights do.
        scores = torch.bmm(weights["head.weight"], (features if keep is None else features * keep).mT)
        return scores.mT + weights["head.bias"].unsqueeze(1)

    def _logits(self, params: Params, inputs: Tensor, keep: Tensor | None = None) -> Tensor:
        weights = self._merged(params)
        if self.alone is None and keep is None:
            result: Tensor = functional_call(self.network, weights, (inputs, self.cut), tie_weights=False)
            return result
        features = self._features(weights, inputs)
        features = features if keep is None else features * keep
        return functional.linear(features, weights["head.weight"], weights["head.bias"])

    def _features(self, weights: Params, inputs: Tensor) -> Tensor:
        if self.alone is not None:
            return self.alone(weights, self._prepared(inputs))
        result: Tensor = functional_call(
            self.network, weights, (inputs, self.cut, self.network.depth), tie_weights=False
        )
        return result.to(weights["head.weight"].dtype)

    def _merged(self, params: Params) -> Params:
        weights = {**self.above, **params}
        return merged(weights, self.scale) if self.adapters else weights

    def _prepared(self, inputs: Tensor) -> Tensor:
        return self.network.prepare(inputs) if self.cut == 0 else inputs

    def gradient(self, params: Params, batch: Batch) -> Params:
        """Return the gradient of the batch's weighted mean loss with respect to ``params``, 0 for what is ``still``.

        Where the batch says so, it hides single examples.

        Raises:
            SettingError: noise is asked for where an example has no loss of its own.
        """
        if batch.noisy is not None:
            return self._noisy_gradient(params, batch, batch.noisy)
        if self.is_head_only:
            return head_gradient(params, batch, self.network.loss)
        gradients = self._gradient(params, batch)
        if not self.network.loss.has_intercept:
            gradients["head.bias"] = torch.zeros_like(gradients["head.bias"])
        return gradients

    def _noisy_gradient(self, params: Params, batch: Batch, step: NoisyStep) -> Params:
        loss = self.network.loss
        if not loss.by_example:
            raise SettingError(
                "example_clip: needs a task in which every example has a loss of its own, received one of pairs; "
                "leave it out"
            )
        if self.is_head_only:
            return noisy_head_gradient(params, batch, step, loss.slope, head_logits)
        logits = (self.untuned or self)._logits
        still = trees.select(params, [name for name in params if name in self.still])
        moving = {name: value for name, value in params.items() if name not in still}
        found = noisy_gradient(
            moving, still, batch, step, lambda tree, inputs, *truth: loss.mean(logits(tree, inputs), *truth)
        )
        return self._with_still(params, found)

    def _gradient(self, params: Params, batch: Batch) -> Params:
        if batch.is_stack and batch.keep is None and (base := self._one_batch(params, batch.inputs)):
            return base.gradient(params, batch)
        if batch.is_stack and self.side_by_side is None:
            moving = {name: value for name, value in params.items() if name not in self.still}
            given = (batch.inputs, batch.labels, batch.weights, *_given(batch.keep))
            stacked: Params = vmap(grad(self._loss))(moving, params, *given)
            return self._with_still(params, stacked)
        leaves = {name: value.detach().requires_grad_() for name, value in params.items() if name not in self.still}
        scores = self.logits({**params, **leaves}, batch.inputs, batch.keep)
        found, slope = self._known_slope(scores, batch)
        # A weight that this input never reaches has gradient zero.
        gradients = torch.autograd.grad(found, list(leaves.values()), slope, allow_unused=True, materialize_grads=True)
        return self._with_still(params, dict(zip(leaves, gradients, strict=True)))

    def _with_still(self, params: Params, slopes: Params) -> Params:
        return {name: slopes[name] if name in slopes else torch.zeros_like(value) for name, value in params.items()}

    def _known_slope(self, scores: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return what is differentiated and its slope: where it has to be fast, scores, of which the loss is known."""
        if self.alone is None:
            return self.loss(scores, batch), None
        return scores, self.network.loss.slope(scores.detach(), batch.labels, batch.weights)

    @cached_property
    def _shared_base(self) -> SharedBase:
        return shared_base(self.network, self.cut, self.above, self.adapters, self.scale)

    def is_one_batch(self, params: Params, inputs: Tensor) -> bool:
        """Say whether a stack's adapters and heads are one batch over their frozen base."""
        return self._one_batch(params, inputs) is not None

    def _one_batch(self, params: Params, inputs: Tensor) -> SharedBase | None:
        """Return how a stack's adapters are one batch over their frozen base; None where they cannot be."""
        if not self.adapters or self._shared_base.why_not(self._logits, params, inputs):
            return None
        return self._shared_base

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the weighted mean loss of one client's batch."""
        return self.network.loss.mean(logits, batch.labels, batch.weights)

    def _loss(
        self,
        moving: Params,
        params: Params,
        inputs: Tensor,
        labels: Tensor,
        weights: Tensor,
        keep: Tensor | None = None,
    ) -> Tensor:
        return self.network.loss.mean(self._logits({**params, **moving}, inputs, keep), labels, weights)


def _given(value: Tensor | None) -> tuple[Tensor, ...]:
    """Return what a stack is mapped over besides, which None cannot be."""
    return () if value is None else (value,)


def cut_at(network: Network, weights: Params, trainable: Trainable) -> tuple[Model, Params]:
    """Split ``weights`` into a model's frozen part and the tree of what trains.

    Raises:
        ModelError: more blocks are asked for than the network has.
    """
    if isinstance(trainable, Lora):
        return _with_adapters(network, weights, trainable)
    cut = cut_index(network, trainable)
    names = [name for name in weights if name in network.weight_names and block_of(name) >= cut]
    frozen = {name: value for name, value in weights.items() if name not in set(names)}
    return Model(network, cut, frozen), trees.select(weights, names)


def _with_adapters(network: Network, weights: Params, lora: Lora) -> tuple[Model, Params]:
    """Cut below the first adapted layer; adapters and the head train."""
    adapters = new_adapters(network, weights, lora)
    cut = cut_index(network, lora)
    tree = {**weights, **adapters}
    trains = {name for name in adapters if lora.train_a or name.endswith(".B")}
    names = [name for name in tree if name.startswith("head.") or name in trains]
    frozen = {name: value for name, value in tree.items() if name not in set(names)}
    return Model(network, cut, frozen, adapters=adapters, scale=lora.scale), trees.select(tree, names)


def _common(stack: Tensor) -> Tensor:
    """Return what was repeated for all clients: the tensor itself, whose hash is known, or else a view of it."""
    if len(stack) > 1 and stack.stride(0):
        raise ModelError("clients of a stack have weights of their own below the cut; do them one by one")
    one, base = stack[0], stack._base
    return one if base is None or _place(base) != _place(one) else base


def _place(value: Tensor) -> tuple[object, ...]:
    return value.data_ptr(), value.shape, value.stride()
