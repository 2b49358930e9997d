from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import own_networks as networks
from headstart.core.errors import ModelError
from headstart.models.own import Own, given, imported

CODE = """
import torch
from torch import nn

torch.rand(1)

class Net(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.body, self.fc = nn.Linear(3, 16), nn.Linear(16, num_classes)

    def forward(self, x):
        return self.fc(self.body(x).relu())

def build(num_classes):
    return Net(num_classes)

def loaded():
    net = Net()
    with torch.no_grad():
        for value in net.parameters():
            value.fill_(3.0)
    return net

def raises(): raise ValueError("the disk is full\\nand more")
def number(): return 3
def wants(width, num_classes): return Net()
text = "x"
"""


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    (tmp_path / "own_code.py").write_text(CODE)
    (tmp_path / "broken.py").write_text("import nowhere\n")
    (tmp_path / "raising.py").write_text("1 / 0\n")
    return tmp_path


def test_a_function_or_a_class_is_called_and_paths_stay_as_they_were(folder: Path) -> None:
    before, state = list(sys.path), torch.random.get_rng_state()
    for name in ("build", "Net"):
        own = imported(f"own_code:{name}", folder)
        assert own.fresh(7, from_scratch=False).fc.out_features == 7
    assert sys.path == before
    torch.rand(1)
    torch.random.set_rng_state(state)


def test_weights_that_are_always_the_same_were_not_drawn(folder: Path) -> None:
    drawn, loaded = imported("own_code:build", folder), imported("own_code:loaded", folder)
    assert (drawn.draws, drawn.trained) == (True, False)
    assert (loaded.draws, loaded.trained) == (False, True)
    assert loaded.fresh(2, from_scratch=False).body.weight.unique().tolist() == [3.0]
    assert loaded.fresh(2, from_scratch=True).body.weight.abs().max() < 1, "reset_parameters draws them anew"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere:build", "needs the module 'nowhere', which cannot be imported; put it beside the study file"),
        ("broken:build", "needs the module 'nowhere'"),
        ("raising:build", "importing 'raising' raises ZeroDivisionError"),
        ("own_code:bild", "'own_code' has no 'bild'; did you mean 'build'"),
        ("own_code:text", "must be a function or a class, received 'own_code:text', of the type str"),
        ("own_code:raises", "calling 'own_code:raises' raises ValueError: the disk is full; mend it"),
        ("own_code:number", "must return an nn.Module, received int"),
        ("own_code:wants", "callable without arguments .* received one that needs 'width'"),
        ("python:Net-12", "was made in Python; give the module to headstart.Study"),
    ],
)
def test_what_cannot_be_had_is_one_line(name: str, words: str, folder: Path) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        imported(name, folder)
    assert str(caught.value).startswith("model.backbone: ")
    assert "\n" not in str(caught.value)


def test_modules_of_one_name_in_two_folders_are_not_mixed_up(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "clinic_net.py").write_text(
            f"from torch import nn\ndef {place}(): return nn.Linear(2, 2)\n"
        )
    imported("clinic_net:one", tmp_path / "one")
    assert imported("clinic_net:two", tmp_path / "two").module.in_features == 2


def test_an_object_is_copied_and_only_reset_weights_are_random() -> None:
    torch.manual_seed(0)
    module = networks.ViT()
    own = given(module)
    fresh, random = own.fresh(2, from_scratch=False), own.fresh(2, from_scratch=True)
    assert fresh is not module
    assert torch.equal(fresh.blocks[0].attn.qkv.weight, module.blocks[0].attn.qkv.weight)
    assert not torch.equal(random.blocks[0].attn.qkv.weight, module.blocks[0].attn.qkv.weight)
    assert torch.equal(random.pos_embed, module.pos_embed), "no reset_parameters draws it"


def name_of(module: nn.Module) -> str:
    return given(module).name


def test_an_object_is_named_by_content() -> None:
    torch.manual_seed(0)
    one = networks.SmallCnn()
    again = networks.SmallCnn()
    again.load_state_dict(one.state_dict())
    assert name_of(one) == name_of(again)
    with torch.no_grad():
        again.fc2.bias[0] += 1
    assert name_of(one) != name_of(again)
    assert name_of(nn.Sequential(nn.Linear(2, 2))) != name_of(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))


def test_code_that_changes_changes_the_content(folder: Path) -> None:
    def content() -> str:
        found: Own = imported("own_code:build", folder)
        del sys.modules["own_code"]
        return found.content

    before = content()
    assert content() == before
    (folder / "own_code.py").write_text(CODE.replace("relu", "tanh"))
    assert content() != before


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(ModelError, match=r"must be a name or an nn.Module, received int"):
        given(3)  # type: ignore[arg-type]
