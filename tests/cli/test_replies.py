"""What commands say to programs has a schema, and keeps to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from headstart.cli.main import app, main
from headstart.cli.replies import REPLIES, SERVERS, StudyReply, reply_json, schema_of
from headstart.core.errors import SettingError


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return what a command prints, which is JSON and nothing else."""
    main(["--json", *arguments])
    return json.loads(capfd.readouterr().out)


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the terminal print again afterwards."""
    from headstart.cli.jobs import console

    monkeypatch.setattr(console, "quiet", False)


@pytest.mark.parametrize("command", REPLIES)
def test_every_reply_has_a_schema(command: str) -> None:
    found = schema_of(command)
    json.dumps(found)
    assert {"properties", "items", "additionalProperties"} & found.keys()


def test_every_command_is_there() -> None:
    known = set(_commands(get_command(app)))
    # What prints a schema prints JSON already.
    assert known - {"schema", *SERVERS} == REPLIES.keys()
    assert {*SERVERS} < known


def _commands(group: Any, before: str = "") -> Iterator[str]:
    """Yield every command as it is typed, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{name} ")
        else:
            yield before + name


def test_methods_and_keys_are_told_whole(capfd: pytest.CaptureFixture[str]) -> None:
    (one,) = told(capfd, "methods", "fedprox")
    assert (one["name"], one["stage"]) == ("fedprox", "federate")
    assert "proximal_mu" in {key["name"] for key in one["keys"]}
    assert len(told(capfd, "methods")) > 20
    assert [key["name"] for key in told(capfd, "keys", "budget")["budget"]][:1] == ["minutes"]
    assert {"file", "data.split"} <= told(capfd, "keys").keys()


def test_a_schema_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    main(["schema", "study"])
    assert {"answer", "arm", "arms"} <= json.loads(capfd.readouterr().out)["properties"].keys()


def test_what_is_no_number_is_null() -> None:
    found = {"answer": None, "grounds": "no claim", "headline": "", "sentence": "", "metric": "accuracy"}
    arms = {"a": {"status": "candidate", "mean": float("nan")}}
    rest = {"min_effect": 0.02, "confidence": 0.95, "regret_upper": float("inf"), "arms": arms}
    said = json.loads(reply_json("study", StudyReply.of({**found, **rest}, "n", "f", "p", 1.0)))
    assert (said["regret_upper"], said["arms"][0]["mean"], said["arm"]) == (None, None, None)


def test_an_unknown_command_is_one_error() -> None:
    with pytest.raises(SettingError, match="unknown command, received 'stdy'; did you mean 'study'"):
        schema_of("stdy")
