"""What commands of a federation say to programs; imported for those alone, as it takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.cli.replies import FilesReply, PreviewReply, ProbeReply, StatusReply

if TYPE_CHECKING:
    from headstart.report.probe import Probe
    from headstart.sites.flower.standing import Standing


def of_keys(folders: Sequence[Path], words: str) -> FilesReply:
    """Name the folders that keys were written to."""
    return FilesReply(tuple(map(str, folders)), words)


def of_preview(lines: Sequence[str], accepted: str) -> PreviewReply:
    """Say what a site would answer, and what was accepted."""
    return PreviewReply(tuple(lines), accepted)


def of_probe(probe: Probe, page: Path) -> ProbeReply:
    """Say what a probe found, and where its page is."""
    same = ("verdict", "interval", "clients", "claims_significance", "left_out", "epsilon", "delta", "seconds")
    said: dict[str, Any] = {name: probe.found[name] for name in same}
    return ProbeReply(
        name=probe.name,
        sentence=probe.sentence,
        cautions=probe.cautions,
        gain=probe.found["ceiling"],
        foretold=(probe.found["prediction"] or {}).get("family"),
        folder=str(probe.folder),
        report=str(page),
        **said,
    )


def of_status(now: Standing, notes: tuple[str, ...]) -> StatusReply:
    """Say where a federation stands."""
    return StatusReply(now.states(), tuple(now.told_runs()), now.is_whole, notes)
