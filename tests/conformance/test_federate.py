import pytest
import torch

from headstart.core.errors import SettingError
from headstart.core.registry import Entry
from headstart.engine.protocol import Engine
from headstart.federate import METHODS
from headstart.models.cut import Trainable
from headstart.testing import FEDERATE_CHECKS, open_world
from headstart.testing.federate import FederateCheck
from normed import normed_world

from .cases import cases


def _is_possible(entry: Entry, cut: Trainable) -> bool:
    """Say whether a method shares anything at a cut."""
    world = open_world(cut)
    try:
        return bool(entry.build({"trainable": cut}).init(world.model, world.params).shared)
    except SettingError:
        return False


CUTS: dict[str, tuple[Trainable, ...]] = {
    name: tuple(cut for cut in ("head", "all") if _is_possible(entry, cut))
    if "trainable" in entry.settings()
    else (entry.build({}).trainable,)
    for name, entry in METHODS.items()
}


@pytest.mark.parametrize(("name", "cut", "engine", "dtype"), cases(CUTS))
@pytest.mark.parametrize("check", FEDERATE_CHECKS, ids=lambda check: check.__name__.lstrip("_").removeprefix("check_"))
def test_federate(check: FederateCheck, name: str, cut: Trainable, engine: Engine, dtype: torch.dtype) -> None:
    entry = METHODS[name]
    method = entry.build({"trainable": cut} if "trainable" in entry.settings() else {})
    assert method.trainable == cut
    check(method, open_world(cut, dtype=dtype, engine=engine))


@pytest.mark.parametrize("check", FEDERATE_CHECKS, ids=lambda check: check.__name__.lstrip("_").removeprefix("check_"))
def test_norms_of_their_own(check: FederateCheck) -> None:
    check(METHODS["fedbn"].build({}), normed_world())
