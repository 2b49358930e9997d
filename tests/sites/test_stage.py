"""A stage that was interrupted goes on from its last round; one whose file is damaged begins anew, and says so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headstart.study.written.load import StudyFile
from sites.in_process import InProcess, arm_of, losses, opened, run_arm, sites_of


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit flipped": _flipped,
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda _: b"",
    "garbage": lambda content: bytes(reversed(content)),
    "a number edited": lambda content: content.replace(b'"rounds": 2', b'"rounds": 1'),
}


class Killed(Exception):
    """The server's program ends."""


def kill(request: Any, said: Any, tree: Any) -> Any:
    if request.kind == "update" and json.loads(request.text)["round"] == 2 and request.site == 2:
        raise Killed
    return said, tree


@pytest.fixture(scope="module")
def whole(file: StudyFile, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Losses of a run that nothing disturbs."""
    home = tmp_path_factory.mktemp("whole")
    ask = InProcess(sites_of(folder, home / "state"))
    return losses(run_arm(opened(file, ask, home / "out"), arm_of(file, "fedavg")))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["nodes/*.json", "weights/*.safetensors"])
def test_a_damaged_round_begins_anew_and_is_said(
    kind: str, damage: str, file: StudyFile, folder: Path, tmp_path: Path, whole: list[float]
) -> None:
    out, said, sites = tmp_path / "out", list[str](), sites_of(folder, tmp_path / "state")
    with pytest.raises(Killed):
        run_arm(opened(file, InProcess(sites, kill), out), arm_of(file, "fedavg"))
    (path,) = (out / "rounds").glob(kind)
    before = path.read_bytes()
    path.write_bytes(DAMAGES[damage](before))
    if path.read_bytes() == before:
        pytest.skip("there is no such number in it")
    ask = InProcess(sites)
    again = run_arm(opened(file, ask, out, tell=said.append), arm_of(file, "fedavg"))
    assert losses(again) == pytest.approx(whole)
    assert {number for _, kind, number in ask.asked if kind == "update"} == {0, 1, 2}
    assert any("is damaged" in line for line in said)


def test_a_finished_stage_leaves_no_weights_of_its_rounds(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    run_arm(opened(file, InProcess(sites_of(folder, tmp_path / "state")), tmp_path / "out"), arm_of(file, "fedavg"))
    assert not list((tmp_path / "out" / "rounds").rglob("*.safetensors"))
