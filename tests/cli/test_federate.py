"""What commands of a federation say to programs: one JSON reply that keeps to its schema, and nothing else."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headstart.cli.main import main
from headstart.cli.replies import schema_of
from headstart.report.probe import load_probe
from headstart.study.written.load import StudyFile

pytest.importorskip("flwr")

from flwr.proto.node_pb2 import NodeInfo

from headstart.sites.flower.operator import Operator
from headstart.sites.probe.server import run_probe
from headstart.sites.settings import RunSettings
from headstart.study.study import Study
from sites.in_process import InProcess, at_sites, opened
from sites.test_network import written


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the terminal print again afterwards."""
    from headstart.cli.jobs import console

    monkeypatch.setattr(console, "quiet", False)


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return what a command prints, which is JSON and nothing else, of the names that its schema has."""
    main(["--json", *map(str, arguments)])
    found = json.loads(capfd.readouterr().out)
    command = " ".join(arguments[:2]) if arguments[0] == "federate" else arguments[0]
    assert found.keys() == schema_of(command)["properties"].keys()
    return found


def test_keys(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "keys")
    found = told(capfd, "federate", "keys", "--host", "localhost", "--site", "north", "--out", out)
    assert found["files"] == [out, str(tmp_path / "keys" / "to" / "north")]
    assert "all else stays here" in found["says"]


def test_preview(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(tmp_path)
    config = tmp_path / "site.toml"
    config.write_text('name = "clinic"\nkeys = "keys"\nstate = "state"\n[data]\nsource = "0.csv"\n')
    words = ("federate", "preview", str(tmp_path / "study.toml"), "--config", str(config))
    found = told(capfd, *words)
    assert found["lines"][0].startswith("study 'noted' at 'clinic'")
    assert found["accepted"] == ""
    assert told(capfd, *words, "--accept")["accepted"].startswith("accepted: 'noted'")


def test_status(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    keys = str(tmp_path / "keys")
    main(["federate", "keys", "--host", "localhost", "--site", "north", "--out", keys])
    assert "all else stays here" in capfd.readouterr().out

    class Pretended:
        def sites(self) -> dict[str, NodeInfo | None]:
            return {"north": NodeInfo(status="registered")}

        def runs(self) -> Any:
            return type("Runs", (), {"run_dict": {}})

    monkeypatch.setattr(Operator, "of", lambda link: Pretended())
    with pytest.raises(SystemExit) as ended:
        main(["--json", "federate", "status", "--keys", keys])
    assert ended.value.code == 3
    found = json.loads(capfd.readouterr().out)
    assert found == {"sites": {"north": "new"}, "runs": [], "complete": False, "notes": []}


def test_probe(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, sites = written(tmp_path)

    def probe_on(link: Any, file: StudyFile, said: RunSettings, progress: Any) -> dict[str, Any]:
        return run_probe(opened(file, InProcess(sites), Path(said.out), tell=progress.warn))

    monkeypatch.setattr("headstart.sites.flower.run.probe_on", probe_on)
    words = ("probe", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out"))
    found = told(capfd, *words)
    kept = json.loads((tmp_path / "out" / "probe.json").read_text())
    assert (found["verdict"], found["gain"], found["interval"]) == (kept["verdict"], kept["ceiling"], kept["interval"])
    assert found["report"] == str(tmp_path / "out" / "report.html")
    assert found["sentence"] in html.unescape(Path(found["report"]).read_text())
    assert found["cautions"] == [*load_probe(Path(found["report"]).parent).cautions]
    main(["report", str(tmp_path / "out"), "--format", "md"])
    assert (tmp_path / "out" / "report.md").is_file()
    capfd.readouterr()
    main(["--quiet", *words])
    (line,) = capfd.readouterr().out.splitlines()
    assert line.endswith("report.html)")


def test_run(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, sites = written(tmp_path)

    @contextmanager
    def study_on(link: Any, file: StudyFile, said: RunSettings, progress: Any) -> Iterator[Study]:
        yield at_sites(opened(file, InProcess(sites), Path(said.out), tell=progress.warn))

    monkeypatch.setattr("headstart.sites.flower.run.study_on", study_on)
    found = told(capfd, "federate", "run", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out"))
    assert found["name"] == "noted"
    assert "The network, as it happened" in Path(found["report"]).read_text()
