"""Programs are called with any name; without Flower the command says how to get it."""

import subprocess
import sys
from pathlib import Path

import pytest

from headstart.sites.flower.keys import make_keys, read_site_secret
from headstart.sites.flower.programs import Link, free_ports
from headstart.sites.settings import NodeSettings


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5


@pytest.mark.parametrize("name", ["north", "St. Mary's 3/B", '../a"b', "x\\", "Zürich", "a\nb", "😀"])
def test_a_sites_program_reads_any_name_as_it_is(name: str, tmp_path: Path) -> None:
    node = NodeSettings(name=name, data="it's.csv", state="s", one_hot=("ward", "a,b"))
    command = Link("127.0.0.1:8000", tmp_path / "keys", tmp_path / "flower").node(node)
    words = command[command.index("node") + 1 :]
    said = list(zip(words[::2], words[1::2], strict=True))
    assert ("--name", name) in said
    assert [value for flag, value in said if flag == "--one-hot"] == ["ward", "a,b"]


@pytest.mark.parametrize("name", ["St. Mary's 3/B", "../outside", '"', ".", "a.pub", "north"])
def test_a_site_finds_the_certificate_of_its_name(name: str, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["127.0.0.1"], [name])
    link = Link("127.0.0.1:8000", tmp_path / "keys", tmp_path / "flower")
    certificate = tmp_path / "keys" / link.certificate_of(name)
    assert certificate.parent == tmp_path / "keys" / "sites"
    assert read_site_secret(certificate.with_suffix("")).public_key() == link.sites()[name]
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


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
            "error: --arm: must be 'probe' or an arm of the study file, received 'fedavgg'",
        ),
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
