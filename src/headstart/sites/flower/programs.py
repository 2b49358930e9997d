"""Flower's own programs, started with a federation's keys; everything here could be typed by hand."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.core.errors import ClientError, SettingError, require

EXTRA = "flower"
NAME = "headstart"
"""Of the connection in Flower's configuration."""

RUN_SETTINGS: Mapping[str, str | int | float] = {
    "study": "",
    "arm": "",
    "seed": 0,
    "out": "",
    "sites": 1,
    "wait": 120.0,
    "timeout": 600.0,
    "enough": 1.0,
    "sign": "",
    "secure": False,
    "noise": 0.0,
    "bound": 10.0,
}
"""What ``flwr run --run-config`` may set, with defaults."""

HALF = """from headstart.flower.{name}_app import app

__all__ = ["app"]
"""

APP = {
    "headstart_app/__init__.py": "",
    "headstart_app/client.py": HALF.format(name="client"),
    "headstart_app/server.py": HALF.format(name="server"),
    "LICENSE": "Apache-2.0, as Headstart itself.\n",
}
"""The files of the app that Flower sends around."""

PROJECT = """[build-system]
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
        text = f"[superlink]\ndefault = {json.dumps(NAME)}\n\n[superlink.{NAME}]\n"
        text += f"address = {json.dumps(self.address)}\nroot-certificates = {certificate}\n"
        (self.home / "config.toml").write_text(text, encoding="utf-8")

    def superlink(self, database: Path | None = None) -> list[str]:
        """Return the command of the server's link; without a database it forgets everything when it ends."""
        host, port = split_address(self.address)
        return [
            program("flower-superlink"),
            *("--ssl-ca-certfile", str(self.keys / "ca.crt")),
            *("--ssl-certfile", str(self.keys / "server.pem"), "--ssl-keyfile", str(self.keys / "server.key")),
            *("--enable-supernode-auth", "--disable-runtime-dependency-installation"),
            *("--host", host, "--port", str(port)),
            *(("--database", str(database)) if database else ()),
        ]

    def supernode(self, name: str, settings: Mapping[str, str], port: int, key: Path | None = None) -> list[str]:
        """Return the command of a site."""
        said = " ".join(f"{setting}={json.dumps(value)}" for setting, value in {"name": name, **settings}.items())
        return [
            program("flower-supernode"),
            *("--root-certificates", str(self.keys / "ca.crt"), "--superlink", self.address),
            *("--auth-supernode-private-key", str(key or self.keys / "sites" / name)),
            *("--port", str(port), "--node-config", said),
        ]

    def flwr(self, *words: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run one of Flower's commands."""
        self.configure()
        return subprocess.run(
            [program("flwr"), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def register(self) -> None:
        """Let every site of the keys in; those that are in already stay.

        Raises:
            ClientError: the server does not answer.
        """
        for key in sorted((self.keys / "sites").glob("*.pub")):
            done = self.flwr("supernode", "register", str(key), NAME)
            said = done.stdout + done.stderr
            if done.returncode and "already" not in said.lower():
                raise ClientError(f"federate up: the site '{key.stem}' could not be registered: {last_line(said)}")


def program(name: str) -> str:
    """Return where one of Flower's programs is.

    Raises:
        MissingExtra: Flower is not installed.
    """
    require("flwr", EXTRA)
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or name


def write_app(folder: Path) -> Path:
    """Write a Flower app that ``flwr run`` takes.

    >>> import tempfile
    >>> sorted(path.name for path in write_app(Path(tempfile.mkdtemp()) / "app").iterdir())
    ['LICENSE', 'headstart_app', 'pyproject.toml']
    """
    version = require("flwr", EXTRA).__version__
    settings = "\n".join(f"{name} = {json.dumps(value)}" for name, value in RUN_SETTINGS.items())
    for name, text in {**APP, "pyproject.toml": PROJECT.format(version=version, settings=settings)}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def run_config(values: Mapping[str, str | int | float]) -> str:
    """Return settings of a run as Flower's command line wants them.

    >>> run_config({"arm": "fedavg", "seed": 1})
    'arm="fedavg" seed=1'
    """
    return " ".join(f"{name}={json.dumps(value)}" for name, value in values.items())


def split_address(address: str) -> tuple[str, int]:
    """Return host and port.

    Raises:
        SettingError: it is no ``host:port``.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise SettingError(f"--address: must be host:port, received '{address}'")
    return host, int(port)


def wait_for_port(address: str, seconds: float = 60) -> None:
    """Wait until somebody listens.

    Raises:
        ClientError: the time is up.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(split_address(address), timeout=1):
                return
        except OSError:
            if time.monotonic() > end:
                raise ClientError(f"federate: nobody listens at {address}; start 'headstart federate up'") from None
            time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def last_line(text: str) -> str:
    """Return what a program said last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def follow(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program to its end in this terminal."""
    return subprocess.call(list(command), env=dict(environment))
