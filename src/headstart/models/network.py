"""A network: a preparation of raw inputs, a row of blocks, and a linear head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from torch import Tensor, nn

from headstart.core.device import Precision, lowered
from headstart.models.losses import CROSS_ENTROPY, Loss


class Network(nn.Module):
    """Blocks from the input up, then a head.

    Parameter names are ``blocks.<i>.…``, ``head.weight`` ``(classes, num_features)`` and ``head.bias``
    ``(classes,)``. The last block ends in a flat feature vector. The module is only a skeleton: its weights
    live in trees.

    Args:
        blocks: modules from the input up; block ``i`` reads the activations at cut ``i``.
        num_features: length of the feature vector.
        num_classes: outputs of the head, classes or others.
        prepare: turns raw stored inputs (such as bytes of pixels) into what block 0 reads; it has no weights.
        name: says what network this is; equal names mean equal functions of equal weights.
        loss: what the head is trained for.
        names: where the network was made of a user's own module, or of a checkpoint: from a name here
            (``blocks.2.0.weight``, ``head.weight``) to the name in that module's ``state_dict``, buffers too.
        precision: in which the blocks multiply; the head always does in its weights' own type.

    Attributes:
        weight_names: of the parameters; buffers are not among them.
    """

    def __init__(
        self,
        blocks: Sequence[nn.Module],
        *,
        num_features: int,
        num_classes: int,
        prepare: Callable[[Tensor], Tensor],
        name: str,
        loss: Loss = CROSS_ENTROPY,
        names: Mapping[str, str] = MappingProxyType({}),
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(num_features, num_classes)
        self.prepare = prepare
        self.num_features = num_features
        self.num_classes = num_classes
        self.name = name
        self.loss = loss
        self.names = dict(names)
        self.precision: Precision = precision
        self.weight_names = frozenset(name for name, _ in self.named_parameters())
        self.eval()

    @property
    def depth(self) -> int:
        """Number of blocks; the cut at ``depth`` leaves only the head."""
        return len(self.blocks)

    def forward(self, inputs: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Run ``blocks[start:stop]``, and the head too when ``stop`` is None."""
        hidden = self.prepare(inputs) if start == 0 else inputs
        blocks = self.blocks[start:stop]
        hidden = _as_weights(hidden, blocks)
        with lowered(hidden.device, self.precision):
            for block in blocks:
                hidden = block(hidden)
        if self.precision != "float32":
            hidden = _as_weights(hidden, blocks)
        return self.head(_as_weights(hidden, self.head)) if stop is None else hidden


def _as_weights(hidden: Tensor, readers: nn.Module) -> Tensor:
    """Give floats the type of the weights that read them, so that a float64 tree is computed in float64."""
    weight = next(readers.parameters(), None)
    return hidden if weight is None or not hidden.is_floating_point() else hidden.to(weight.dtype)
