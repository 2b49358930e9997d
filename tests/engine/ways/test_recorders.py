"""What is asked of a card, whether or not there is one; the rest is tried on a recorder that pretends."""

import inspect
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch

from headstart.engine.ways.recorders import CudaRecorder


class _Cuda:
    """What is asked of a card, by calls that fit PyTorch's own signatures."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        for name in ("Stream", "graph_pool_handle", "current_stream", "stream", "device", "CUDAGraph"):
            monkeypatch.setattr(torch.cuda, name, self._stand_in(name, getattr(torch.cuda, name)))
        monkeypatch.setattr(torch.cuda, "graph", self._stand_in("graph", torch.cuda.graph))

    def _stand_in(self, name: str, real: Any) -> Any:
        signature = _signature(real.__init__ if inspect.isclass(real) else real)

        def call(*arguments: Any, **named: Any) -> Any:
            if signature:
                signature.bind(*((None, *arguments) if inspect.isclass(real) else arguments), **named)
            self.asked.append(name)
            found = MagicMock()
            found.__exit__.return_value = False
            return found

        return call


def _signature(called: Any) -> inspect.Signature | None:
    """Return how something is called, unless it is compiled and says nothing about it."""
    try:
        return inspect.signature(called)
    except ValueError:
        return None


def test_a_card_is_asked_as_pytorch_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, steps = _Cuda(monkeypatch), []
    recorder = CudaRecorder(torch.device("cuda", 0))
    recorder.warm(lambda: steps.append("warm"))
    replay = recorder.capture(lambda: steps.append("recorded"))
    replay()
    assert steps == ["warm", "recorded"]
    assert cuda.asked == [
        *("Stream", "graph_pool_handle", "current_stream", "stream"),
        *("CUDAGraph", "graph", "device", "current_stream", "stream"),
    ]


def test_a_record_is_the_step_itself_on_a_card(card: torch.device) -> None:
    if card.type != "cuda":
        pytest.skip("there is no card")
    recorder, value = CudaRecorder(card), torch.zeros(3, device=card)
    recorder.warm(lambda: value.add_(1))
    replay = recorder.capture(lambda: value.add_(1))
    assert value.tolist() == [1] * 3
    replay()
    assert value.tolist() == [2] * 3
