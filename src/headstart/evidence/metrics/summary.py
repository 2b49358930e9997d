"""One run's metrics summed up, as its record holds them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart.core.arrays import Array
from headstart.core.plain import finite
from headstart.evidence.metrics.measure import Measure
from headstart.evidence.metrics.scored import low_quantile, nan_mean


def run_metrics(
    clients: Mapping[str, Array], pooled: Mapping[str, float | None], seen: Array, metric: Measure
) -> dict[str, float | None]:
    """Summarise one run (one arm, one seed) as its record holds it; None where no client has a value.

    Args:
        clients: as ``client_metrics`` returns.
        pooled: as ``pooled_metrics`` returns, over the seen clients' rows; None where that is not known.
        seen: which clients are not held out ``(clients,)`` bool.
        metric: what ``worst_decile``, the boundary of the worst tenth of the seen clients, and
            ``worst_client`` measure.

    Returns:
        ``client_<metric>``, the unweighted mean over seen clients; ``pooled_<metric>``, over examples;
        ``unseen_client_<metric>``, over held-out clients; ``worst_decile``; ``worst_client``.
    """
    seen, names = np.asarray(seen, dtype=bool), [name for name in clients if name != "num_examples"]
    worst = metric.sign * clients[metric.name][seen]
    found = {f"client_{name}": nan_mean(clients[name][seen]) for name in names}
    found |= {f"pooled_{name}": np.nan if (value := pooled.get(name)) is None else float(value) for name in names}
    found |= {f"unseen_client_{name}": nan_mean(clients[name][~seen]) for name in names}
    found |= {
        "worst_decile": metric.sign * low_quantile(worst, 0.1),
        "worst_client": metric.sign * low_quantile(worst, 0.0),
    }
    return {name: finite(value) for name, value in found.items()}
