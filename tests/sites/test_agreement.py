"""What belongs to a federation is agreed in it: sites that differ give the numbers of the joined table, or a name."""

from pathlib import Path

import pytest

from headstart.core.errors import HeadstartError
from sites.federations import Made, federated, losses_on_test, of_simulation, random_pictures, random_table

CLOSE = 1e-6


@pytest.mark.parametrize(
    "made",
    [random_table(seed) for seed in range(22)] + [random_pictures(seed) for seed in range(8)],
    ids=[f"table-{seed}" for seed in range(22)] + [f"pictures-{seed}" for seed in range(8)],
)
def test_sites_that_differ_are_the_joined_federation_or_refused_by_name(made: Made, tmp_path: Path) -> None:
    if made.refused:
        assert made.refused in refusal(made, tmp_path)
        return
    found = federated(made, tmp_path)
    assert found["excluded"] == []
    assert losses_on_test(found) == pytest.approx(of_simulation(made, tmp_path), abs=CLOSE)


def refusal(made: Made, folder: Path) -> str:
    """Return why a federation, or a site of it, is refused."""
    try:
        return "; ".join(f"{one['client']}: {one['reason']}" for one in federated(made, folder)["excluded"])
    except HeadstartError as error:
        return str(error)
