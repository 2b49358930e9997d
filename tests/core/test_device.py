from __future__ import annotations

import pytest
import torch

from headstart.core.device import (
    CPU,
    check_precision,
    check_processor,
    find_device,
    fits,
    lowered,
    name_of,
    placed,
    rounding,
)
from headstart.core.errors import SettingError

CARD = torch.device("cuda", 0)


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two cards of NVIDIA's, as far as PyTorch says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "T4")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 2000))
    monkeypatch.setattr(torch.version, "cuda", "13.0")


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without one, and PyTorch's build for the processor."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.version, "cuda", None)


@pytest.mark.usefixtures("two_cards")
def test_auto_takes_the_first_card() -> None:
    assert [find_device(name) for name in ("auto", "cuda", "cuda:1", "cpu")] == [
        CARD,
        CARD,
        torch.device("cuda", 1),
        CPU,
    ]


@pytest.mark.usefixtures("no_card")
def test_auto_is_the_processor_where_there_is_no_card() -> None:
    assert find_device("auto") == CPU


@pytest.mark.usefixtures("no_card")
def test_a_build_for_the_processor_says_how_to_get_another() -> None:
    with pytest.raises(SettingError, match=r"received 'cuda': PyTorch .* the processor alone; .*pip install --force"):
        find_device("cuda")


@pytest.mark.usefixtures("no_card")
def test_a_build_for_cards_that_finds_none_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(SettingError, match=r"built for CUDA 13.0, finds no card; check the driver with nvidia-smi"):
        find_device("cuda")


@pytest.mark.usefixtures("two_cards")
def test_a_card_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(SettingError, match=r"received 'cuda:2': .*cuda:0 \(T4\), cuda:1 \(T4\)"):
        find_device("cuda:2")


def test_a_device_without_float64_is_refused() -> None:
    with pytest.raises(SettingError, match=r"must have float64, .* received 'mps'"):
        find_device("mps")


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_an_old_card_rounds_nothing(precision: str) -> None:
    with pytest.raises(SettingError, match=f"'{precision}' .*2020.* 'T4'; write precision = 'float32'"):
        check_precision(CARD, precision)  # type: ignore[arg-type]
    check_precision(CARD, "float32")


def test_the_processor_knows_bfloat16_and_no_tf32() -> None:
    check_precision(CPU, "bf16")
    with pytest.raises(SettingError, match="'tf32' is for NVIDIA's cards"):
        check_precision(CPU, "tf32")


@pytest.mark.usefixtures("two_cards")
def test_data_may_take_half_of_what_is_free() -> None:
    assert (fits(500, CARD), fits(501, CARD), fits(501, CPU)) == (True, False, True)
    assert (name_of(CARD), name_of(CPU)) == ("T4", "cpu")


@pytest.mark.parametrize(("precision", "rounds"), [("float32", False), ("tf32", True), ("bf16", False)])
def test_a_card_rounds_products_of_float32_only_where_that_is_asked(precision: str, rounds: bool) -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with rounding(CARD, precision):  # type: ignore[arg-type]
        assert torch.get_float32_matmul_precision() == ("high" if rounds else "highest")
        assert torch.backends.cudnn.allow_tf32 is rounds
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_bfloat16_is_of_float32_alone() -> None:
    ones = torch.ones(2, 2)
    with lowered(CPU, "bf16"):
        assert (ones @ ones).dtype == torch.bfloat16
        assert (ones.double() @ ones.double()).dtype == torch.float64
    with lowered(CPU, "float32"):
        assert (ones @ ones).dtype == torch.float32


def test_what_is_there_already_is_not_copied(card: torch.device) -> None:
    tree = {"w": torch.ones(2)}
    assert placed(tree, CPU)["w"] is tree["w"]
    there = placed(tree, card)
    assert there["w"].device.type == card.type
    assert placed(there, there["w"].device)["w"] is there["w"]


@pytest.mark.parametrize(("device", "precision"), [("cuda", "float32"), ("auto", "bf16")])
def test_sites_have_processors_alone(device: str, precision: str) -> None:
    check_processor("auto", "float32")
    with pytest.raises(SettingError, match=f"received device = '{device}' and precision = '{precision}'"):
        check_processor(device, precision)  # type: ignore[arg-type]
