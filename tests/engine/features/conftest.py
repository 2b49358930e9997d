from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from headstart.engine.features.extraction import Pass
from headstart.engine.features.text_pass import TextPass


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many contents each batch of every pass has computed and written."""
    sizes: list[int] = []
    for kind in (Pass, TextPass):
        _count(kind, sizes, monkeypatch)
    return sizes


def _count(kind: Any, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    original = kind.write

    def counting(self: Any, target: np.ndarray, start: int = 0) -> Iterator[int]:
        before = start
        for done in original(self, target, start):
            sizes.append(done - before)
            before = done
            yield done

    monkeypatch.setattr(kind, "write", counting)
