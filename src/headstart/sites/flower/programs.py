"""Flower's own programs, started with a federation's keys; everything here could be typed by hand."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import flwr

from headstart.core.errors import ClientError, SettingError
from headstart.core.files import file_name
from headstart.sites.flower.processes import together
from headstart.sites.settings import NODE_PORT, NodeSettings, RunSettings

_NAME = "headstart"
"""Of the connection in Flower's configuration."""

_HALF = """from headstart.sites.flower.{name}_app import app

__all__ = ["app"]
"""

_APP = {
    "headstart_app/__init__.py": "",
    "headstart_app/client.py": _HALF.format(name="client"),
    "headstart_app/server.py": _HALF.format(name="server"),
    "LICENSE": "Apache-2.0, as Headstart itself.\n",
}
"""The files of the app that Flower sends around."""

_PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "headstart-app"
version = "1.0.0"
description = "Headstart's arms on a real federation"
license = {{ file = "LICENSE" }}
dependencies = ["flwr>=1.40,<1.42", "headstart[flower]"]

[tool.hatch.build.targets.wheel]
packages = ["."]

[tool.flwr.app]
publisher = "headstart"
fab-format-version = 1
flwr-version-target = "{version}"

[tool.flwr.app.components]
serverapp = "headstart_app.server:app"
clientapp = "headstart_app.client:app"

[tool.flwr.app.config]
{settings}
"""


@dataclass(frozen=True)
class Link:
    """Where the server is, and by which keys it is known.

    Attributes:
        address: ``host:port``.
        keys: folder that ``headstart federate keys`` wrote.
        home: folder for Flower's own files.
    """

    address: str
    keys: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Flower's, without telemetry and update checks."""
        own = {"FLWR_HOME": str(self.home), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        # Programs that Flower starts must be those of this environment.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        return {**os.environ, **own, "PATH": path}

    def configure(self) -> None:
        """Tell Flower's command line where the server is."""
        self.home.mkdir(parents=True, exist_ok=True)
        certificate = json.dumps(str((self.keys / "ca.crt").resolve()))
        text = f"[superlink]\ndefault = {json.dumps(_NAME)}\n\n[superlink.{_NAME}]\n"
        text += f"address = {json.dumps(self.address)}\nroot-certificates = {certificate}\n"
        (self.home / "config.toml").write_text(text, encoding="utf-8")

    def superlink(self, database: Path | None = None) -> list[str]:
        """Return the command of the server's link; without a database it forgets everything when it ends."""
        host, port = _split_address(self.address)
        return [
            _program("flower-superlink"),
            *("--ssl-ca-certfile", str(self.keys / "ca.crt")),
            *("--ssl-certfile", str(self.keys / "server.pem"), "--ssl-keyfile", str(self.keys / "server.key")),
            *("--enable-supernode-auth", "--disable-runtime-dependency-installation"),
            *("--host", host, "--port", str(port)),
            *(("--database", str(database)) if database else ()),
        ]

    def supernode(self, node: NodeSettings, port: int = NODE_PORT, key: Path | None = None) -> list[str]:
        """Return the command of a site; its key is that of its name, if no other is given."""
        return [
            _program("flower-supernode"),
            *("--root-certificates", str(self.keys / "ca.crt"), "--superlink", self.address),
            *("--auth-supernode-private-key", str(key or self.keys / "sites" / file_name(node.name))),
            *("--port", str(port), "--node-config", _written(node)),
        ]

    def run(self, folder: Path, said: RunSettings) -> list[str]:
        """Return the command of a run, whose app is written to a folder, and whose log the command prints."""
        return [*self._run(folder, said), "--stream"]

    def begin(self, folder: Path, said: RunSettings) -> int:
        """Begin a run; return its number.

        Raises:
            ClientError: the server does not take it.
        """
        done = self.said_by([*self._run(folder, said), "--format", "json"])
        try:
            return int(json.loads(done.stdout)["run-id"])
        except (ValueError, KeyError, TypeError):
            why = _last_line(done.stdout + done.stderr)
            raise ClientError(f"federate run: the run could not be started: {why}") from None

    def _run(self, folder: Path, said: RunSettings) -> list[str]:
        app = _write_app(folder / "app")
        return [_program("flwr"), "run", str(app), _NAME, "--run-config", _written(said)]

    def log(self, run: int) -> list[str]:
        """Return the command that prints a run's log until the run ends."""
        return [_program("flwr"), "log", str(run), _NAME, "--stream"]

    def stop(self, run: int) -> list[str]:
        """Return the command that stops a run."""
        return [_program("flwr"), "stop", str(run), _NAME]

    def register(self, key: Path) -> list[str]:
        """Return the command that lets a site in, by its public key."""
        return [_program("flwr"), "supernode", "register", str(key), _NAME]

    def list_sites(self) -> list[str]:
        """Return the command that lists the sites."""
        return [_program("flwr"), "supernode", "list", _NAME]

    def list_runs(self) -> list[str]:
        """Return the command that lists the runs."""
        return [_program("flwr"), "list", _NAME]

    def said_by(self, command: Sequence[str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and return what it said."""
        self.configure()
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=timeout
        )

    def follow(self, command: Sequence[str]) -> int:
        """Run a command to its end in this terminal; what ends this program ends the command."""
        self.configure()
        with together() as start:
            return start(command, self.environment).wait()

    def register_all(self) -> None:
        """Let every site of the keys in; those that are in already stay.

        Raises:
            ClientError: the server does not answer.
        """
        for key in sorted((self.keys / "sites").glob("*.pub")):
            done = self.said_by(self.register(key))
            said = done.stdout + done.stderr
            if done.returncode and "already" not in said.lower():
                raise ClientError(f"federate up: the site '{key.stem}' could not be registered: {_last_line(said)}")

    def wait(self, seconds: float = 60) -> None:
        """Wait until somebody listens.

        Raises:
            ClientError: the time is up.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                with socket.create_connection(_split_address(self.address), timeout=1):
                    return
            except OSError:
                if time.monotonic() > end:
                    raise ClientError(
                        f"federate: nobody listens at {self.address}; start 'headstart federate up'"
                    ) from None
                time.sleep(0.2)


def _program(name: str) -> str:
    """Return where one of Flower's programs is."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or name


def _write_app(folder: Path) -> Path:
    """Write a Flower app that ``flwr run`` takes.

    >>> import tempfile
    >>> sorted(path.name for path in _write_app(Path(tempfile.mkdtemp()) / "app").iterdir())
    ['LICENSE', 'headstart_app', 'pyproject.toml']
    """
    settings = "\n".join(f"{name} = {json.dumps(value)}" for name, value in asdict(RunSettings()).items())
    project = _PROJECT.format(version=flwr.__version__, settings=settings)
    for name, text in {**_APP, "pyproject.toml": project}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def _written(settings: RunSettings | NodeSettings) -> str:
    """Return settings as Flower's command line wants them.

    >>> _written(NodeSettings(name="north", data="north.parquet", state="state"))[:39]
    'name="north" data="north.parquet" state'
    """
    return " ".join(f"{name}={_value(value)}" for name, value in asdict(settings).items())


def _value(value: object) -> str:
    r"""Return a value as TOML; Flower ends a text at the first quotation mark, so that none may stand in it.

    >>> print(_value('the "old" ward'))
    "the \u0022old\u0022 ward"
    """
    if not isinstance(value, str):
        return json.dumps(value)
    parts = (json.dumps(part, ensure_ascii=False)[1:-1] for part in value.split('"'))
    return '"' + "\\u0022".join(parts) + '"'


def _split_address(address: str) -> tuple[str, int]:
    """Return host and port.

    Raises:
        SettingError: it is no ``host:port``.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise SettingError(f"--address: must be host:port, received '{address}'")
    return host, int(port)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _last_line(text: str) -> str:
    """Return what a program said last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
