"""A link knows its sites by their keys; without Flower the command says how to get it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.core.errors import ClientError, SettingError
from headstart.sites.flower.keys import make_keys
from headstart.sites.flower.programs import Link, free_ports


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5


@pytest.mark.parametrize("name", ["St. Mary's 3/B", "../outside", '"', ".", "a.pub", "north"])
def test_a_site_finds_the_key_of_its_name(name: str, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["127.0.0.1"], [name])
    link = Link("127.0.0.1:8000", tmp_path / "keys", tmp_path / "flower")
    assert (link.keys / link.certificate_of(name)).is_file()
    assert list(link.sites()) == [name]
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize("address", ["127.0.0.1", "host:", ":8000", "host:port", "host:0", "host:65536", "h:²"])
def test_what_is_no_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"--address: must be host:port, .*received '{address}'; write for example"):
        Link(address, tmp_path, tmp_path).wait()


def test_an_address_that_is_taken_is_refused_and_one_that_is_free_is_not(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingError, match=f"--address: must be free, received '{address}'; another program"):
            Link(address, tmp_path, tmp_path).check_free()
    Link(address, tmp_path, tmp_path).check_free()


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingError, match=r"--address: must be an address of this machine, received '192\.0\.2\.7:8000'"
    ):
        Link("192.0.2.7:8000", tmp_path, tmp_path).check_free()


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["127.0.0.1"], ["north", "south"])
    link = Link("127.0.0.1:8000", tmp_path / "keys", tmp_path)
    link.check_pair("sites/north.crt", "sites/north")
    with pytest.raises(SettingError, match=r"keys: '.*south' must be the key of 'sites/north\.crt', received another"):
        link.check_pair("sites/north.crt", "sites/south")


def test_nobody_waits_for_a_link_that_has_ended(tmp_path: Path) -> None:
    link = Link(f"127.0.0.1:{free_ports(1)[0]}", tmp_path, tmp_path)
    with pytest.raises(ClientError, match="the link ended as it began"):
        link.wait(running=lambda: False)


def test_no_link_is_one_line(tmp_path: Path) -> None:
    done = _run((), ["federate", "status", "--home", str(tmp_path / "flower")])
    assert done.returncode == 1
    assert done.stderr.startswith("error: federate: no link is up with --home")


COMMAND = """import sys
sys.modules.update(dict.fromkeys({missing}))
from headstart.cli import main
main({words})
"""


def _run(missing: tuple[str, ...], words: list[str]) -> subprocess.CompletedProcess[str]:
    code = COMMAND.format(missing=missing, words=words)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("missing", ["flwr", "cryptography", "dp_accounting"])
def test_a_federation_without_its_extra_is_one_helpful_line(missing: str, tmp_path: Path) -> None:
    words = ["federate", "keys", "--host", "localhost", "--site", "north", "--out", str(tmp_path / "keys")]
    done = _run((missing,), words)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines() == [
        f"error: '{missing}' is not installed; it comes with the extra 'flower': "
        f"pip install -e '.[flower]' in a clone of the project, else pip install 'headstart[flower]'"
    ]
    assert not (tmp_path / "keys").exists()


def test_help_needs_no_extra() -> None:
    done = _run(("flwr", "cryptography", "dp_accounting", "torch"), ["federate", "run", "--help"])
    assert done.returncode == 0, done.stderr
    assert "--enough" in done.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--arm", "fedavgg"],
            "error: --arm: must be an arm of the study, received 'fedavgg'",
        ),
        (["--seed", "7"], "error: --seed: must be a seed of the study, received 7; valid: 0"),
        (
            ["--arm", "ridge", "--local", "5"],
            "error: --local: must be from 1 to the study's 4 seen clients, received 5",
        ),
    ],
)
def test_what_cannot_run_is_one_line(words: list[str], error: str, folder: Path, tmp_path: Path) -> None:
    done = _run((), ["federate", "run", str(folder / "study.toml"), "--out", str(tmp_path / "out"), *words])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(error)
