"""From a specification to a network and its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from headstart.core.errors import ModelError, nearest
from headstart.core.seeds import Key, derive
from headstart.core.trees import Params
from headstart.models.checkpoints.encoders import build_encoder
from headstart.models.checkpoints.images import TEXTS, build_checkpoint
from headstart.models.losses import CROSS_ENTROPY, Loss
from headstart.models.network import Network
from headstart.models.networks.efficientnet_lite0 import build_efficientnet_lite0
from headstart.models.networks.linear import build_linear
from headstart.models.networks.mlp import build_mlp
from headstart.models.networks.resnet18 import build_resnet18
from headstart.models.networks.small_cnn import build_small_cnn
from headstart.models.own import Own, build_own
from headstart.models.preprocessing import Shape
from headstart.models.random_features import with_random_features
from headstart.models.spec import OF_TEXTS, PACKAGED, ModelSpec, is_checkpoint, is_own

NETWORKS: dict[str, Callable[[ModelSpec, Shape, int], Network]] = {
    "linear": build_linear,
    "mlp": build_mlp,
    "resnet-18": build_resnet18,
    "small-cnn": build_small_cnn,
}
"""Every built-in network by name."""

_TRAINED: dict[str, Callable[..., Network]] = {"efficientnet-lite0": build_efficientnet_lite0}
"""Networks of which a Python package carries trained weights, each built by code of its own."""

HEAD_STD = 0.01
"""Standard deviation of a new head's weights: all classes start about equally likely. Its bias is 0."""


def build(
    spec: ModelSpec,
    *,
    shape: Shape,
    num_classes: int,
    from_scratch: bool,
    seed: int,
    loss: Loss = CROSS_ENTROPY,
    own: Own | None = None,
) -> tuple[Network, Params]:
    """Build a network and its weights, with a new head.

    Args:
        spec: which network.
        shape: of one stored input, ``(channels, height, width)``, ``(columns,)`` or, for texts, ``()``.
        num_classes: outputs of the head; classes are at least 2.
        from_scratch: random weights; of a checkpoint then only the architecture, GroupNorm for BatchNorm.
        seed: keys the random weights; PyTorch's own random state is left as it was.
        loss: what the head is trained for.
        own: the user's own module, where the backbone is one.

    Returns:
        The skeleton, and the tree of its weights and buffers (float32).

    Raises:
        ModelError: unknown backbone, unreadable checkpoint, or inputs that the network cannot read.

    >>> spec = ModelSpec(backbone="mlp", hidden=(8,))
    >>> network, params = build(spec, shape=(4,), num_classes=3, from_scratch=True, seed=0)
    >>> {name: tuple(value.shape) for name, value in params.items()}
    {'blocks.0.0.weight': (8, 4), 'blocks.0.0.bias': (8,), 'head.weight': (3, 8), 'head.bias': (3,)}
    """
    _check_outputs(num_classes, loss)
    with _keyed(seed, "backbone"):
        network = (
            build_own(own, spec, shape, num_classes, from_scratch=from_scratch)
            if is_own(spec)
            else _network(spec, shape, num_classes, from_scratch)
        )
        network = with_random_features(network, spec, shape)
    return new_head(network, _weights(network), num_classes, seed, loss)


def new_head(
    network: Network, params: Params, num_classes: int, seed: int, loss: Loss | None = None
) -> tuple[Network, Params]:
    """Put a new head on the same backbone: weights from N(0, 0.01²) keyed by ``seed``, bias 0.

    Args:
        network: whose blocks are taken.
        params: its weights; those of the head are replaced.
        num_classes: outputs of the new head.
        seed: keys its random weights.
        loss: what it is trained for; None takes the network's.

    Raises:
        ModelError: fewer than two classes.
    """
    loss = loss or network.loss
    _check_outputs(num_classes, loss)
    with _keyed(seed, "head"):
        fresh = Network(
            list(network.blocks),
            num_features=network.num_features,
            num_classes=num_classes,
            prepare=network.prepare,
            name=network.name,
            loss=loss,
            names=network.names,
            precision=network.precision,
        )
        torch.nn.init.normal_(fresh.head.weight, std=HEAD_STD)
        torch.nn.init.zeros_(fresh.head.bias)
    # Drawn on the processor, whatever the device of the others.
    head = {name: value.to(params[name].device) for name, value in _weights(fresh).items() if name.startswith("head.")}
    return fresh, {**params, **head}


def _network(spec: ModelSpec, shape: Shape, num_classes: int, from_scratch: bool) -> Network:
    if spec.backbone in _TRAINED:
        return _TRAINED[spec.backbone](spec, shape, num_classes, from_scratch=from_scratch)
    if spec.backbone in OF_TEXTS and shape != ():
        received = "images" if len(shape) == 3 else f"a table of {shape[0]} columns"
        others = ", ".join([*NETWORKS, *_TRAINED])
        raise ModelError(f"backbone: '{spec.backbone}' reads texts, received {received}; take one of {others}")
    if is_checkpoint(spec) and shape == ():
        return build_encoder(spec, num_classes, from_scratch=from_scratch)
    if is_checkpoint(spec):
        return build_checkpoint(spec, shape, num_classes, from_scratch=from_scratch)
    if spec.backbone not in NETWORKS:
        raise ModelError(
            f"backbone: unknown network '{spec.backbone}'; {nearest(spec.backbone, [*NETWORKS, *PACKAGED])}, "
            f"or a local directory ('./name') or a Hub name ('microsoft/resnet-18')"
        )
    if shape == ():
        raise ModelError(f"backbone: '{spec.backbone}' reads images or tables, received {TEXTS}")
    if not from_scratch:
        raise ModelError(
            f"backbone: '{spec.backbone}' comes without trained weights; start with 'random' or 'pretrain', "
            f"or give a checkpoint (a local directory or a Hub name)"
        )
    return NETWORKS[spec.backbone](spec, shape, num_classes)


def _check_outputs(num_outputs: int, loss: Loss) -> None:
    if num_outputs < loss.fewest_outputs:
        raise ModelError(
            f"num_classes: a head needs at least {loss.fewest_outputs} classes, received {num_outputs}; check the "
            "labels"
        )


def _weights(network: Network) -> Params:
    """Copy weights and buffers; BatchNorm's count of batches is left out, for nothing here reads it."""
    state = network.state_dict()
    return {name: value.clone() for name, value in state.items() if not name.endswith("num_batches_tracked")}


@contextmanager
def _keyed(*keys: Key) -> Iterator[None]:
    """Draw PyTorch's random numbers from a key, and put its random state back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive("model", *keys))
        yield
