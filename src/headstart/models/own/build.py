"""From a user's own module to a network of blocks and a head."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from headstart.core.content import hash_json
from headstart.core.errors import ModelError
from headstart.models.checkpoints.hub import first_line
from headstart.models.network import Network
from headstart.models.normalization import BatchNorm, use_group_norm
from headstart.models.own.blocks import blocks_of, near, run_blocks
from headstart.models.own.content import code_of, content_of
from headstart.models.own.head import Head, find_head
from headstart.models.own.inputs import Reads, reads
from headstart.models.own.source import Own, reset
from headstart.models.own.state import keep_unused, names_of
from headstart.models.preprocessing import Shape
from headstart.models.spec import ModelSpec
from headstart.models.state import fit_state, open_state


def build_own(own: Own | None, spec: ModelSpec, shape: Shape, num_classes: int, *, from_scratch: bool) -> Network:
    """Build a user's own network: with its own weights, or with random ones; its head is a new one.

    Args:
        own: where it comes from; None where nobody may run its code.
        spec: how it is cut and prepared.
        shape: of one stored input.
        num_classes: outputs of the head.
        from_scratch: random weights.

    Raises:
        ModelError: its code may not run here, it fails on such inputs, or it cannot be taken apart rightly.
    """
    return _made(own, spec, shape, num_classes, from_scratch=from_scratch).network


def remarks_on(own: Own, spec: ModelSpec, shape: Shape, num_classes: int) -> tuple[str, ...]:
    """Say what a reader should know of how an own network was understood."""
    made = _made(own, spec, shape, num_classes, from_scratch=False)
    return (*made.remarks, *_on_randomness(own, spec, made.module))


@dataclass(frozen=True, eq=False)
class _Made:
    """A network, the module that it was made of, and what is to be known of it."""

    network: Network
    module: nn.Module
    remarks: tuple[str, ...]


def _made(own: Own | None, spec: ModelSpec, shape: Shape, num_classes: int, *, from_scratch: bool) -> _Made:
    if own is None:
        raise ModelError(
            f"model.backbone: '{spec.backbone}' is code, which runs for a study of the user's own on this machine and "
            "nowhere else; give a built-in network or a checkpoint"
        )
    module = own.fresh(num_classes, from_scratch=from_scratch)
    _settle(module)
    how = reads(module, spec, shape)
    _check_untied(module, spec.backbone)
    head = find_head(how, spec.head, spec.backbone)
    loaded = _load(module, head, spec) if not from_scratch else ()
    groups = _normalised(module, spec)
    blocks = blocks_of(how, head, spec.cuts, spec.backbone)
    _check_features(blocks, how, spec.backbone)
    remarks = (*_on(spec, how, head, len(blocks)), *groups, *loaded)
    return _Made(_network(module, blocks, head, how, spec, num_classes), module, remarks)


def _settle(module: nn.Module) -> None:
    """Take what a module does otherwise in training, and what changes its inputs, out of it."""
    module.eval().requires_grad_(True)
    for part in module.modules():
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # type: ignore[assignment]
        # PyTorch's short cuts for inference have no gradient.
        if isinstance(part, nn.TransformerEncoder):
            part.use_nested_tensor = False
        if isinstance(part, nn.TransformerEncoderLayer):
            part.activation_relu_or_gelu = 0


def _check_untied(module: nn.Module, backbone: str) -> None:
    """Check that no weight has two names.

    Raises:
        ModelError: one has.
    """
    known: dict[int, str] = {}
    for name, value in module.named_parameters(remove_duplicate=False):
        if known.setdefault(id(value), name) != name:
            raise ModelError(
                f"model.backbone: each weight must have one name, and '{known[id(value)]}' and '{name}' of "
                f"'{backbone}' are the same; give each its own"
            )


def _load(module: nn.Module, head: Head, spec: ModelSpec) -> tuple[str, ...]:
    """Fill a module from the file of weights, and say what did not fit.

    Raises:
        ModelError: the file cannot be read, or is of another network.
    """
    if spec.weights is None:
        return ()
    # Read where it is needed alone.
    state, found = open_state(Path(spec.weights))
    try:
        fitting, remarks = fit_state(module, state, head=head.own_name)
    except ModelError as error:
        raise ModelError(f"model.weights: '{spec.weights}': {str(error).removeprefix('weights: ')}") from None
    module.load_state_dict(fitting, strict=False)
    return (*found, *remarks)


def _normalised(module: nn.Module, spec: ModelSpec) -> tuple[str, ...]:
    """Replace BatchNorms if that is asked for, and say what becomes of them."""
    norms = [part for part in module.modules() if isinstance(part, BatchNorm)]
    if not norms:
        return ()
    if spec.batch_norm == "group":
        use_group_norm(module)
        return (f"{len(norms)} BatchNorms are GroupNorms now; the statistics that they came with are dropped",)
    return (
        f"{len(norms)} BatchNorms keep the statistics that they came with; from random weights train rather with "
        "model.batch_norm = 'group'",
    )


def _network(
    module: nn.Module, blocks: Sequence[nn.Module], head: Head, how: Reads, spec: ModelSpec, num_classes: int
) -> Network:
    names = names_of(module, blocks, head)
    keep_unused(module, blocks, set(names.values()), head)
    network = Network(
        blocks,
        num_features=head.layer.in_features,
        num_classes=num_classes,
        prepare=how.prepare,
        name="",
        names=names,
    )
    network.name = _name(module, network, how, spec)
    return network


def _name(module: nn.Module, network: Network, how: Reads, spec: ModelSpec) -> str:
    """Name a network by its code, its structure, and what it makes of inputs with weights that are always the same."""
    parts = [[name for name in network.state_dict() if not name.startswith("head.")], repr(how.prepare)]
    code = content_of(network.blocks, code_of(type(module)), with_weights=False)
    steps = [block.code for block in network.blocks if isinstance(block, fx.GraphModule)]
    said = hash_json([code, steps, parts, spec.tokenizer, _fingerprint(network, how)])
    return f"{type(module).__name__}-{said[:12]}"


@torch.no_grad()
def _fingerprint(network: Network, how: Reads) -> list[str]:
    """Write down features to few enough digits that rounding does not show."""
    twin = copy.deepcopy(network)
    twin.load_state_dict({name: _plain(name, value) for name, value in twin.state_dict().items()})
    for dtype, digits in ((torch.float64, 5), (torch.float32, 2)):
        try:
            features = twin.to(dtype)(how.probes[0], 0, twin.depth)
            return [f"{value:.{digits}g}" for value in features.flatten()[:8].tolist()]
        except Exception:  # noqa: S112  # a user's code may know one type of numbers alone
            continue
    return []


def _plain(name: str, value: Tensor) -> Tensor:
    """Return values for a tensor that follow from its size alone."""
    if not value.is_floating_point() or name.endswith("running_var"):
        return torch.ones_like(value) if value.is_floating_point() else value
    waves = torch.cos(torch.arange(value.numel(), dtype=torch.float64)).view(value.shape)
    return (waves / math.sqrt(max(1, value[0].numel() if value.dim() > 1 else 1))).to(value.dtype)


@torch.no_grad()
def _check_features(blocks: Sequence[nn.Module], how: Reads, backbone: str) -> None:
    """Check that features are finite, and each example's own.

    Raises:
        ModelError: they are not.
    """
    two = how.probes[0]
    features = run_blocks(blocks, how.prepare(two))
    if not torch.isfinite(features).all():
        raise ModelError(
            f"model.backbone: the features of '{backbone}' are not finite on made-up inputs; give other weights"
        )
    if not all(_is_own_feature(blocks, how.prepare(one), features[row : row + 1]) for row, one in _alone(two)):
        raise ModelError(
            f"model.backbone: an example's features must not change with the others of a batch (or the padding beside "
            f"a text), and those of '{backbone}' do; normalise by running statistics (or model.batch_norm = 'group'), "
            "and have forward take an attention_mask for texts"
        )
    if how.longest is not None:
        _check_longest(how, backbone)


def _is_own_feature(blocks: Sequence[nn.Module], alone: Tensor, among_others: Tensor) -> bool:
    try:
        return near(run_blocks(blocks, alone), among_others)
    except Exception:  # a BatchNorm that reads a batch's statistics cannot have those of one example
        return False


def _check_longest(how: Reads, backbone: str) -> None:
    try:
        how.module(how.prepare(how.longest))  # type: ignore[arg-type]
    except Exception as error:  # a user's forward may raise anything
        length = how.longest.shape[1]  # type: ignore[union-attr]
        raise ModelError(
            f"model.max_tokens: '{backbone}' fails on a text of {length} tokens: {first_line(error)}; set fewer"
        ) from error


def _alone(rows: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield each row by itself, without its padding."""
    for place, row in enumerate(rows):
        kept = row[row >= 0] if rows.dtype == torch.int32 else row
        yield place, kept.unsqueeze(0)


def _on(spec: ModelSpec, how: Reads, head: Head, depth: int) -> Iterator[str]:
    parts = f"{depth} block{'s' * (depth > 1)} and a new head in the place of '{head.own_name}'"
    yield f"'{spec.backbone}' is taken as {parts}, which had {head.layer.out_features} outputs"
    yield from (said for said in (head.said, how.said) if said)


def _on_randomness(own: Own, spec: ModelSpec, module: nn.Module) -> Iterator[str]:
    if not (own.trained or spec.weights):
        yield "its weights are as new ones are, so that it counts as untrained; model.weights names a file of others"
    stay = [
        f"{name}.{word}".lstrip(".")
        for name, part in module.named_modules()
        for word, _ in part.named_parameters(recurse=False)
        if not own.draws and not _knows_reset(part)
    ]
    if stay:
        shown = ", ".join(stay[:3]) + (", …" if len(stay) > 3 else "")
        yield f"arms that start at random keep {len(stay)} weights, which no reset_parameters draws anew: {shown}"


def _knows_reset(part: nn.Module) -> bool:
    return reset(copy.deepcopy(part))
