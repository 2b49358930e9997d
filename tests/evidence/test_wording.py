from __future__ import annotations

import pytest

from headstart.evidence import wording
from headstart.evidence.contest import Effect


@pytest.mark.parametrize(("gap", "text"), [(0.02, "0.020 better"), (0.0, "0.000 better"), (-0.02, "0.020 worse")])
def test_effects_are_better_or_worse(gap: float, text: str) -> None:
    assert wording.signed(Effect(gap, 0, 0)) == text
