"""Where a federation stands: each site of the keys by name, and the runs, the latest last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flwr.proto.node_pb2 import NodeInfo
from flwr.proto.run_pb2 import Run

_ROW = "{:<32}  {:<13}  {}"
_RUN_ROW = "{:<16}  {:<24}  {:<24}  {}"


@dataclass(frozen=True)
class Standing:
    """What a link knows.

    Attributes:
        sites: of each site of the keys, by name; None where the link has not let one in.
        runs: of this link.

    >>> for line in Standing({"north": None}, []).lines():
    ...     print(line)
    site                              state          since (UTC)
    north                             not let in     start the link again
    """

    sites: Mapping[str, NodeInfo | None]
    runs: Sequence[Run]

    @property
    def is_whole(self) -> bool:
        """Whether every site is connected."""
        return all(map(_is_here, self.sites.values()))

    def states(self) -> dict[str, str]:
        """Return each site's state, by name."""
        return {name: _state(node)[0] for name, node in sorted(self.sites.items())}

    def told_runs(self) -> Iterator[dict[str, str]]:
        """Yield what is known of each run, the latest last."""
        for run in sorted(self.runs, key=lambda run: run.pending_at):
            what = {name: run.override_config[name].string for name in ("study", "arm")}
            yield {**what, "began": _minute(run.pending_at), "state": _end(run)}

    def lines(self) -> Iterator[str]:
        """Yield a table of sites and one of runs, 80 columns wide, the latest run last."""
        yield _ROW.format("site", "state", "since (UTC)")
        for name, node in sorted(self.sites.items()):
            yield _ROW.format(_short(name, 32), *_state(node))
        if self.runs:
            yield ""
            yield _RUN_ROW.format("run (UTC)", "study", "arm", "state")
        for run in sorted(self.runs, key=lambda run: run.pending_at):
            study, arm = (_short(run.override_config[name].string or "-", 24) for name in ("study", "arm"))
            yield _RUN_ROW.format(_minute(run.pending_at), study, arm, _end(run))


def _is_here(node: NodeInfo | None) -> bool:
    return node is not None and node.status == "online"


def _state(node: NodeInfo | None) -> tuple[str, str]:
    if node is None:
        return "not let in", "start the link again"
    if _is_here(node):
        return "connected", _minute(node.last_activated_at)
    return ("gone", _minute(node.online_until or node.last_deactivated_at)) if node.last_activated_at else ("new", "-")


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
