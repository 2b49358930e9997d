"""What stands in a federation's run folder is compared with checksums: what is damaged is said, and made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headstart.sites.arms import run_arm
from headstart.sites.told import told
from headstart.study.written.load import StudyFile
from sites.in_process import InProcess, arm_of, losses, opened, sites_of


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _edited(content: bytes, number: bytes, by: bytes) -> bytes:
    return content.replace(number, number[:-1] + by)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit flipped": _flipped,
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda _: b"",
    "garbage": lambda content: bytes(reversed(content)),
    "a number edited": lambda content: content.replace(b'"seed": 0', b'"seed": 7').replace(
        b'"rounds": 3', b'"rounds": 1'
    ),
}


def _run(file: StudyFile, folder: Path, out: Path, said: list[str], arm: str = "finetune") -> dict[str, Any]:
    server = opened(file, InProcess(sites_of(folder, out.parent / "state")), out, tell=said.append)
    return run_arm(server, arm_of(file, arm))


@pytest.mark.parametrize("damage", ["a bit flipped", "garbage", "a number edited"])
def test_a_damaged_line_counts_as_never_made_and_is_said(
    damage: str, file: StudyFile, folder: Path, tmp_path: Path
) -> None:
    out, said = tmp_path / "out", list[str]()
    _run(file, folder, out, said)
    path = out / "federation.jsonl"
    path.write_bytes(DAMAGES[damage](path.read_bytes().rstrip(b"\n")) + b"\n")
    server = opened(file, InProcess(sites_of(folder, tmp_path / "state")), out, tell=said.append)
    assert told(server).arms == ()
    assert any("federation.jsonl is damaged" in line and "run it again" in line for line in said)
    _run(file, folder, out, said)
    assert [arm.name for arm in told(server).arms] == ["finetune"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["nodes/*.json", "weights/*.safetensors"])
def test_a_damaged_round_begins_anew_and_is_said(
    kind: str, damage: str, file: StudyFile, folder: Path, tmp_path: Path
) -> None:
    out, said = tmp_path / "out", list[str]()
    first = _run(file, folder, out, said, "fedavg")
    (path,) = (out / "rounds" / "fedavg-0-0").glob(kind)
    before = path.read_bytes()
    path.write_bytes(DAMAGES[damage](before))
    if path.read_bytes() == before:
        pytest.skip("there is no such number in it")
    again = _run(file, folder, out, said, "fedavg")
    assert losses(again) == losses(first)
    assert any("is damaged" in line for line in said)
