"""The page "Add a method": its code runs as printed, and what it adds is everywhere."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import headstart
from headstart import adapt, federate
from headstart.core.errors import SettingError
from headstart.core.files import read_json_lines
from headstart.core.registry import Entry
from headstart.engine.rounds import run_rounds
from headstart.federate import FedAvg
from headstart.federate.fedper import OwnHead
from headstart.study.study import Study
from headstart.testing import FEDERATE_CHECKS, check_federate, open_world
from headstart.testing.federate import FederateCheck

from .test_habits import code_lines

PAGE = Path(headstart.__file__).parents[2] / "docs" / "add-a-method.md"
STUDY = """
name  = "fedper"
seeds = [0, 1]

[data]
source = "rows.parquet"
client = "site"
held_out_clients = 0.25

[model]
backbone = "mlp"

[arms.fedper]
start    = "random"
federate = { method = "fedper", rounds = 3, cohort_size = 4, client_lr = 0.1, batch_size = 8 }
adapt    = "linear_probe"

[arms.kept]
start    = "random"
federate = { method = "fedper", rounds = 3, cohort_size = 4, client_lr = 0.1, batch_size = 8 }

[decision]
baseline = "kept"
metric   = "accuracy"
"""


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == 7
    return found


@pytest.fixture
def page(blocks: list[str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's parts, imported, and its lines, in the tables."""
    module = ModuleType("headstart_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(module).update(Entry=Entry, FedAvg=FedAvg, OwnHead=OwnHead)
    for code in (blocks[1], blocks[3]):
        exec(compile(code, str(PAGE), "exec"), vars(module))
    for table, line in ((federate.METHODS, blocks[0]), (federate.METHODS, blocks[2]), (adapt.METHODS, blocks[4])):
        for name, entry in eval("{" + line + "}", vars(module)).items():
            monkeypatch.setitem(table, name, entry)
    return module


@pytest.mark.parametrize("block", [1, 3], ids=["fedmom", "bitfit"])
def test_a_part_is_ten_lines(blocks: list[str], block: int) -> None:
    assert len(code_lines(blocks[block])) <= 10


def test_the_checks_run(blocks: list[str], page: ModuleType) -> None:
    exec(compile(blocks[5], str(PAGE), "exec"), vars(page))


def test_the_study_runs(blocks: list[str], page: ModuleType) -> None:
    exec(compile(blocks[6], str(PAGE), "exec"), {})


@pytest.mark.parametrize("name", ["fedper", "fedmom"])
@pytest.mark.parametrize("check", FEDERATE_CHECKS, ids=lambda check: check.__name__.lstrip("_").removeprefix("check_"))
def test_new_entries_are_in_the_conformance_suite(check: FederateCheck, name: str, page: ModuleType) -> None:
    check(federate.METHODS[name].build({}), open_world("all"))


def test_only_the_body_crosses_the_network(page: ModuleType) -> None:
    world = open_world("all")
    method = federate.METHODS["fedper"].build({"rounds": 1})
    clients = [client for client in world.federation.seen_clients if len(client.train)]
    run = run_rounds(method, world.model, world.params, clients, world.activations, engine=world.engine, seed=0)
    body = sum(4 * value.numel() for name, value in world.params.items() if not name.startswith("head."))
    assert (run.traffic.download, run.traffic.upload) == (body * len(clients), body * len(clients))
    heads = [run.privates[client.id]["head.bias"] for client in clients]
    assert not any(torch.equal(heads[0], other) for other in heads[1:])


def test_a_cut_that_leaves_nothing_to_share_is_refused() -> None:
    world, fedper = open_world("head"), FedAvg(sharing=OwnHead())
    with pytest.raises(SettingError, match=r"federate\.trainable: must leave the clients something to share"):
        run_rounds(
            fedper,
            world.model,
            world.params,
            world.federation.seen_clients,
            world.activations,
            engine=world.engine,
            seed=0,
        )
    with pytest.raises(AssertionError):
        check_federate(fedper, backbone="small-cnn", engine=NoPrivateState(world.engine))


class NoPrivateState:
    """An engine that loses what clients keep."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def crew(self, job: Any) -> Any:
        def forgetful(*arguments: Any) -> Any:
            return (job.work(*arguments)[0], {})

        return self.engine.crew(replace(job, work=forgetful))


def test_private_state_survives_a_whole_study(tmp_path: Path, page: ModuleType) -> None:
    """Tuned, gated, run, stored, resumed: the second time nothing is computed, and held-out clients are evaluated."""
    rng = np.random.default_rng(0)
    rows = {f"x{i}": rng.normal(size=160) for i in range(4)}
    labels = (rows["x0"] > 0).astype(int)
    table = pa.table({**rows, "label": labels, "site": [f"s{i % 8}" for i in range(160)]})
    pq.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "fedper.toml").write_text(STUDY)

    def run() -> list[dict[str, Any]]:
        outcome = Study.load(tmp_path / "fedper.toml").run(tmp_path / "out")
        assert not outcome.stopped
        return read_json_lines(tmp_path / "out" / "records.jsonl")

    first, second = run(), run()
    assert first == second
    runs = sorted((line["arm"], line["seed"]) for line in first)
    assert runs == [("fedper", 0), ("fedper", 1), ("kept", 0), ("kept", 1)]
    assert min(line["metrics"]["client_accuracy"] for line in first) > 0.6
    assert all(line["metrics"]["unseen_client_accuracy"] is not None for line in first)
    # Columns, hidden units and their bias; a head of 64 x 2 and its bias stay at home.
    body = (64 * 4 + 64) * 4
    assert {(line["costs"]["rounds"], line["curve"][-1]["bytes"]) for line in first} == {(3, 2 * 3 * 4 * body)}
    assert {line["says"].split(";")[1] for line in first} == {" clients train a body together under heads of their own"}
