"""What a diagnosis may have measured."""

from __future__ import annotations

from headstart.diagnosis.ceiling import Ceiling
from headstart.diagnosis.signals import Signals


def ceiling(pooled: float, local: float, personal: float, noise: float = 0.01) -> Ceiling:
    """Three accuracies, all their differences equally uncertain."""
    return Ceiling(
        pooled=pooled,
        local=local,
        personal=personal,
        gap=pooled - local,
        noise=noise,
        sharing=max(pooled, personal) - local,
        sharing_noise=noise,
        personalization=personal - pooled,
        personalization_noise=noise,
    )


PLAIN = Signals(
    num_examples=2000,
    median_examples=100,
    num_classes=10,
    majority=0.1,
    ridge_accuracy=0.8,
    label_skew=0.1,
    label_skew_expected=0.1,
    class_shift=0.05,
    class_shift_expected=0.05,
    ceiling=ceiling(0.8, 0.6, 0.8),
)
"""Many examples, a good backbone, no skew, no shift; sharing pays, adapting does not."""
