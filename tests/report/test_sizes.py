"""How large a page is, and what it takes to write it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .large import write_large

MEASURE = """
import json, resource, sys, time
from headstart.report import write_report
begin = time.process_time()
(path,) = write_report(sys.argv[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps([path.stat().st_size, time.process_time() - begin, peak]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arms", "clients", "most_bytes", "most_seconds", "most_gigabytes"),
    [(15, 30, 400_000, 8, 1), (40, 500, 2_000_000, 10, 1), (15, 20_000, 2_000_000, 10, 1.5)],
)
def test_a_page_stays_small(
    tmp_path: Path, arms: int, clients: int, most_bytes: int, most_seconds: float, most_gigabytes: float
) -> None:
    """Seconds are of one core."""
    folder = write_large(tmp_path / "run", arms=arms, clients=clients, seeds=5)
    done = subprocess.run([sys.executable, "-c", MEASURE, str(folder)], capture_output=True, check=True, text=True)
    size, seconds, peak = json.loads(done.stdout)
    assert size <= most_bytes
    assert seconds <= most_seconds
    assert peak <= most_gigabytes
