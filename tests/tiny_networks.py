"""Small checkpoints of every family, and the list of all networks."""

from dataclasses import dataclass

import torch

from headstart.core.trees import Params
from headstart.models.network import Network

TRANSFORMER = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}
RESIDUAL = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}

# Class of the saved model, class of its configuration, settings.
CHECKPOINTS = {
    "resnet": ("ResNetForImageClassification", "ResNetConfig", {**RESIDUAL, "layer_type": "basic"}),
    "regnet": ("RegNetForImageClassification", "RegNetConfig", {**RESIDUAL, "groups_width": 8}),
    "mobilenet_v1": ("MobileNetV1Model", "MobileNetV1Config", {"depth_multiplier": 0.1}),
    "mobilenet_v2": (
        "MobileNetV2Model",
        "MobileNetV2Config",
        {"depth_multiplier": 0.1, "finegrained_output": False},
    ),
    "vit": ("ViTForImageClassification", "ViTConfig", TRANSFORMER),
    "deit": ("DeiTForImageClassification", "DeiTConfig", TRANSFORMER),
    "dinov2": ("Dinov2Model", "Dinov2Config", {**TRANSFORMER, "mlp_ratio": 2}),
    "vit_msn": ("ViTMSNModel", "ViTMSNConfig", TRANSFORMER),
    "convnext": (
        "ConvNextForImageClassification",
        "ConvNextConfig",
        {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    ),
    "vit_mae": ("ViTMAEModel", "ViTMAEConfig", TRANSFORMER),
    "gpt2": ("GPT2Model", "GPT2Config", {"n_embd": 16, "n_layer": 1, "n_head": 2}),
}


@dataclass(frozen=True)
class Case:
    """One network of the conformance suite."""

    backbone: str
    shape: tuple[int, ...]
    from_scratch: bool = True

    @property
    def id(self) -> str:
        return f"{self.backbone}-{'x'.join(map(str, self.shape))}-{'random' if self.from_scratch else 'trained'}"


CASES = [
    Case("linear", (5,)),
    Case("linear", (1, 4, 4)),
    Case("mlp", (5,)),
    Case("mlp", (3, 4, 4)),
    Case("small-cnn", (1, 8, 8)),
    Case("small-cnn", (3, 9, 6)),
    Case("resnet-18", (3, 32, 32)),
    Case("efficientnet-lite0", (3, 33, 32)),
    Case("efficientnet-lite0", (1, 32, 32), from_scratch=False),
    Case("resnet", (1, 32, 32), from_scratch=False),
    Case("resnet", (3, 40, 33)),
    Case("regnet", (3, 32, 32), from_scratch=False),
    Case("mobilenet_v1", (3, 32, 32), from_scratch=False),
    Case("mobilenet_v2", (3, 32, 32), from_scratch=False),
    Case("vit", (3, 32, 32), from_scratch=False),
    Case("vit", (3, 48, 40), from_scratch=False),
    Case("deit", (3, 32, 32), from_scratch=False),
    Case("dinov2", (3, 24, 24), from_scratch=False),
    Case("vit_msn", (3, 32, 32), from_scratch=False),
    Case("convnext", (3, 32, 32), from_scratch=False),
]


@dataclass(frozen=True)
class Built:
    """A network of the suite, its weights and a batch of its raw inputs."""

    network: Network
    params: Params
    inputs: torch.Tensor
    labels: torch.Tensor


def raw_inputs(shape: tuple[int, ...], rows: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if len(shape) == 1:
        return torch.randn(rows, *shape, generator=generator)
    return torch.randint(0, 256, (rows, *shape), generator=generator, dtype=torch.uint8)


def look_trained(model: torch.nn.Module) -> None:
    """Give weights and statistics that signals survive and whose loss shows, as training would leave them."""
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
