from pathlib import Path

import pytest

from headstart.report import load_run
from headstart.report.page import to_html
from headstart.report.pairs import SIGNS, pair_lines
from headstart.report.summary import arm_rows

TURNED = {"better": "worse", "worse": "better", "as good": "as good", "open": "open", "no claim": "no claim"}


@pytest.mark.parametrize("name", ["undecided", "many", "no claim", "not kept"])
def test_every_cell_mirrors_its_other(answered: dict[str, Path], name: str) -> None:
    run = load_run(answered[name])
    lines = pair_lines(run, arm_rows(run))
    assert [arm for arm, _ in lines] == [row.name for row in arm_rows(run)]
    for at, (_, cells) in enumerate(lines):
        assert cells[at].state is None
        for other in range(at):
            assert TURNED[str(cells[other].state)] == lines[other][1][at].state


def test_states_follow_the_intervals(answered: dict[str, Path]) -> None:
    run = load_run(answered["undecided"])
    lines = dict(pair_lines(run, arm_rows(run)))
    order = list(lines)
    against_local = lines["ridge"][order.index("local")]
    assert (against_local.state, against_local.sign) == ("better", SIGNS["better"])
    assert against_local.title.startswith("+")
    own = next(c for c in run.verdict["contrasts"] if c["scope"] == run.verdict["scope"] and c["over"] == "federate")
    cell = lines[own["arm"]][order.index(own["over_arm"])]
    assert f"({100 * own['low']:.1f} to {100 * own['high']:.1f})".replace("-", "\N{MINUS SIGN}") in cell.title
    assert cell.state == "open"


def test_two_seeds_claim_nothing(answered: dict[str, Path]) -> None:
    run = load_run(answered["no claim"])
    cells = [cell for _, line in pair_lines(run, arm_rows(run)) for cell in line if cell.state]
    assert {cell.state for cell in cells} == {"no claim"}
    assert "no interval" in cells[0].title


def test_an_older_verdict_has_no_table(slate_folder: Path) -> None:
    run = load_run(slate_folder)
    assert pair_lines(run, arm_rows(run)) == ()
    assert "All pairs: " not in to_html(run)
