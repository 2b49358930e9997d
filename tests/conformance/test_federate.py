import pytest
import torch

from headstart.engine.protocol import Engine
from headstart.federate import METHODS
from headstart.models.model import Trainable
from headstart.testing import FEDERATE_CHECKS, open_world
from headstart.testing.federate import FederateCheck

from .cases import cases

CUTS: dict[str, tuple[Trainable, ...]] = {
    name: ("head", "all") if "trainable" in entry.settings() else (entry.build({}).trainable,)
    for name, entry in METHODS.items()
}


@pytest.mark.parametrize(("name", "cut", "engine", "dtype"), cases(CUTS))
@pytest.mark.parametrize("check", FEDERATE_CHECKS, ids=lambda check: check.__name__.lstrip("_").removeprefix("check_"))
def test_federate(check: FederateCheck, name: str, cut: Trainable, engine: Engine, dtype: torch.dtype) -> None:
    entry = METHODS[name]
    method = entry.build({"trainable": cut} if "trainable" in entry.settings() else {})
    assert method.trainable == cut
    check(method, open_world(cut, dtype=dtype, engine=engine))
