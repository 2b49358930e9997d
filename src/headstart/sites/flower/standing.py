"""Where a federation stands: each site of the keys by name, and the runs, the latest last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from flwr.proto.node_pb2 import NodeInfo
from flwr.proto.run_pb2 import Run

_ROW = "{:<32}  {:<13}  {}"
_RUN_ROW = "{:<16}  {:<24}  {:<22}  {}"


def is_here(node: NodeInfo | None) -> bool:
    """Say whether a site is connected."""
    return node is not None and node.status == "online"


def site_lines(sites: Mapping[str, NodeInfo | None]) -> Iterator[str]:
    """Yield a table of sites, 80 columns wide.

    Args:
        sites: what the link knows of each, by name; None where it has not let one in.

    >>> for line in site_lines({"north": None}):
    ...     print(line)
    site                              state          since (UTC)
    north                             not let in     start the link again
    """
    yield _ROW.format("site", "state", "since (UTC)")
    for name, node in sorted(sites.items()):
        yield _ROW.format(_short(name, 32), *_state(node))


def _state(node: NodeInfo | None) -> tuple[str, str]:
    if node is None:
        return "not let in", "start the link again"
    if is_here(node):
        return "connected", _minute(node.last_activated_at)
    return ("gone", _minute(node.last_deactivated_at or node.online_until)) if node.last_activated_at else ("new", "-")


def run_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Yield a table of runs, 80 columns wide, the latest last; nothing where there are none."""
    found = sorted(runs, key=lambda run: run.pending_at)
    if found:
        yield ""
        yield _RUN_ROW.format("run (UTC)", "study", "arm", "state")
    for run in found:
        study, arm = (run.override_config[name].string for name in ("study", "arm"))
        yield _RUN_ROW.format(_minute(run.pending_at), _short(study or "-", 24), _short(arm or "-", 22), _end(run))


def _end(run: Run) -> str:
    """Say how a run ended, or that it goes on."""
    return str(run.status.sub_status or run.status.status)


def _short(name: str, most: int) -> str:
    """Cut a name.

    >>> _short("St. Mary's", 6)
    'St. M…'
    """
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _minute(moment: str | float) -> str:
    """Return a moment, in UTC, to the minute.

    >>> _minute("2026-11-27T03:40:10+01:00"), _minute("")
    ('2026-11-27 02:40', '-')
    """
    if not moment:
        return "-"
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else datetime.fromtimestamp(moment, UTC)
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M}"
