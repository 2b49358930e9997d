"""A file's tensors fitted to a module: prefixes, other heads, types, and what does not fit."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from headstart.core.errors import ModelError
from headstart.models import weights
from headstart.models.state import fit_state, open_state, prefix_of, read_state
from pickles import Net, equal, net, saved

OURS = dict(net().state_dict())


def test_the_same_network_fits(tmp_path: Path) -> None:
    state, said = fit_state(Net(), read_state(saved(tmp_path / "w.pth", OURS)), head="fc")
    assert equal(state, OURS)
    assert said == ()


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    weights.save(tmp_path / "w.safetensors", OURS)
    assert equal(read_state(tmp_path / "w.safetensors"), OURS)
    assert open_state(tmp_path / "w.safetensors")[1] == ()


def test_data_parallel(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", {"state_dict": nn.DataParallel(net()).state_dict()})
    state, (said,) = fit_state(Net(), read_state(path), head=None)
    assert equal(state, OURS)
    assert said == "the prefix 'module.' is stripped from 9 of 9 names"


@pytest.mark.parametrize(
    "prefix", ["backbone.", "_orig_mod.", "model.encoder.", "module.net.", "_orig_mod.module.model."]
)
def test_prefixes_of_wrappers_are_stripped(prefix: str) -> None:
    state, (said,) = fit_state(Net(), {prefix + name: value for name, value in OURS.items()}, head=None)
    assert equal(state, OURS)
    assert f"'{prefix}'" in said


def test_a_prefix_that_the_module_has_itself_stays() -> None:
    module = nn.ModuleDict({"encoder": net(), "model": nn.Linear(2, 2)})
    state, said = fit_state(module, module.state_dict(), head=None)
    assert state.keys() == module.state_dict().keys()
    assert said == ()


def test_a_word_that_is_no_prefix_of_wrappers_stays() -> None:
    with pytest.raises(ModelError, match=r"8 not the model's: 'critic\.body"):
        fit_state(Net(), {f"critic.{name}": value for name, value in OURS.items()}, head=None)


def test_what_stands_beside_the_prefix_is_unexpected() -> None:
    state = {f"model.{name}": value for name, value in OURS.items()} | {"loss.weight": torch.ones(2)}
    with pytest.raises(ModelError, match=r"received 10, of which some do.*\n1 not the model's: 'loss\.weight'$"):
        fit_state(Net(), state, head=None)


def test_a_head_of_other_classes_is_left_out_and_that_is_said() -> None:
    state, (said,) = fit_state(Net(2), net(1000).state_dict(), head="fc")
    assert equal(state, {name: value for name, value in net(1000).state_dict().items() if not name.startswith("fc.")})
    assert said == "the head 'fc' of the file has 1,000 outputs and the model 2: it is left out, a new one stands"


def test_a_head_that_the_file_lacks_is_new_and_that_is_said() -> None:
    state = {name: value for name, value in OURS.items() if not name.startswith("fc.")}
    fitted, (said,) = fit_state(Net(), state, head="fc")
    assert equal(fitted, state)
    assert said == "the file has no head 'fc': a new one stands"


def test_another_head_is_a_misfit_where_none_is_named() -> None:
    with pytest.raises(ModelError, match=r"2 of another shape .*: 'fc\.weight' \(1000 x 4, not 2 x 4\), 'fc\.bias'"):
        fit_state(Net(2), net(1000).state_dict(), head=None)


@pytest.mark.parametrize(
    "head",
    [
        {"fc.weight": torch.ones(1000, 7), "fc.bias": torch.ones(1000)},
        {"fc.weight": torch.ones(2, 4)},
        {"fc.weight": torch.tensor(1.0), "fc.bias": torch.ones(2)},
    ],
    ids=["of other features", "without its bias", "a number"],
)
def test_a_head_that_differs_otherwise_is_a_misfit(head: dict[str, torch.Tensor]) -> None:
    state = {name: value for name, value in OURS.items() if not name.startswith("fc.")} | head
    with pytest.raises(ModelError, match=r"'fc\."):
        fit_state(Net(2), state, head="fc")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_other_floats_are_float32_and_that_is_said(kind: torch.dtype, tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", net().to(kind).state_dict())
    state, (said,) = fit_state(Net(), read_state(path), head=None)
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float32}
    assert torch.allclose(state["fc.weight"], OURS["fc.weight"], atol=0.01)
    assert said == f"8 tensors of type {str(kind).removeprefix('torch.')} are read as float32"


def test_integers_do_not_stand_for_floats() -> None:
    with pytest.raises(ModelError, match=r"1 of another shape or type: 'fc\.bias' \(2 of int8, not 2\)"):
        fit_state(Net(), {**OURS, "fc.bias": torch.zeros(2, dtype=torch.int8)}, head=None)


def test_counts_of_batches_may_miss() -> None:
    state = {name: value for name, value in OURS.items() if not name.endswith("num_batches_tracked")}
    assert equal(fit_state(Net(), state, head=None)[0], state)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ModelError, match=r"weights: the file: all weights must be finite.*'fc\.bias'"):
        fit_state(Net(), {**OURS, "fc.bias": torch.tensor([1.0, bad])}, head=None)


def test_a_number_too_large_for_float32_is_refused() -> None:
    with pytest.raises(ModelError, match="must be finite"):
        fit_state(Net(), {**OURS, "fc.bias": torch.tensor([1.0, 1e300], dtype=torch.float64)}, head=None)


def test_all_that_does_not_fit_is_one_error() -> None:
    state = {name.replace("body", "trunk"): value for name, value in OURS.items()} | {"fc.bias": torch.ones(3)}
    with pytest.raises(ModelError) as error:
        fit_state(Net(), state, head=None)
    first, *lines = str(error.value).splitlines()
    assert "must hold the model's 9 tensors, received 9, of which some do not fit; give weights of this" in first
    assert [line.partition(":")[0] for line in lines] == [
        "6 missing from the file",
        "6 not the model's",
        "1 of another shape or type",
    ]


def test_the_module_is_not_changed() -> None:
    module = net(seed=1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state, _ = fit_state(module, OURS, head=None)
    assert equal(dict(module.state_dict()), before)
    module.load_state_dict(state)
    images = torch.ones(2, 1, 6, 6)
    assert torch.equal(module(images), net()(images))


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (["module.model.a.w", "module.model.b.w"], "module.model."),
        (["module.model.a.w", "module.b.w"], "module."),
        (["model.a.w", "loss.w"], ""),
        ([], ""),
    ],
)
def test_the_prefix_of_all_names(names: list[str], prefix: str) -> None:
    assert prefix_of({name: torch.ones(1) for name in names}) == prefix
