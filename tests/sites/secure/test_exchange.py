"""Arms and probes under masks have the numbers of those without, whichever site is lost and when."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart.core.errors import ClientError, SettingError
from headstart.core.trees import Tree
from headstart.sites.probe.server import run_probe
from headstart.sites.server import Server
from headstart.sites.settings import Protection
from headstart.sites.transport import Request
from headstart.study.written.load import StudyFile, load_study
from sites.in_process import NAMES, InProcess, Spoil, arm_of, losses, lost, opened, run_arm, simulated, sites_of, spoils

SECURE = Protection(secure=True)
Change = Callable[[str, Tree], tuple[str, Tree]]
STEPS = ("keys", "shares", "update", "reveal")


def secured(file: StudyFile, folder: Path, out: Path, spoil: Spoil | None = None, **options: Any) -> Server:
    sites = sites_of(folder, out / "sites", **options)
    return opened(file, InProcess(sites, spoil), out / "out", asks=SECURE)


@pytest.mark.parametrize("name", ["fedavg", "ridge", "both"])
def test_the_numbers_are_the_simulations(name: str, folder: Path, file: StudyFile, tmp_path: Path) -> None:
    found = run_arm(secured(file, folder, tmp_path), arm_of(file, name))
    assert found["excluded"] == []
    assert losses(found) == pytest.approx(simulated(file, name, tmp_path / "simulation"), abs=1e-4)


def test_covered_sites_take_part_in_means(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    server = secured(file, folder, tmp_path, masked=True)
    found = run_arm(server, arm_of(file, "fedavg"))
    assert (found["excluded"], set(found["clients"])) == ([], {*NAMES})


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("arm", ["ridge", "fedavg"])
def test_a_site_that_is_lost_at_any_step_costs_itself_alone(
    arm: str, step: Any, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    """Lost before its values, a site is out of that round as without masks; lost after them, it is in it."""
    found = run_arm(secured(file, folder, tmp_path / "masks", spoils(step, lost)), arm_of(file, arm))
    gone = [(one["client"], one["reason"]) for one in found["excluded"]]
    plain = InProcess(sites_of(folder, tmp_path / "plain"), None if step == "reveal" else spoils("update", lost))
    right = run_arm(opened(file, plain, tmp_path / "plain"), arm_of(file, arm))
    assert gone == [(one["client"], one["reason"]) for one in right["excluded"]]
    assert bool(gone) == (step != "reveal")
    assert losses(found) == pytest.approx(losses(right), abs=1e-4)


@pytest.mark.parametrize("step", STEPS)
def test_with_too_few_left_a_round_fails_with_a_clear_word(
    step: Any, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    def two_are_lost(request: Request, said: str, tree: Tree) -> tuple[str, Tree]:
        return lost(said, tree) if request.kind == step and request.site in (1, 2) else (said, tree)

    what = {"keys": "keys", "shares": "shares", "update": "values", "reveal": "the last shares"}[step]
    words = rf"secure sums: {what} of 2 of 4 clients came, and it takes 3 \('.*': it did not answer within 600 s; '.*'"
    with pytest.raises(ClientError, match=words):
        run_arm(secured(file, folder, tmp_path, two_are_lost), arm_of(file, "ridge"))


def test_fewer_than_three_do_not_begin(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "sites", NAMES[:2]))
    server = opened(file, ask, tmp_path / "out", asks=SECURE)
    with pytest.raises(ClientError, match=r"keys of 2 of 2 clients came, and it takes 3 \(no more were asked\)"):
        run_arm(server, arm_of(file, "fedavg"))
    assert "update" not in {kind for _, kind, _ in ask.asked}


@pytest.mark.parametrize("step", ["keys", "shares", "sums", "reveal"])
def test_a_probe_bears_a_lost_site(step: Any, folder: Path, file: StudyFile, tmp_path: Path) -> None:
    found = run_probe(secured(file, folder, tmp_path / "masks", spoils(step, lost)))
    plain = InProcess(sites_of(folder, tmp_path / "plain"), None if step == "reveal" else spoils("sums", lost))
    right = run_probe(opened(file, plain, tmp_path / "plain"))
    assert found["penalty"] == right["penalty"]
    assert list(found["left_out"]) == list(right["left_out"]) == ([] if step == "reveal" else ["east"])
    for name in NAMES:
        assert found["scores"][name] == pytest.approx(right["scores"][name], abs=1e-5)


def _other_names(said: str, tree: Tree) -> tuple[str, Tree]:
    table = json.loads(said)
    part = table.get("sealed") or table["own"]
    del part["west"]
    return json.dumps(table), tree


@pytest.mark.parametrize(
    ("step", "change", "reason"),
    [
        ("keys", lambda said, tree: ("{", tree), "its answer: it "),
        ("shares", _other_names, "field names must be those of the exchange"),
        ("update", lambda said, tree: (said, {n: v.double() for n, v in tree.items()}), "torch.float64"),
        ("update", lambda said, tree: (said, dict(list(tree.items())[1:])), "other tensors"),
    ],
)
def test_a_bad_answer_is_named_and_the_round_goes_on(
    step: Any,
    change: Callable[[str, Tree], tuple[str, Tree]],
    reason: str,
    folder: Path,
    file: StudyFile,
    tmp_path: Path,
) -> None:
    found = run_arm(secured(file, folder, tmp_path, spoils(step, change)), arm_of(file, "fedavg"))
    assert [one["client"] for one in found["excluded"]] == ["east"] * 3
    assert all(reason in one["reason"] for one in found["excluded"])


def test_a_false_share_is_passed_over(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    """Three of four shares are enough, and by its hash a seed is known to be right."""

    def false(said: str, tree: Tree) -> tuple[str, Tree]:
        table = json.loads(said)
        return json.dumps({**table, "own": dict.fromkeys(table["own"], "0" * 32)}), tree

    found = run_arm(secured(file, folder, tmp_path, spoils("reveal", false)), arm_of(file, "fedavg"))
    assert found["excluded"] == []
    assert losses(found) == pytest.approx(simulated(file, "fedavg", tmp_path / "simulation"), abs=1e-4)


def test_a_false_weight_or_a_giant_mean_ends_the_run(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    def heavier(said: str, tree: Tree) -> tuple[str, Tree]:
        return said, {name: value + 2**36 if name == "/weight" else value for name, value in tree.items()}

    def giant(said: str, tree: Tree) -> tuple[str, Tree]:
        return said, {name: value if name == "/weight" else value + 2**50 for name, value in tree.items()}

    for number, (change, words) in enumerate(
        ((heavier, "their weights must be about 4 together, received 20"), (giant, "the norm of the mean is .* times"))
    ):
        server = secured(file, folder, tmp_path / str(number), spoils("update", change))
        with pytest.raises(ClientError, match=f"secure means: {words}"):
            run_arm(server, arm_of(file, "fedavg"))


def _study(folder: Path, out: Path, more: str) -> StudyFile:
    text = (folder / "study.toml").read_text().replace("local_epochs = 1 }", f"local_epochs = 1, {more} }}", 1)
    (out / "study.toml").write_text(text)
    return load_study(out / "study.toml")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('aggregate = "median"', "--secure: 'fedavg' combines updates by their median, for which the server must see"),
        ('aggregate = "krum"', "by their krum"),
        ("cohort_size = 2", "asks 2 clients a round, and it takes 3 to hide each other's updates"),
    ],
)
def test_what_masks_make_impossible_is_refused_before_any_work(
    more: str, words: str, folder: Path, tmp_path: Path
) -> None:
    file = _study(folder, tmp_path, more)
    server = secured(file, folder, tmp_path)
    with pytest.raises(SettingError, match=words):
        run_arm(server, arm_of(file, "fedavg"))
    assert isinstance(server.ask.ask, InProcess)
    assert {kind for _, kind, _ in server.ask.ask.asked} <= {"hello", "start"}


def test_a_huge_update_of_an_honest_site_stays_there(folder: Path, tmp_path: Path) -> None:
    file = _study(folder, tmp_path, "client_lr = 1e4")
    with pytest.raises(ClientError, match=r"hides no update whose norm is \d+ times the shared weights|larger one"):
        run_arm(secured(file, folder, tmp_path), arm_of(file, "fedavg"))


@pytest.mark.parametrize("lost_step", [None, "update"])
def test_no_site_weighs_more_than_the_others_or_it_is_said(
    lost_step: Any, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    """Of north's 60 rows, most of the others' are taken away."""
    import pyarrow.parquet as pq

    (tmp_path / "data").mkdir()
    for name, rows in zip(NAMES, (60, 20, 20, 20), strict=True):
        table = pq.read_table(folder / f"{name}.parquet")
        pq.write_table(table.slice(0, rows), tmp_path / "data" / f"{name}.parquet")
    told: list[str] = []
    sites = sites_of(tmp_path / "data", tmp_path / "sites")
    ask = InProcess(sites, spoils(lost_step, lost) if lost_step else None)
    server = opened(file, ask, tmp_path / "out", asks=SECURE, tell=told.append)
    found = run_arm(server, arm_of(file, "fedavg"))
    plain = InProcess(sites_of(tmp_path / "data", tmp_path / "plain"))
    right = run_arm(opened(file, plain, tmp_path / "right"), arm_of(file, "fedavg"))
    heavy = "weighs more than the others of this round together, uncapped: of these, some were lost"
    assert any(heavy in line for line in told) == bool(lost_step)
    if not lost_step:
        assert losses(found) == pytest.approx(losses(right), abs=1e-4)
        assert found["learnt"] == right["learnt"]
    assert torch.isfinite(torch.tensor(list(losses(found).values()))).all()
