"""Where every method is tried: heads on both engines, deeper cuts once; slow tests add number types."""

import pytest
import torch

from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.models.cut import Trainable
from headstart.models.lora import Lora

ENGINES = {"serial": Serial(), "fleet": Fleet(way="stack")}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


USUAL = {("serial", "float64"), ("fleet", "float32")}
"""Arithmetic that says what is right, and the one that is used."""


def _words(cut: Trainable) -> str:
    return "adapters" if isinstance(cut, Lora) else str(cut)


def cases(cuts: dict[str, tuple[Trainable, ...]]) -> list[object]:
    """Return a parameter ``name, cut, engine, dtype`` for every method, with an id that says so."""
    return [
        pytest.param(
            name,
            cut,
            engine,
            dtype,
            id=f"{name}-{_words(cut)}-{engine_name}-{dtype_name}",
            marks=() if cut != "head" or (engine_name, dtype_name) in USUAL else pytest.mark.slow,
        )
        for name, some in cuts.items()
        for cut in some
        for engine_name, engine in ENGINES.items()
        for dtype_name, dtype in DTYPES.items()
        # Below the head the fleet is slower, and small numbers alone would make a kink or a norm of rounding.
        if cut == "head" or (engine_name, dtype_name) == ("fleet", "float64")
    ]
