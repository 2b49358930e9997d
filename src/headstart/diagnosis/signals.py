"""The numbers of a diagnosis that a prediction rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headstart.diagnosis.ceiling import Ceiling

# Fed3R's closed-form head beats training at 13 examples per client and loses at 120; 40 is between, by ratio.
SMALL_CLIENT = 40


@dataclass(frozen=True)
class Signals:
    """What the rules look at.

    Attributes:
        num_examples: training examples of all clients.
        median_examples: of a client.
        num_classes: classes that the pool has examples of.
        majority: share of the pool's largest class, what guessing it scores.
        ridge_accuracy: leave-one-out accuracy of the pooled ridge head.
        label_skew: mean total variation of the clients' labels.
        label_skew_expected: what chance alone would show.
        class_shift: class-conditional Fréchet distance.
        class_shift_expected: what chance alone would show.
        ceiling: pooled, local and personal ridge heads on validation data.
        pretrained: whether the features come from a pre-trained backbone.
    """

    num_examples: int
    median_examples: float
    num_classes: int
    majority: float
    ridge_accuracy: float
    label_skew: float
    label_skew_expected: float
    class_shift: float
    class_shift_expected: float
    ceiling: Ceiling
    pretrained: bool = True

    @property
    def too_few(self) -> bool:
        """Whether all clients together have less than five examples per class."""
        return self.num_examples < 5 * self.num_classes

    @property
    def no_signal(self) -> bool:
        """Whether a head on the features does no better than guessing, by two standard errors."""
        error = math.sqrt(self.majority * (1 - self.majority) / max(self.num_examples, 1))
        return self.ridge_accuracy <= self.majority + 2 * error

    @property
    def no_validation(self) -> bool:
        """Whether no client could compare the heads."""
        return not math.isfinite(self.ceiling.gap)

    @property
    def small(self) -> bool:
        """Whether the median client is too small to train a network on."""
        return self.median_examples < SMALL_CLIENT

    @property
    def sharing_pays(self) -> bool:
        """Whether a head that others helped to train beats the client's own by more than the noise."""
        return self.ceiling.sharing > self.ceiling.sharing_noise

    @property
    def personalization_pays(self) -> bool:
        """Whether adapting the shared head to the client gains more than the noise."""
        return self.ceiling.personalization > self.ceiling.personalization_noise

    @property
    def skewed(self) -> bool:
        """Whether labels differ between clients by more than chance explains."""
        return self.label_skew > self.label_skew_expected + 0.1

    @property
    def shifted(self) -> bool:
        """Whether the same class differs between clients by more than chance explains."""
        return self.class_shift > max(1.5 * self.class_shift_expected, 0.01)
