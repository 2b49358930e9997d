"""What else the features say that bears on the question, in plain sentences with their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from headstart.diagnosis.shift import Shift


def reasons(
    label_skew: Mapping[str, float], shift: Shift, backbone: Mapping[str, float], examples: int, *, pretrained: bool
) -> Iterator[str]:
    """Yield what stands out.

    Args:
        label_skew: ``total_variation`` and what chance alone would show, ``expected``.
        shift: of the features.
        backbone: ``ridge_accuracy`` and the ``majority`` class's share.
        examples: training examples of all clients.
        pretrained: whether the features come from a pre-trained backbone.
    """
    skewed, by_chance = label_skew["total_variation"], label_skew["expected"]
    if skewed > by_chance + 0.1:
        yield (
            f"Labels are skewed: {skewed:.2f} of a client's examples would have to change class to match the pool "
            f"(chance alone: {by_chance:.2f}); a shared model that is not adapted may pay for it."
        )
    if shift.class_conditional > max(1.5 * shift.class_conditional_expected, 0.01):
        yield (
            f"The same class looks different from client to client: shift {shift.class_conditional:.2f} within classes "
            f"(chance alone: {shift.class_conditional_expected:.2f})."
        )
    yield from _of_backbone(backbone["ridge_accuracy"], backbone["majority"], examples, pretrained=pretrained)


def _of_backbone(accuracy: float, majority: float, examples: int, *, pretrained: bool) -> Iterator[str]:
    if accuracy <= majority + 2 * math.sqrt(majority * (1 - majority) / max(examples, 1)):
        yield (
            f"A head on these features reaches {accuracy:.2f}, no better than guessing the largest class "
            f"({majority:.2f}): what heads foretell says little, and the backbone itself must be trained."
        )
    elif pretrained and accuracy > majority + 0.1:
        yield (
            f"A head on the frozen backbone already reaches {accuracy:.2f}, guessing the largest class "
            f"{majority:.2f}: start pre-trained."
        )
