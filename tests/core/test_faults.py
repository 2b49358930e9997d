"""Which errors are the engine's, and work in halves where memory is short."""

import errno
import itertools
import weakref

import numpy as np
import pytest
import torch

from headstart.core.arrays import Array
from headstart.core.errors import ClientError, EngineError
from headstart.core.faults import Portions, engine_faults, fault_of, is_out_of_memory


def _of_pytorch() -> RuntimeError:
    """What PyTorch really raises where main memory ends."""
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    return raised.value


MEMORY = {
    "Python's": MemoryError(),
    "a card's": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    "PyTorch's": _of_pytorch(),
    "older PyTorch's": RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    "the system's": OSError(errno.ENOMEM, "Cannot allocate memory"),
    "cuBLAS's": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
}

OTHERS = {
    "two devices": (
        RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cpu and cuda:0!"),
        "tensors lie on two devices",
    ),
    "a layer's": (
        RuntimeError("Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same"),
        "tensors lie on two devices",
    ),
    "forked": (
        RuntimeError("Unable to handle autograd's threading in combination with fork-based multiprocessing."),
        "forked beside a card",
    ),
    "a card fails": (RuntimeError("CUDA error: an illegal memory access was encountered"), "the device failed"),
    "no process": (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "the system gives no more"),
    "a pipe": (BrokenPipeError(errno.EPIPE, "Broken pipe"), "the system gives no more"),
}

CLIENTS = {
    "shapes": RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"),
    "types": RuntimeError("Input type (torch.DoubleTensor) and weight type (torch.FloatTensor) should be the same"),
    "a value": ValueError("not enough memory of last week's readings"),
    "its own": ClientError("it ran out of memory"),
    "a file": OSError(errno.ENOENT, "No such file or directory"),
}


@pytest.mark.parametrize("name", MEMORY)
def test_want_of_memory_is_the_engines_whoever_says_it(name: str) -> None:
    assert is_out_of_memory(MEMORY[name])
    assert "memory ran out" in str(fault_of(MEMORY[name]))
    assert "lower batch_size" in str(fault_of(MEMORY[name]))


@pytest.mark.parametrize("name", OTHERS)
def test_processes_and_devices_are_the_engines(name: str) -> None:
    error, words = OTHERS[name]
    assert not is_out_of_memory(error)
    fault = fault_of(error)
    assert isinstance(fault, EngineError)
    assert words in str(fault)
    assert "engine." in str(fault), "a way out"


@pytest.mark.parametrize("name", CLIENTS)
def test_what_may_be_a_clients_stays_a_clients(name: str) -> None:
    assert fault_of(CLIENTS[name]) is None
    with pytest.raises(type(CLIENTS[name])) as raised, engine_faults():
        raise CLIENTS[name]
    assert raised.value is CLIENTS[name]


def test_the_engines_own_error_is_not_wrapped() -> None:
    error = EngineError("once")
    assert fault_of(error) is error
    with pytest.raises(EngineError) as raised, engine_faults():
        raise error
    assert raised.value is error


def _at_most(room: int) -> tuple[list[int], object]:
    tried: list[int] = []

    def work(some: Array) -> list[int]:
        tried.append(len(some))
        if len(some) > room:
            raise MemoryError
        return some.tolist()

    return tried, work


@pytest.mark.parametrize("room", [1, 2, 3, 7, 100])
def test_portions_keep_their_order_and_leave_nothing_out(room: int) -> None:
    tried, work = _at_most(room)
    portions = Portions()
    found = [found for _, found in portions.each(work, np.arange(20))]  # type: ignore[arg-type]
    assert [*itertools.chain(*found)] == list(range(20))
    # The size that fits is remembered: what comes later is not tried larger.
    before = len(tried)
    assert [len(some) for some, _ in portions.each(work, np.arange(20))] == [len(some) for some in found]  # type: ignore[arg-type]
    assert max(tried[before:]) <= room


def test_one_thing_that_finds_no_memory_raises_it() -> None:
    _, work = _at_most(0)
    with pytest.raises(MemoryError):
        list(Portions().each(work, np.arange(5)))  # type: ignore[arg-type]


def test_another_error_is_not_tried_in_halves() -> None:
    tried: list[int] = []

    def work(some: Array) -> None:
        tried.append(len(some))
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        list(Portions().each(work, np.arange(5)))
    assert tried == [5]


def test_what_a_failed_try_held_is_let_go_before_the_next() -> None:
    class Large:
        pass

    held: list[weakref.ref[Large]] = []

    def work(some: Array) -> int:
        assert not [one for one in held if one() is not None]
        large = Large()
        held.append(weakref.ref(large))
        if len(some) > 1:
            raise MemoryError
        return len(some)

    assert len(list(Portions().each(work, np.arange(4)))) == 4
