"""A whole federation on this machine, for a try: keys, a link, a site per client, one run."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import ClientError, SettingError
from headstart.core.files import read_json
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation, Split
from headstart.data.settings import DataSettings
from headstart.sites.flower.keys import make_keys
from headstart.sites.flower.programs import (
    NAME,
    Link,
    follow,
    free_ports,
    program,
    run_config,
    wait_for_port,
    write_app,
)

LAST = "last.json"
"""What the last run came to."""

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def write_site_files(federation: Federation, settings: DataSettings, folder: Path, count: int) -> dict[str, Path]:
    """Write the examples of the first clients as one Parquet file each: pictures as PNG, tables as columns.

    Args:
        federation: of the study.
        settings: whose names the columns take.
        folder: to write into.
        count: how many clients.

    Raises:
        SettingError: there are fewer clients, or they hold texts.
    """
    clients = federation.seen_clients
    if not 1 <= count <= len(clients):
        raise SettingError(f"--local: must be from 1 to the study's {len(clients)} seen clients, received {count}")
    if federation.examples.kind == "text":
        raise SettingError("--local: texts are not served by a real federation yet; run the study in a simulation")
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for client in clients[:count]:
        found[client.id] = folder / f"{client.id}.parquet"
        _write_parquet(federation.examples, client, settings, found[client.id])
    return found


def _write_parquet(examples: Examples, client: Client, settings: DataSettings, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = np.sort(np.concatenate([client.train, client.val, client.test]))
    inputs = examples.inputs[rows]
    columns: dict[str, Any] = {settings.label: [examples.classes[label] for label in examples.labels[rows]]}
    if settings.split.column:
        columns[settings.split.column] = [next(part for part in SPLITS if row in client.indices(part)) for row in rows]
    if examples.kind == "image":
        columns[settings.image or "image"] = [
            {"bytes": _png(one), "path": f"{row}.png"} for one, row in zip(inputs, rows, strict=True)
        ]
    else:
        columns |= {name: inputs[:, number] for number, name in enumerate(examples.columns)}
    pq.write_table(pa.table(columns), path)


def _png(pixels: Array) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def running(sites: dict[str, Path], folder: Path, policy: str = "updates") -> Iterator[Link]:
    """Start a link and its sites on loopback, and stop them in the end.

    Args:
        sites: data by client.
        folder: for keys, state and logs.
        policy: of every site.
    """
    ports = free_ports(len(sites) + 1)
    link = Link(f"127.0.0.1:{ports[0]}", folder / "keys", folder / "flower")
    if not link.keys.exists():
        make_keys(link.keys, ["127.0.0.1", "localhost"], list(sites))
    link.configure()
    programs: list[subprocess.Popen[bytes]] = []
    try:
        programs.append(_start(link, link.superlink(), folder / "link.log"))
        wait_for_port(link.address)
        link.register()
        for (name, data), port in zip(sites.items(), ports[1:], strict=True):
            settings = {
                "data": str(data.resolve()),
                "state": str((folder / "state" / name).resolve()),
                "policy": policy,
            }
            programs.append(_start(link, link.supernode(name, settings, port), folder / f"{name}.log"))
        yield link
    finally:
        for each in reversed(programs):
            each.terminate()
        for each in programs:
            try:
                each.wait(10)
            except subprocess.TimeoutExpired:
                each.kill()


def _start(link: Link, command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(command, env=link.environment, stdout=file, stderr=file)


def run_on(link: Link, folder: Path, values: dict[str, str | int | float]) -> int:
    """Run the app on a link, its log in this terminal.

    Raises:
        ClientError: the run did not start.
    """
    app = write_app(folder / "app")
    link.configure()
    return follow(
        [program("flwr"), "run", str(app), NAME, "--stream", "--run-config", run_config(values)], link.environment
    )


def finished(out: Path) -> dict[str, Any]:
    """Return what the last run wrote.

    Raises:
        ClientError: it wrote nothing.
    """
    found = read_json(out / LAST)
    if found is None:
        raise ClientError(f"federate run: the run ended without a result in '{out}'; its log above says why")
    return dict(found)
