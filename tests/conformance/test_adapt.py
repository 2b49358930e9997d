import pytest
import torch

from headstart.adapt import METHODS
from headstart.engine.protocol import Engine
from headstart.models.cut import Trainable
from headstart.testing import ADAPT_CHECKS, open_world
from headstart.testing.adapt import AdaptCheck

from .cases import cases

CUTS: dict[str, tuple[Trainable, ...]] = {name: (entry.build({}).trainable,) for name, entry in METHODS.items()}


@pytest.mark.parametrize(("name", "cut", "engine", "dtype"), cases(CUTS))
@pytest.mark.parametrize("check", ADAPT_CHECKS, ids=lambda check: check.__name__.lstrip("_").removeprefix("check_"))
def test_adapt(check: AdaptCheck, name: str, cut: Trainable, engine: Engine, dtype: torch.dtype) -> None:
    method = METHODS[name].build({})
    check(method, open_world(cut, dtype=dtype, engine=engine, norms=method.needs_norms))
