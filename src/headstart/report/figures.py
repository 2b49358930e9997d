"""The figures of a run, as Altair charts: arms, gains, clients, differences, cost, curves, until, company, privacy.

Every figure exists at two widths, one for a page and one for a phone; one without data is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headstart.report.run import Run

WIDE, NARROW = 880, 350  # px


def figures(run: Run, width: int = WIDE) -> dict[str, Any]:
    """Draw every figure the run has data for.

    Args:
        run: What ``load_run`` read.
        width: Whole width in px, 320 or more.

    Returns:
        Altair charts by name, those that can be drawn of ``arms``, ``gains``, ``clients``, ``differences``,
        ``cost``, ``curves``, ``until``, ``company`` and ``privacy``.
    """
    from altair.utils.schemapi import debug_mode

    from headstart.report.figure_arms import arms_figure
    from headstart.report.figure_clients import clients_figure, differences_figure
    from headstart.report.figure_company import company_figure
    from headstart.report.figure_cost import cost_figure
    from headstart.report.figure_curves import curves_figure
    from headstart.report.figure_gains import gains_figure
    from headstart.report.figure_privacy import privacy_figure
    from headstart.report.figure_until import until_figure

    drawn: dict[str, Callable[[Run, int], Any]] = {
        "arms": arms_figure,
        "gains": gains_figure,
        "clients": clients_figure,
        "differences": differences_figure,
        "cost": cost_figure,
        "curves": curves_figure,
        "until": until_figure,
        "company": company_figure,
        "privacy": privacy_figure,
    }
    with debug_mode(False):  # its check of every piece takes a third of a page's time; tests check whole charts
        charts = {name: draw(run, width) for name, draw in drawn.items()}
    return {name: chart for name, chart in charts.items() if chart is not None}
