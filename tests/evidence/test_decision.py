from __future__ import annotations

from typing import Any

import pytest

from headstart.core.errors import DataError, SettingError
from headstart.evidence import check_decision, check_settings
from headstart.evidence.decision import check_scope


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": "fedavgg"}, r"decision\.baseline: .* got 'fedavgg'; did you mean 'fedavg'"),
        ({"metric": "recall"}, r"decision\.metric: unknown metric 'recall'"),
        ({"min_effect": -0.1}, r"decision\.min_effect: .* got -0\.1"),
        ({"min_effect": float("nan")}, r"decision\.min_effect: .* got nan"),
        ({"confidence": 95}, r"decision\.confidence: .* got 95"),
        ({"confidence": 0}, r"decision\.confidence: .* got 0"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str):
    good: dict[str, Any] = {"baseline": "fedavg", "metric": "accuracy", "min_effect": 0.0, "confidence": 0.9}
    check_settings(**good, arms=["ridge", "fedavg"])
    with pytest.raises(SettingError, match=message):
        check_settings(**(good | changes), arms=["ridge", "fedavg"])


def test_records_under_another_rule_are_refused():
    record = {"arm": "ridge", "seed": 3, "decision": "old"}
    check_decision([record], "old")
    with pytest.raises(DataError, match=r"its hash was 'old', is 'new'.*arm 'ridge', seed 3"):
        check_decision([{"arm": "ridge", "seed": 0, "decision": "new"}, record], "new")


def test_a_record_without_a_rule_is_refused():
    with pytest.raises(DataError, match="its hash was None, is 'new'"):
        check_decision([{"arm": "ridge", "seed": 0}], "new")


def test_what_changed_is_named_where_it_is_known():
    records = [{"arm": "ridge", "seed": seed, "decision": "old"} for seed in (0, 1)]
    with pytest.raises(DataError, match=r"before the runs, but decision\.metric was 'a', is 'b' \(2 records"):
        check_decision(records, "new", ["decision.metric was 'a', is 'b'"])


@pytest.mark.parametrize("metric", ["macro_f1", "calibration_error"])
def test_a_metric_without_examples_speaks_of_clients_like_these(metric: str) -> None:
    check_scope(metric, "like these")
    check_scope(metric, None)
    check_scope("log_loss", "these")
    with pytest.raises(SettingError, match=rf'decision.clients: "these" needs .*received {metric}; write "like these"'):
        check_scope(metric, "these")
