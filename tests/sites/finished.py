"""What a run folder says of one run, read as whoever opens it reads it."""

from pathlib import Path
from typing import Any

from headstart.core.damage import Damaged
from headstart.core.files import read_json
from headstart.report import load_run


def finished(out: Path, arm: str, seed: int = 0) -> dict[str, Any]:
    """Return a finished run's record, and under ``clients`` each client's scores on its test data."""
    run = load_run(out)
    (line,) = (one for one in run.of(arm) if one["seed"] == seed)
    table = run.clients
    clients: dict[str, dict[str, float]] = {}
    for row in range(len(table["arm"])):
        if (table["arm"][row], table["seed"][row], table["split"][row]) == (arm, seed, "test"):
            clients.setdefault(str(table["client"][row]), {})[str(table["metric"][row])] = table["value"][row]
    return {**line, "clients": clients}


def round_of(out: Path) -> int:
    """Return how many rounds of the stage that is on are finished; 0 before there is one."""
    try:
        facts = [read_json(path) or {} for path in (out / "rounds").glob("nodes/*.json")]
    except (Damaged, FileNotFoundError):  # it is being written
        return 0
    return max((int(one.get("rounds", 0)) for one in facts), default=0)
