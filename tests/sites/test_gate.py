"""What passes a site's gate: sums of enough examples, under the covers that its operator asks for."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart.core.trees import Tree, map_tree
from headstart.data.agreement import Agreement
from headstart.data.standardize import ColumnSums
from headstart.federate.closed_form import pack_symmetric
from headstart.sites.answers import Kind
from headstart.sites.gate import Gate
from headstart.sites.ledger import Ledger, epsilon
from headstart.sites.secure.messages import Keyed
from headstart.sites.settings import Budget, Protection
from headstart.sites.site import Site
from headstart.sites.wire import write
from headstart.study.written.load import StudyFile
from sites.attacked import (
    NAMES,
    Requests,
    answered,
    changed,
    made,
    patients,
    ready,
    requests,
    site_of,
    sums_asked,
)
from sites.exchanged import Round, parties
from sites.federations import losses_on_test
from sites.in_process import InProcess, arm_of, opened, run_arm

SUM_METHODS = ("ridge", "lda", "ncm")
TELLING: tuple[Kind, ...] = ("update", "sums", "heads", "count")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def file(folder: Path) -> StudyFile:
    return made(folder, 120)


@pytest.fixture(scope="module")
def asked(file: StudyFile, folder: Path) -> Requests:
    return requests(file, folder)


def masks(asked_of: Site, folder: Path, exchange: str) -> dict[str, Any]:
    """Return masks of two other sites that a lying server made up."""
    run = Round(parties(folder, ("x", "y")), threshold=3, name=exchange)
    keys, _ = answered(asked_of, "keys", json.dumps({"exchange": exchange}), {})
    shares = run.keyed(run.sites)
    shares = replace(shares, keys={**shares.keys, asked_of.name: Keyed(**keys)})
    said, _ = answered(asked_of, "shares", write(shares), {})
    sealed = {name: one.shares(shares).sealed[asked_of.name] for name, one in run.sites.items()}
    return {"exchange": exchange, "sealed": {**sealed, asked_of.name: said["sealed"][asked_of.name]}}


@pytest.mark.parametrize("count", [1, 2, 3, 19])
@pytest.mark.parametrize("covered", [False, True], ids=["open", "noisy"])
def test_a_site_with_a_few_examples_is_not_read(count: int, covered: bool, tmp_path: Path) -> None:
    file = made(tmp_path, 120, 'standardize = "none"\ncolumns = ["age", "dose"]\nclasses = ["sick", "well"]')
    asked = requests(file, tmp_path)
    lines = (tmp_path / "north.csv").read_text().splitlines()
    (tmp_path / "north.csv").write_text("\n".join(lines[: count + 1]) + "\n")
    site = ready(site_of(tmp_path, noise=1.0 if covered else 0.0), file, asked)
    for kind in ("adapt", *TELLING):
        said, sent = answered(site, kind, *asked[kind])
        assert not sent
        assert "error" in said or (said["accepted"], said["metrics"], said["learnt"]) == (None, {}, None)
    (said, _), (agreed, _) = answered(site, "adapt", *asked["adapt"]), answered(site, "agree", *asked["agree"])
    assert "'north' has fewer than 20 " in said["kept_back"]
    assert agreed["sums"] is None


def test_a_site_with_enough_examples_is_asked_as_ever(file: StudyFile, folder: Path, asked: Requests) -> None:
    site = ready(site_of(folder, state="ever"), file, asked)
    for kind in ("adapt", *TELLING):
        said, _ = answered(site, kind, *asked[kind])
        assert "error" not in said


@pytest.mark.parametrize("method", [*SUM_METHODS, "probe"])
def test_open_sums_of_a_class_of_few_examples_stay(method: str, tmp_path: Path) -> None:
    file = made(tmp_path, 120)
    asked = requests(file, tmp_path)
    text = (tmp_path / "north.csv").read_text().splitlines()
    few = [line.replace(",sick", ",well") if 10 < n < 119 else line for n, line in enumerate(text)]
    (tmp_path / "north.csv").write_text("\n".join(few) + "\n")
    site = ready(site_of(tmp_path), file, asked)
    kind, request = sums_asked(asked, method)
    said, sent = answered(site, kind, request, asked[kind][1])
    assert "has a class of fewer than 5 train examples, whose sums leave under masks or noise only" in said["error"]
    assert not sent


@pytest.mark.parametrize("method", [*SUM_METHODS, "probe"])
@pytest.mark.parametrize("covers", [{"masked": True}, {"noise": 1.0}, {"masked": True, "noise": 1.0}], ids=str)
def test_no_exact_sums_of_any_method_leave_a_site_that_covers_them(
    method: str, covers: dict[str, Any], file: StudyFile, folder: Path, asked: Requests, tmp_path: Path
) -> None:
    kind, request = sums_asked(asked, method)
    exact = answered(ready(site_of(folder, state="exact"), file, asked), kind, request, asked[kind][1])[1]
    site = ready(site_of(folder, state=f"covers/{tmp_path.name}", **covers), file, asked)
    said, sent = answered(site, kind, request, asked[kind][1])
    if "masked" in covers:
        assert said["error"] == "'north' sends masked sums only; run it with --secure"
        return
    assert said["noise"] == 1.0
    assert all(float((sent[name] - exact[name]).abs().min()) > 1e-6 for name in exact)


@pytest.mark.parametrize("method", [*SUM_METHODS, "probe"])
def test_asked_fifty_times_noise_does_not_average_away(
    method: str, file: StudyFile, folder: Path, asked: Requests, tmp_path: Path
) -> None:
    kind, request = sums_asked(asked, method)
    exact = answered(ready(site_of(folder, state="exact"), file, asked), kind, request, asked[kind][1])[1]
    site = ready(site_of(folder, state=f"fifty/{tmp_path.name}", noise=1.0), file, asked)
    came = [answered(site, kind, request, asked[kind][1])[1] for _ in range(50)]
    assert far(mean(came), exact) >= 0.999 * far(came[0], exact)
    assert Ledger(site.state, site.name, site.budget).spent == pytest.approx(epsilon([1.0]))


@pytest.mark.parametrize("method", [*SUM_METHODS, "probe"])
def test_asked_in_fifty_ways_the_budget_ends_it(
    method: str, file: StudyFile, folder: Path, asked: Requests, tmp_path: Path
) -> None:
    """Each of these asks for noise of its own: a little more of it, or rows a little shorter."""
    site = ready(site_of(folder, state=f"ways/{tmp_path.name}", noise=1.0), file, asked)
    said = []
    for number in range(50):
        kind, request = sums_asked(asked, method, **{("noise", "bound")[number % 2]: 1.5 + number / 1000})
        said.append(answered(site, kind, request, asked[kind][1])[0])
    refused = [one["error"] for one in said if "error" in one]
    assert 40 < len(refused) < 50
    assert "of 10 (delta 1e-05), and this release would make it" in refused[0]
    assert "is left; ask for more noise" in refused[0]
    assert Ledger(site.state, site.name, site.budget).spent <= 10.0


@pytest.mark.parametrize("method", [*SUM_METHODS, "probe"])
def test_fifty_masked_answers_of_one_site_say_nothing_of_its_sums(
    method: str, file: StudyFile, folder: Path, asked: Requests, tmp_path: Path
) -> None:
    kind, request = sums_asked(asked, method)
    exact = answered(ready(site_of(folder, state="exact"), file, asked), kind, request, asked[kind][1])[1]
    site = ready(site_of(folder, state=f"masked/{tmp_path.name}", masked=True), file, asked)
    came = []
    for number in range(50):
        kind, request = sums_asked(asked, method, masks=masks(site, tmp_path, f"{number:032x}"))
        said, sent = answered(site, kind, request, asked[kind][1])
        assert "error" not in said
        came.append(map_tree(lambda value: value.double() / 2**32, sent))
    assert far(mean(came), exact) > 1e3 * far({name: 0 * value for name, value in exact.items()}, exact)


def mean(trees: list[Tree]) -> Tree:
    return {name: torch.stack([tree[name] for tree in trees]).mean(0) for name in trees[0]}


def far(one: Tree, other: Tree) -> float:
    return float(torch.stack([(one[name] - other[name]).square().sum() for name in other]).sum().sqrt())


@pytest.mark.parametrize("covers", [{"masked": True}, {"noise": 0.5}], ids=str)
def test_a_site_that_covers_sums_sends_no_update_of_an_averaging_method_and_no_sums_of_columns(
    covers: dict[str, Any], tmp_path: Path
) -> None:
    file = made(tmp_path, 120, 'columns = ["age", "dose"]\nstandardize = "auto"')
    asked = requests(file, tmp_path, "fedavg")
    site = ready(site_of(tmp_path, **covers), file, asked)
    said, sent = answered(site, "update", *asked["update"])
    words = "masked updates only; run it with --secure" if "masked" in covers else "an update of this method has none"
    assert said["error"].startswith("'north' sends ")
    assert words in said["error"]
    assert not sent
    assert answered(site, "agree", *asked["agree"])[0]["sums"] is None


@pytest.mark.parametrize("policy", ["none", "counts", "metrics", "sums"])
def test_a_policy_lets_sums_leave_and_no_updates(policy: str, tmp_path: Path) -> None:
    file = made(tmp_path, 120)
    ridge, fedavg = requests(file, tmp_path), requests(file, tmp_path, "fedavg")
    site = ready(site_of(tmp_path, policy=policy), file, ridge)
    answered(site, "start", *fedavg["start"])
    said, sent = answered(site, "update", *fedavg["update"])
    assert said["error"] == f"'north' lets no more than {policy} leave; 'update' needs updates"
    said, sent = answered(site, "update", *ridge["update"])
    assert bool(sent) == (policy == "sums") == ("error" not in said)


@pytest.mark.parametrize(("arm", "policy"), [("ridge", "sums"), ("fedavg", "updates")])
def test_masked_updates_give_the_same_numbers(
    arm: str, policy: str, file: StudyFile, folder: Path, tmp_path: Path
) -> None:
    plain = [site_of(folder, name, f"plain/{tmp_path.name}") for name in NAMES]
    # Of sites that ask for no cover themselves: those that do tell no losses to compare.
    under = [site_of(folder, name, f"under/{tmp_path.name}") for name in NAMES]
    masked = [site_of(folder, name, f"only/{tmp_path.name}", masked=True, policy=policy) for name in NAMES]
    found = run_arm(opened(file, InProcess(plain), tmp_path / "one"), arm_of(file, arm))
    secure = Protection(secure=True)
    again = run_arm(opened(file, InProcess(under), tmp_path / "two", asks=secure), arm_of(file, arm))
    assert losses_on_test(again) == pytest.approx(losses_on_test(found), abs=1e-6)
    assert again["excluded"] == []
    ask = InProcess(masked)
    only = run_arm(opened(file, ask, tmp_path / "only", asks=secure), arm_of(file, arm))
    assert only["excluded"] == []
    for client, facts in only["clients"].items():
        assert facts["metrics"]["test"]["accuracy"] == found["clients"][client]["metrics"]["test"]["accuracy"]
    with pytest.raises(Exception, match=f"no site lets {policy} leave"):
        run_arm(opened(file, ask, tmp_path / "three"), arm_of(file, arm))


def test_a_client_that_is_lost_leaves_masked_updates_unread(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    sites = [site_of(folder, name, f"lost/{tmp_path.name}", masked=True) for name in NAMES]

    def spoil(request: Any, said: str, tree: Tree) -> tuple[str, Tree]:
        if request.kind == "update" and request.site == 1:
            raise TimeoutError("it did not answer")
        return said, tree

    server = opened(file, InProcess(sites, spoil), tmp_path / "out", asks=Protection(secure=True))
    with pytest.raises(Exception, match=r"values of 2 of 3 clients came, and it takes 3 \('east': it did not answer\)"):
        run_arm(server, arm_of(file, "ridge"))


def test_noise_that_the_server_asks_for_is_charged_too(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    sites = [site_of(folder, name, f"asks/{tmp_path.name}") for name in NAMES]
    run_arm(opened(file, InProcess(sites), tmp_path / "out", asks=Protection(noise=2.0)), arm_of(file, "ridge"))
    assert [Ledger(site.state, site.name, site.budget).spent for site in sites] == pytest.approx([epsilon([2.0])] * 3)


@pytest.mark.parametrize(
    ("kind", "path"), [("heads", "metric"), ("count", "by_class"), ("adapt", "run"), ("sums", "bound")]
)
def test_scores_and_counts_are_told_so_often_and_no_more(
    kind: Kind, path: str, file: StudyFile, folder: Path, asked: Requests, tmp_path: Path
) -> None:
    site = ready(site_of(folder, state=f"often/{tmp_path.name}", budget=Budget(releases=1)), file, asked)
    other = {"heads": "balanced_accuracy", "count": False, "adapt": "1" * 32, "sums": 3.5}[kind]
    if kind == "count":
        lenient_site = replace(site, budget=Budget())
        answered(lenient_site, "adapt", *asked["adapt"])
        site = replace(site, budget=Budget(releases=2))
    for _ in range(3):
        assert "error" not in answered(site, kind, *asked[kind])[0]
    said, _ = answered(site, kind, changed(asked[kind][0], {path: other}), asked[kind][1])
    assert "different requests for scores, counts and sums, as many as its operator allows" in said["error"]


def test_updates_that_are_sums_are_counted_with_the_scores_beside_them(
    file: StudyFile, folder: Path, asked: Requests, tmp_path: Path
) -> None:
    site = ready(site_of(folder, state=f"sums/{tmp_path.name}", budget=Budget(releases=1)), file, asked)
    text, tree = asked["update"]
    said, _ = answered(site, "update", changed(text, {"scored": True}), tree)
    assert set(said["val"]) == {"log_loss", "accuracy"}
    assert answered(site, "update", changed(text, {"scored": True}), tree)[0] == said
    other = {name: value + 1 for name, value in tree.items()}
    assert "as many as its operator allows" in answered(site, "update", text, other)[0]["error"]


@pytest.mark.parametrize("cover", [{}, {"noise": 1.0}, {"masked": True}], ids=["open", "noisy", "masked"])
def test_a_site_that_covers_its_sums_tells_no_losses(
    cover: dict[str, Any], file: StudyFile, folder: Path, asked: Requests
) -> None:
    site = ready(site_of(folder, state=f"losses-{'-'.join(cover)}", **cover), file, asked)
    said, _ = answered(site, "adapt", *asked["adapt"])
    told = {name for view in (*said["metrics"].values(), *said["pooled"].values()) for name in view}
    assert "accuracy" in told
    assert ("log_loss" in told) == (not cover)
    assert told == {"accuracy", "balanced_accuracy", "num_examples"} or not cover
    losses = [said["learnt"][part]["loss"] for part in ("train", "began", "val")]
    means = [loss / sum(said["learnt"]["val" if n == 2 else "train"]["counts"]) for n, loss in enumerate(losses)]
    assert all(abs(100 * mean - round(100 * mean)) < 1e-6 for mean in means) == bool(cover)
    assert (said["span"] == 100) == bool(cover)


@pytest.mark.parametrize(
    "cover",
    [{}, {"noise": 1.0}, {"masked": True}, {"policy": "metrics"}],
    ids=["open", "noisy", "masked", "scores alone"],
)
def test_made_sums_read_no_sums_of_a_site_that_covers_them(
    cover: dict[str, Any], file: StudyFile, folder: Path, asked: Requests
) -> None:
    """Of sums so large that no example counts in them, the shared head is whatever the server wants."""
    site = ready(site_of(folder, state=f"made-{'-'.join(cover)}", **cover), file, asked)
    text, heads = asked["heads"]

    def lead(weight: float) -> float:
        moment = torch.tensor([[weight, 0.0], [0.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
        made = {"total/gram": 1e12 * pack_symmetric(torch.eye(3, dtype=torch.float64)), "total/moment": 1e12 * moment}
        return float(answered(site, "heads", text, {**heads, **made})[0]["leads"]["federate"]["q"])

    ages = torch.tensor([row["age"] for row in patients(0, 120)], dtype=torch.float64)
    read = abs(lead(1.0) + lead(-1.0) - 2 * lead(0.0)) / 2
    near = abs(read / float(ages.square().mean()) - 1) < 0.1
    assert near == (not cover)
    assert all(100 * lead(weight) == pytest.approx(round(100 * lead(weight))) for weight in (0, 0.01)) == bool(cover)


@pytest.mark.parametrize("means", [[0.0, 0.0], [0.0], [1e308, 0.0], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("deviations", [[1.0, 1.0], [-1.0, 1.0], [1e308, 1.0]])
def test_means_that_no_columns_have_are_refused(
    means: list[float], deviations: list[float], file: StudyFile, folder: Path, asked: Requests
) -> None:
    site = ready(site_of(folder, state="means"), file, asked)
    text, tree = asked["adapt"]
    said = json.loads(text)
    said["setup"]["agreement"] |= {"means": means, "deviations": deviations}
    answer, _ = answered(site, "adapt", json.dumps(said), tree)
    if (means, deviations) == ([0.0, 0.0], [1.0, 1.0]):
        assert "error" not in answer
    else:
        assert "agreement.means: 'north' takes those of its columns alone" in answer["error"]


@pytest.mark.parametrize(
    ("ward_b", "age_empty", "ward_empty", "leave"),
    [(10, 6, 0, True), (10, 6, 8, True), (10, 4, 0, False), (10, 6, 3, False), (10, 6, 27, False), (10, 37, 0, False)],
)
def test_where_columns_are_empty_is_summed_of_enough_rows_alone(
    ward_b: int, age_empty: int, ward_empty: int, leave: bool, tmp_path: Path
) -> None:
    """Of 40 rows: 10 of ward b, and others of ward a or of none."""
    agreed = Agreement(
        classes=("sick", "well"),
        columns=("age", "ward"),
        categories={"ward": ("a", "b")},
        missing=("age", "ward"),
    )
    assert agreed.inputs == ("age", "ward=b", "age is missing", "ward is missing")
    totals = (50.0 * (40 - age_empty), float(ward_b), float(age_empty), float(ward_empty))
    sums = ColumnSums(40, (40 - age_empty, 40, 40, 40), totals, (1.0, 1.0, 1.0, 1.0))
    gate = Gate(Site("north", tmp_path / "north.csv", tmp_path / "state", "updates"))
    assert (gate.column_sums(sums, agreed) is sums) == leave
