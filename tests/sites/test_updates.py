"""Averaging methods over sites under noise: each site clips and adds its own, and the sum has a round's."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart.core.errors import ClientError, SettingError
from headstart.core.progress import Silent
from headstart.core.trees import Tree
from headstart.report import load_run, to_markdown
from headstart.sites.ledger import Ledger, epsilon
from headstart.sites.settings import Budget, Protection
from headstart.sites.site import Site
from headstart.study.run.nodes import NodeStore
from headstart.study.run.promises import promised
from headstart.study.written.arms import Arm
from headstart.study.written.load import StudyFile
from headstart.testing.compare import assert_same
from headstart.training.accountant import Releases, epsilon_of
from sites.attacked import NAMES, Requests, answered, changed, made, ready, requests, site_of
from sites.in_process import InProcess, at_sites, lost, opened, run_arm, spoils

CLIP = 0.05


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("updates")


@pytest.fixture(scope="module")
def file(folder: Path) -> StudyFile:
    return made(folder, 120)


@pytest.fixture(scope="module")
def asked(file: StudyFile, folder: Path) -> Requests:
    return requests(file, folder, "fedavg")


def noisy(asked: Requests, noise: float, *, fewest: int = 1, number: int = 0, clip: float = CLIP) -> tuple[str, Tree]:
    """Return the request for an update with these settings."""
    text, tree = asked["update"]
    settings = {**json.loads(text)["stage"]["method"]["settings"], "clip_norm": clip, "noise_multiplier": noise}
    return changed(text, {"stage.method.settings": settings, "fewest": fewest, "round": number}), tree


def site(folder: Path, file: StudyFile, asked: Requests, state: str, **options: Any) -> Site:
    return ready(site_of(folder, state=state, **options), file, asked)


def norm(tree: Tree) -> float:
    return float(torch.cat([value.flatten().double() for value in tree.values()]).norm())


def test_an_update_is_clipped_before_it_leaves(file: StudyFile, folder: Path, asked: Requests) -> None:
    one = site(folder, file, asked, "clipped")
    assert norm(answered(one, "update", *asked["update"])[1]) > CLIP
    _, sent = answered(one, "update", *noisy(asked, 0.0))
    assert norm(sent) == pytest.approx(CLIP, rel=1e-4)


@pytest.mark.parametrize("fewest", [1, 4])
def test_the_noise_is_its_share_of_the_rounds(fewest: int, file: StudyFile, folder: Path, asked: Requests) -> None:
    one = site(folder, file, asked, f"share-{fewest}")
    _, plain = answered(one, "update", *noisy(asked, 0.0))
    # Each round is another release, with noise of its own.
    sent = [answered(one, "update", *noisy(asked, 2.0, fewest=fewest, number=number)) for number in range(60)]
    drawn = torch.cat([(tree[name] - plain[name]).flatten() for _, tree in sent for name in plain])
    share = 2.0 / fewest**0.5
    # One example may turn a clipped update around: it changes by two clip norms.
    assert {said["noise"] for said, _ in sent} == {share / 2}
    assert float(drawn.std()) == pytest.approx(share * CLIP, rel=0.25)


def test_the_same_round_has_the_same_noise_again_and_is_charged_once(
    file: StudyFile, folder: Path, asked: Requests
) -> None:
    one = site(folder, file, asked, "again", noise=1.0)
    _, first = answered(one, "update", *noisy(asked, 2.0))
    for _ in range(3):
        _, again = answered(one, "update", *noisy(asked, 2.0))
        assert all(torch.equal(again[name], first[name]) for name in first)
    assert Ledger(one.state, one.name, one.budget).spent == pytest.approx(epsilon([1.0]))
    _, other = answered(one, "update", *noisy(asked, 2.0, number=1))
    assert not any(torch.equal(other[name], first[name]) for name in first)
    assert Ledger(one.state, one.name, one.budget).spent == pytest.approx(epsilon([1.0, 1.0]))


def test_a_site_that_asks_for_noise_sends_no_update_with_less(file: StudyFile, folder: Path, asked: Requests) -> None:
    one = site(folder, file, asked, "asks", noise=1.0)
    said, sent = answered(one, "update", *noisy(asked, 2.0, fewest=4))
    assert "'north' sends updates under noise of 1 sensitivities or more, and its share of" in said["error"]
    assert "this method's is 0.5; raise noise_multiplier by 2 times" in said["error"]
    assert not sent
    said, sent = answered(one, "update", *asked["update"])
    assert "sends nothing without noise, and an update of this method has none" in said["error"]
    assert not sent
    assert answered(one, "update", *noisy(asked, 4.0, fewest=4))[1]


def test_a_budget_ends_it(file: StudyFile, folder: Path, asked: Requests) -> None:
    one = site(folder, file, asked, "budget", noise=1.0, budget=Budget(epsilon=7.0))
    errors = [answered(one, "update", *noisy(asked, 2.0, number=number))[0].get("error") for number in range(4)]
    assert errors[:2] == [None, None]
    assert all("has spent epsilon" in str(error) for error in errors[2:])


def private(file: StudyFile, **settings: Any) -> Arm:
    method = {"method": "fedavg", "rounds": 2, "client_lr": 0.05, "clip_norm": CLIP, "noise_multiplier": 1.0}
    return Arm("private", start="random", federate={**method, **settings})


def sites(folder: Path, state: str, **options: Any) -> list[Site]:
    return [site_of(folder, name, state, **options) for name in NAMES]


def test_a_run_divides_by_all_sites_and_adds_no_noise_of_the_server(
    file: StudyFile, folder: Path, tmp_path: Path
) -> None:
    """With next to no noise it is what a simulation comes to: clipped, of equal weights."""
    quiet = private(file, noise_multiplier=1e-9)
    found = run_arm(opened(file, InProcess(sites(folder, "quiet")), tmp_path / "out"), quiet)
    clipped = run_arm(
        opened(file, InProcess(sites(folder, "clip")), tmp_path / "other"), private(file, noise_multiplier=0.0)
    )
    assert found["rounds"] == 2
    for name in NAMES:
        assert found["clients"][name]["metrics"]["test"]["log_loss"] == pytest.approx(
            clipped["clients"][name]["metrics"]["test"]["log_loss"], abs=1e-5
        )


def test_a_run_under_noise_ends_and_sites_with_noise_take_part(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    """Of three sites two may answer at least: each adds noise of 3 over their root, 2.12 clip norms."""
    covered = sites(folder, f"noisy/{tmp_path.name}", noise=1.0, budget=Budget(epsilon=50.0))
    found = run_arm(opened(file, InProcess(covered), tmp_path / "out"), private(file, noise_multiplier=3.0))
    assert (found["rounds"], found["excluded"]) == (2, [])
    for one in covered:
        assert Ledger(one.state, one.name, one.budget).spent == pytest.approx(epsilon([3.0 / 2**0.5 / 2] * 2))


def test_sites_whose_noise_is_more_than_their_share_are_named(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    some = [*sites(folder, "some")[:2], site_of(folder, NAMES[2], "some", noise=9.0)]
    server = opened(file, InProcess(some), tmp_path / "out", tell=told.append)
    run_arm(server, private(file, noise_multiplier=3.0))
    assert any(
        "'south' takes no part in fedavg: its updates leave under noise of 9 sensitivities" in one for one in told
    )


def test_a_site_that_is_lost_adds_nothing_and_too_few_stop_the_run(
    file: StudyFile, folder: Path, tmp_path: Path
) -> None:
    server = opened(file, InProcess(sites(folder, "few"), spoils("update", lost)), tmp_path / "out")
    found = run_arm(server, private(file))
    assert {one["client"] for one in found["excluded"]} == {NAMES[1]}
    with pytest.raises(ClientError, match="whose noise together is less than noise_multiplier says: it takes 2; lower"):
        run_arm(server, private(file, client_dropout=0.9))


def test_sites_are_not_drawn_under_noise(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    server = opened(file, InProcess(sites(folder, "drawn")), tmp_path / "out")
    with pytest.raises(
        SettingError, match=r"federate\.cohort_size: must be that of all 3 sites, .* received 2: who is"
    ):
        run_arm(server, private(file, cohort_size=2))


def test_under_masks_noise_adds_up_and_the_server_sees_no_share_of_it(
    file: StudyFile, folder: Path, tmp_path: Path
) -> None:
    quiet, secure = private(file, noise_multiplier=1e-9), Protection(secure=True)
    hidden = opened(file, InProcess(sites(folder, "hidden", masked=True)), tmp_path / "out", asks=secure)
    seen = opened(file, InProcess(sites(folder, "seen")), tmp_path / "other")
    found, other = run_arm(hidden, quiet), run_arm(seen, quiet)
    assert (found["rounds"], found["excluded"]) == (2, [])
    assert found["accepted"] == other["accepted"]
    masked, plain = (at_sites(server).pipeline(NodeStore(server.out), 0, Silent()) for server in (hidden, seen))
    ends = [pipeline.trunk(quiet).shared.common for pipeline in (masked, plain)]
    assert_same("under masks and without", *ends, 1e-4)
    assert (masked.work.is_masked, plain.work.is_masked) == (True, False)


def test_both_epsilons_are_said(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    server = opened(file, InProcess(sites(folder, "said")), tmp_path / "out")
    found = promised(private(file), server.lab.federation, 1, lost=0.5)
    assert found is not None
    assert found["epsilon"] == pytest.approx(epsilon_of([Releases(2, 1.0, 1.0)], 1e-5))
    assert found["to_server"] == pytest.approx(epsilon_of([Releases(2, 1.0, 2**-0.5)], 1e-5))
    hidden = promised(private(file), server.lab.federation, 1, lost=0.5, masked=True)
    assert hidden == {**found, "to_server": None}
    assert hidden["own_noise"]


def test_a_study_over_sites_says_both_in_its_reports(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    arms = (private(file, noise_multiplier=3.0), *(arm for arm in file.arms if arm.name == "ridge"))
    server = opened(replace(file, arms=arms), InProcess(sites(folder, f"study/{tmp_path.name}")), tmp_path / "out")
    at_sites(server).run(tmp_path / "out")
    text = to_markdown(load_run(tmp_path / "out"))
    assert "towards the server, which sees each update" in text
    assert "Sites draw their noise themselves" in text
    assert "In a simulation" not in text


def hiding(asked: Requests, number: int = 0) -> tuple[str, Tree]:
    """Return the request for an update that hides single examples."""
    text, tree = asked["update"]
    settings = {**json.loads(text)["stage"]["method"]["settings"], "example_clip": 0.5, "example_noise": 1.0}
    return changed(text, {"stage.method.settings": settings, "round": number}), tree


def test_noise_on_single_examples_is_the_sites_own_and_the_same_for_the_same_request(
    file: StudyFile, folder: Path, asked: Requests
) -> None:
    """Nobody who knows the seed can draw it, and asking twice does not average it away."""
    first, second = (site(folder, file, asked, state, policy="updates") for state in ("hides-1", "hides-2"))
    text, tree = hiding(asked)
    updates = [answered(one, "update", text, tree)[1] for one in (first, first, second)]
    assert_same("asked twice", updates[0], updates[1])
    assert not torch.equal(updates[0]["head.weight"], updates[2]["head.weight"])
    other = {name: value + 0.1 for name, value in tree.items()}
    assert not torch.equal(answered(first, "update", text, other)[1]["head.bias"], updates[0]["head.bias"])
