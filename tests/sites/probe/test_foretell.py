from __future__ import annotations

import torch

from headstart.diagnosis.signals import Lead
from headstart.sites.probe.foretell import foretell, total_to_send
from headstart.study.written.schema import DecisionSettings

TOTAL = {"train/gram": torch.ones(6), "train/moment": torch.ones(3, 2), "val/gram": torch.ones(6)}


def test_the_sums_of_two_clients_go_to_neither() -> None:
    assert total_to_send(TOTAL, 2) == {}
    assert list(total_to_send(TOTAL, 3)) == ["total/gram", "total/moment"]


def test_what_clients_lead_by_becomes_a_gain() -> None:
    ahead = {"federate": Lead(0.3, 0.2, None, 0.001), "both": Lead(0.2, 0.1, None, 0.001)}
    found = foretell([ahead, {}, ahead], DecisionSettings(metric="accuracy"))  # type: ignore[list-item]
    assert found is not None
    assert (found.family, found.metric, found.signals["federate"].a) == ("federate", "accuracy", 0.3)


def test_where_no_client_can_say_nothing_is_foretold() -> None:
    assert foretell([{}, {}], DecisionSettings()) is None
