import dataclasses
import subprocess
import sys

import pytest

from headstart.models import ModelSpec, is_checkpoint
from headstart.models.registry import NETWORKS


@pytest.mark.parametrize("backbone", ["microsoft/resnet-18", "./weights", "/data/weights", "C:\\weights"])
def test_a_slash_makes_a_checkpoint(backbone: str) -> None:
    assert is_checkpoint(ModelSpec(backbone=backbone))


@pytest.mark.parametrize("backbone", sorted(NETWORKS))
def test_a_built_in_network_is_no_checkpoint(backbone: str) -> None:
    assert not is_checkpoint(ModelSpec(backbone=backbone))


def test_a_specification_is_a_frozen_value() -> None:
    assert ModelSpec(hidden=(3,)) == ModelSpec(hidden=(3,))
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelSpec().backbone = "mlp"  # type: ignore[misc]


def test_a_specification_needs_no_torch() -> None:
    code = "import sys, headstart.models.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
