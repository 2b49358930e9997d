"""Groups planted in real pictures: found exactly, and nobody worse off than alone by more than chance."""

import os
from pathlib import Path

import numpy as np
import pytest

from groups import ARMS, accuracies, company_of, minds, read

CLIENTS, EXAMPLES = 20, 120
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("HEADSTART_DATA" not in os.environ, reason="HEADSTART_DATA names no folder of data"),
]


@pytest.mark.filterwarnings("ignore:inputs are not scaled")
@pytest.mark.parametrize("groups", [1, 4, CLIENTS])
def test_planted_groups_are_found_and_leave_nobody_worse_off(groups: int) -> None:
    pictures = read(Path(os.environ["HEADSTART_DATA"]), CLIENTS * EXAMPLES)
    federation, of = minds(*pictures, CLIENTS, groups)
    company = company_of(federation)
    assert company is not None
    found = np.array([one.group for one in company.clients])
    assert np.array_equal(found[:, None] == found, of[:, None] == of)
    local, ridge, collab = (accuracies(ARMS[name], federation) for name in ("local", "ridge", "collab"))
    # A test example is 1.7 points.
    assert (collab >= local - 0.02).mean() >= 0.9
    assert collab.mean() >= max(local.mean(), ridge.mean()) - 0.01
