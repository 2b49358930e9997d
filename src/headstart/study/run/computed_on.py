"""On what a study is computed: said in its records, and where a run folder goes on on another device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headstart.core.device import name_of
from headstart.study.lab import Lab


def computed_on(lab: Lab) -> str:
    """Name the device, and the precision where it is not exact."""
    return name_of(lab.device) if lab.precision == "float32" else f"{name_of(lab.device)}, {lab.precision}"


def changed_devices(records: Iterable[Mapping[str, Any]], lab: Lab) -> Iterator[str]:
    """Say, in a line, that records of another device count on; those of before devices were noted are the processor's.

    Args:
        records: of the run folder, that are taken over.
        lab: which goes on.
    """
    now = computed_on(lab)
    before = dict.fromkeys(record.get("versions", {}).get("device", "cpu") for record in records)
    if others := [device for device in before if device != now]:
        yield (
            f"records of before were computed on {' and '.join(others)}, those from now on are on {now}: they count "
            "together, since their numbers differ by rounding alone"
        )
