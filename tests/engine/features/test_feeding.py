"""Batches read ahead, sent, computed and fetched: in order, within bounds, with the reader's own error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headstart.core.content import row_hashes
from headstart.core.errors import EngineError
from headstart.core.faults import Portions
from headstart.core.ragged import Ragged
from headstart.engine.features import extraction, text_pass
from headstart.engine.features.distinct import distinct_rows, every_row
from headstart.engine.features.extraction import Pass
from headstart.engine.features.feeding import AHEAD_BYTES, Lane, feed, in_portions, lane_to, num_ahead, take_into
from headstart.engine.features.padding import RaggedTensor
from headstart.engine.features.text_pass import TextPass
from headstart.models.network import Network

CPU = torch.device("cpu")


@dataclass
class Pretend:
    """A card without a card: several readers, and results that are fetched when they are asked for, one turn later."""

    readers: int = 3
    waiting: int = 1
    log: list[str] = field(default_factory=list)

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype)

    def send(self, batch: Tensor) -> Tensor:
        self.log.append("send")
        return batch.clone()

    def fetch(self, found: Tensor) -> Callable[[], Tensor]:
        self.log.append("fetch")
        return lambda: self.log.append("wait") or found


LANES: list[Any] = [lane_to(CPU), Pretend(), Pretend(readers=1, waiting=0), Pretend(readers=8, waiting=3)]


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize("ahead", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_every_batch_comes_once_and_in_order(lane: Lane, ahead: int, count: int) -> None:
    found = list(feed(lane, range(count), lambda i: torch.tensor([i]), lambda x: x * 10, ahead=ahead))
    assert [(rows, int(result)) for rows, result in found] == [(i, 10 * i) for i in range(count)]


def test_the_next_batch_is_sent_before_a_result_is_waited_for() -> None:
    lane = Pretend()
    list(feed(lane, range(3), lambda i: torch.tensor([i]), lambda x: x, ahead=2))
    assert lane.log == ["send", "fetch", "send", "fetch", "send", "wait", "fetch", "wait", "wait"]


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_the_error_of_a_reader_is_raised_in_its_turn(lane: Lane) -> None:
    def read(i: int) -> Tensor:
        if i == 2:
            raise OSError("the file is gone")
        return torch.tensor([i])

    results, seen = feed(lane, range(9), read, lambda x: x, ahead=3), []
    with pytest.raises(OSError, match="the file is gone"):
        seen += [rows for rows, _ in results]
    assert seen == [0, 1][: len(seen)]


def test_no_more_is_read_than_was_asked_for() -> None:
    started, computed, lock = [0], [0], threading.Lock()

    def read(i: int) -> Tensor:
        with lock:
            started[0] += 1
        return torch.tensor([i])

    def compute(batch: Tensor) -> Tensor:
        # That which is computed, and those which are ahead of it.
        assert started[0] <= computed[0] + 1 + 3
        computed[0] += 1
        return batch

    assert len(list(feed(Pretend(readers=8), range(50), read, compute, ahead=3))) == 50


def test_who_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    results = feed(Pretend(), range(50), lambda i: torch.tensor([i]), lambda x: x, ahead=4)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_what_is_read_ahead_is_bounded_by_memory() -> None:
    lane = Pretend(readers=16)
    assert num_ahead(lane, 1) == 17
    assert num_ahead(lane, AHEAD_BYTES // 5) == 5
    assert num_ahead(lane, 10 * AHEAD_BYTES) == 2


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int64])
def test_rows_are_gathered_as_they_are(dtype: torch.dtype) -> None:
    inputs = torch.arange(60).view(5, 3, 4).to(dtype)
    rows = np.array([4, 0, 0, 3])
    assert torch.equal(take_into(lane_to(CPU), inputs, rows), inputs[torch.from_numpy(rows)])


def _part() -> Network:
    return Network(
        [nn.Conv2d(2, 3, 1), nn.Flatten()], num_features=27, num_classes=2, prepare=lambda x: x.float() / 9, name="n"
    )


def _written(one: Any) -> np.ndarray:
    target = np.zeros(one.shape, torch.empty(0, dtype=one.dtype).numpy().dtype)
    assert list(one.write(target))[-1] == len(one.distinct)
    return target


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_a_pass_of_bytes_gives_the_same_on_every_way(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = torch.randint(0, 255, (50, 2, 3, 3), dtype=torch.uint8)
    inputs[7] = inputs[30]
    monkeypatch.setattr(extraction, "lane_to", lambda _: lane)
    part = _part()
    with torch.no_grad():
        expected = part(inputs, 0, 2)
    found = _written(Pass(part, inputs, distinct_rows(row_hashes(inputs.numpy())), most_rows=7))
    torch.testing.assert_close(torch.from_numpy(found), expected)


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_a_pass_of_texts_gives_the_same_on_every_way(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = np.random.default_rng(0).integers(1, 9, 40)
    texts = RaggedTensor.of(Ragged(np.arange(lengths.sum()), np.cumsum([0, *lengths])))
    monkeypatch.setattr(text_pass, "lane_to", lambda _: lane)
    part = Network([_Sums()], num_features=1, num_classes=2, prepare=lambda x: x, name="n")
    found = _written(TextPass(part, texts, every_row(40), most_rows=6))
    expected = [values.sum() for values in np.split(np.arange(lengths.sum()), np.cumsum(lengths)[:-1])]
    np.testing.assert_array_equal(found[:, 0], expected)


class _Sums(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.clamp(min=0).sum(-1, keepdim=True)


@contextmanager
def _short_of_memory(part: Network, room: int) -> Iterator[list[int]]:
    """Let the part find memory for so many rows at once."""
    tried: list[int] = []

    def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        tried.append(len(inputs[0]))
        if len(inputs[0]) > room:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    handle = part.blocks[0].register_forward_pre_hook(look)
    yield tried
    handle.remove()


@pytest.mark.parametrize("room", [1, 3, 10])
def test_a_pass_without_memory_goes_on_with_smaller_batches(room: int) -> None:
    inputs, part = torch.randint(0, 255, (40, 2, 3, 3), dtype=torch.uint8), _part()
    one = Pass(part, inputs, every_row(40), most_rows=16)
    with torch.no_grad():
        expected = part(inputs, 0, 2)
    with _short_of_memory(part, room) as tried:
        found = _written(one)
    torch.testing.assert_close(torch.from_numpy(found), expected)
    # Once memory was short, no batch is tried so large again.
    assert sum(1 for rows in tried if rows > room) <= 4


def test_a_row_without_memory_is_the_engines_fault() -> None:
    inputs, part = torch.zeros(9, 2, 3, 3, dtype=torch.uint8), _part()
    one = Pass(part, inputs, every_row(9))
    with _short_of_memory(part, 0), pytest.raises(EngineError, match=r"memory ran out .* lower batch_size"):
        _written(one)


def test_halves_are_put_together_in_order() -> None:
    portions, batch = Portions(3), torch.arange(10)
    assert torch.equal(in_portions(portions, lambda x: x + 1, batch), batch + 1)


class _Recorded:
    """What is asked of CUDA's streams, in order; the numbers stay on the processor."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def wait_stream(self, other: _Recorded) -> None:
        self.log.append(f"{self.name} waits for {other.name}")

    def record(self, stream: _Recorded) -> None:
        self.log.append(f"mark {stream.name}")

    def synchronize(self) -> None:
        self.log.append("the host waits")


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    log: list[str] = []
    names = iter(["there", "back"])
    main, empty, to = _Recorded(log, "computing"), torch.empty, Tensor.to

    @contextmanager
    def stream(one: _Recorded) -> Iterator[None]:
        log.append(f"on {one.name}")
        yield
        log.append(f"off {one.name}")

    def sent(tensor: Tensor, *where: Any, non_blocking: bool = False) -> Tensor:
        return tensor.clone() if non_blocking else to(tensor, *where)

    monkeypatch.setattr(torch.cuda, "Stream", lambda _: _Recorded(log, next(names)))
    monkeypatch.setattr(torch.cuda, "Event", lambda: _Recorded(log, "mark"))
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: main)
    monkeypatch.setattr(torch, "empty", lambda *a, pin_memory=False, **k: empty(*a, **k))
    monkeypatch.setattr(Tensor, "to", sent)
    monkeypatch.setattr(Tensor, "record_stream", lambda _, one: log.append(f"used by {one.name}"))
    return log


def test_a_card_computes_while_it_is_sent_to_and_fetched_from(streams: list[str]) -> None:
    lane = lane_to(torch.device("cuda", 0))

    def compute(batch: Tensor) -> Tensor:
        streams.append("compute")
        return batch * 2

    found = list(feed(lane, range(2), lambda i: torch.tensor([i]), compute, ahead=2))
    assert [int(result) for _, result in found] == [0, 2]
    send = ["on there", "off there", "computing waits for there", "used by computing"]
    fetch = ["back waits for computing", "on back", "mark back", "off back", "used by back"]
    # Two batches: the second is sent once the first is being computed, and the first is waited for only then.
    assert streams == [*send, "compute", *fetch, *send, "compute", *fetch, "the host waits", "the host waits"]
