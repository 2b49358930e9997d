from __future__ import annotations

import torch

from headstart.costs.communication import communication
from headstart.federate import FedAvg, Schedule


def test_every_round_sends_the_state_down_and_the_update_up() -> None:
    method = FedAvg(schedule=Schedule(rounds=7, cohort_size=4))
    shared, update = {"w": torch.zeros(10)}, {"w": torch.zeros(10, dtype=torch.float64)}
    found = communication(method, shared, update, 4)
    assert (found.download_per_round, found.upload_per_round) == (40, 80)
    assert (found.download_bytes, found.upload_bytes) == (7 * 4 * 40, 7 * 4 * 80)
    assert found.total_bytes == found.download_bytes + found.upload_bytes
