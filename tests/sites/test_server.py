"""Who is there, what they agree on, and what their operators let leave."""

from pathlib import Path

import pytest

from headstart.core.errors import ClientError, SettingError
from headstart.sites.server import open_server
from headstart.study.written.load import StudyFile
from sites.in_process import NAMES, InProcess, arm_of, opened, run_arm, sites_of, spoils


@pytest.mark.parametrize("policy", ["none", "counts", "metrics"])
def test_the_operator_decides_what_leaves(policy: str, folder: Path, file: StudyFile, tmp_path: Path) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "sites", policy=policy))
    server = opened(file, ask, tmp_path / "out")
    assert all(bool(site.sizes) == (policy != "none") for site in server.sites.values())
    found = run_arm(server, arm_of(file, "finetune"))
    assert all(bool(facts["metrics"]) == (policy == "metrics") for facts in found["clients"].values())
    assert (tmp_path / "sites" / "west" / "own.safetensors").is_file()
    assert "update" not in {kind for _, kind, _ in ask.asked}


def test_double_names_and_nobody_are_refused(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    sites = sites_of(folder, tmp_path)
    with pytest.raises(SettingError, match="must be unique in a federation, received twice: north"):
        opened(file, InProcess([sites[0], sites[0]]), tmp_path / "out")
    with pytest.raises(ClientError, match="no site answered"):
        open_server(file, InProcess([]), [], out=tmp_path / "out")
    with pytest.raises(ClientError, match="no site can take part; 'east' waits for its operator"):
        open_server(file, InProcess(sites[1:2]), [0], out=tmp_path / "out")


@pytest.mark.parametrize("said", ['{"client": "east"}', "[]", '{"error": "no such file"}'])
def test_a_site_that_does_not_say_who_it_is_is_left_out(
    said: str, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    told: list[str] = []
    ask = InProcess(sites_of(folder, tmp_path / "sites"), spoils("hello", lambda _, tree: (said, tree)))
    server = opened(file, ask, tmp_path / "out", tell=told.append)
    assert [site.client for site in server.sites.values()] == sorted(set(NAMES) - {"east"})
    assert len(told) == 1
    assert told[0].startswith("a site is left out: ")
