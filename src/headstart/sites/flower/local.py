"""A whole federation on this machine, for a try: keys, a link, a site per client."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headstart.core.arrays import Array
from headstart.core.errors import DataError, SettingError
from headstart.core.files import file_name, write_atomically, write_names
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation, Split
from headstart.data.open import table_format
from headstart.data.reading import Reading
from headstart.data.rows import row_ids
from headstart.data.settings import DataSettings
from headstart.data.sources import Source, open_source
from headstart.sites.flower.door import Door, write_door
from headstart.sites.flower.keys import make_keys
from headstart.sites.flower.operator import Operator
from headstart.sites.flower.processes import together
from headstart.sites.flower.programs import Link, free_ports
from headstart.sites.messages import Hello
from headstart.sites.settings import NodeSettings
from headstart.sites.site import Site
from headstart.study.written.load import StudyFile


def write_site_files(
    federation: Federation, settings: DataSettings, folder: Path, count: int, base: Path = Path()
) -> dict[str, Path]:
    """Write the examples of the first clients as one Parquet file each: pictures as PNG, other columns as they were.

    Args:
        federation: of the study.
        settings: whose names the columns take.
        folder: to write into.
        count: how many clients.
        base: the folder where relative paths start.

    Raises:
        SettingError: there are fewer clients.
    """
    clients = federation.seen_clients
    if not 1 <= count <= len(clients):
        raise SettingError(f"--local: must be from 1 to the study's {len(clients)} seen clients, received {count}")
    folder.mkdir(parents=True, exist_ok=True)
    files = write_names(folder, [client.id for client in clients[:count]], "data.client")
    found = {name: folder / f"{file}.parquet" for name, file in files.items()}
    is_image = federation.examples.kind == "image"
    is_needed = settings.split.time or not is_image
    source = open_source(settings.source, base, form=table_format(settings)) if is_needed else None
    for client in clients[:count]:
        rows = np.sort(np.concatenate([client.train, client.val, client.test]))
        own = source and _rows(source, [federation.examples.ids[row] for row in rows], settings)
        table = _pictures(federation.examples, client, rows, settings, own) if is_image else own
        write_atomically(found[client.id], partial(pq.write_table, table))
    return found


def _rows(source: Source, ids: Sequence[str], settings: DataSettings) -> pa.Table:
    """Return rows as they were read: not filled, encoded or standardised, which a federation does by itself."""
    names = row_ids(source, Reading(setting="data", label=None, id=settings.id))
    places = {name: place for place, name in enumerate(names)}
    return source.table.take(pa.array([places[name] for name in ids], pa.int64()))


def _pictures(
    examples: Examples, client: Client, rows: Array, settings: DataSettings, source: pa.Table | None
) -> pa.Table:
    """Return pictures with their labels, splits and times."""
    columns: dict[str, Any] = {settings.label: [examples.classes[label] for label in examples.labels[rows]]}
    if settings.split.column:
        columns[settings.split.column] = [
            next(part for part in get_args(Split) if row in client.indices(part)) for row in rows
        ]
    if settings.split.group and examples.groups is not None:
        columns[settings.split.group] = [f"{number:09d}" for number in examples.groups[rows]]
    if settings.split.time and source is not None:
        columns[settings.split.time] = source[settings.split.time]
    columns[settings.image or "image"] = [{"bytes": _png(examples.inputs[row]), "path": f"{row}.png"} for row in rows]
    return pa.table(columns)


def _png(pixels: Array) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def accept_alike(node: NodeSettings, study: StudyFile) -> None:
    """Let a site answer a study, if its data can be read so; what cannot be read is refused when it is asked for."""
    site = Site(node.name, Path(node.data), Path(node.state), one_hot=tuple(node.one_hot))
    with suppress(DataError):
        site.accept(Hello(study.data, study.settings.name, tuple(sorted(study.settings.seeds)), study.model))


@contextmanager
def running(
    sites: dict[str, Path], folder: Path, study: StudyFile, policy: str = NodeSettings.policy
) -> Iterator[Link]:
    """Start a link and its sites on loopback, and stop them in the end.

    They are of one operator, who has the data anyway: they accept the study, and say all that the policy lets leave,
    however few examples it is of.

    Args:
        sites: data by client.
        folder: for keys, state and logs.
        study: that every site accepts.
        policy: of every site.
    """
    (port,) = free_ports(1)
    link = Link(f"127.0.0.1:{port}", folder / "keys", folder / "flower")
    if not link.keys.exists():
        make_keys(link.keys, ["127.0.0.1"], list(sites))
    with together() as start:

        def begin(command: list[str], name: str) -> None:
            with (folder / f"{name}.log").open("ab") as log:
                start(command, link.environment, log)

        write_door(link.home, Door.at(free_ports(1)[0]))
        begin(link.program(folder / "link.db"), "link")
        link.wait()
        Operator.of(link).register_all()
        for name, data in sites.items():
            state = (folder / "state" / file_name(name)).resolve()
            node = NodeSettings(
                name=name,
                data=str(data.resolve()),
                state=str(state),
                policy=policy,
                one_hot=study.data.one_hot,
                examples=1,
                class_examples=1,
            )
            accept_alike(node, study)
            begin(link.node(node), f"site-{file_name(name)}")
        yield link
