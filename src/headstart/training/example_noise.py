"""How single examples are hidden while a client trains: the settings of DP-SGD.

Abadi, Chu, Goodfellow, McMahan, Mironov, Talwar, Zhang: Deep Learning with Differential Privacy. CCS 2016.
https://arxiv.org/abs/1607.00133 (Algorithm 1).

Differs from the paper: an example counts as there or not at all, so that a client's number of examples is known (the
paper's sum is divided by the expected size of a batch, too); steps may have momentum.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.core.errors import SettingError
from headstart.training.accountant import Releases, delta_for, noise_for


@dataclass(frozen=True, kw_only=True)
class ExampleNoise:
    """A step's gradient is a sum of shortened gradients of examples, under noise.

    Attributes:
        clip: L2 norm, over all that trains, to which the gradient of an example is shortened.
        multiplier: standard deviation of the noise on their sum, in ``clip``.
        epsilon: that each client is promised: its noise follows from it; None takes ``multiplier``.
        delta: of the promise; None takes one over the client's examples to the power of 1.1, at most 1e-5.
        epochs: passes over a client's examples, in all that it does, for which ``epsilon`` is enough.
    """

    clip: float
    multiplier: float = 0.0
    epsilon: float | None = None
    delta: float | None = None
    epochs: int | None = None

    def of(self, size: int, batch_size: int) -> float:
        """Return a client's noise, in ``clip``.

        Args:
            size: examples of the client, at least 1.
            batch_size: examples that a step expects.

        Raises:
            SettingError: it is not said for how many passes epsilon is to be enough.
            MissingExtra: the accountant is not installed.

        >>> ExampleNoise(clip=1.0, multiplier=2.0).of(100, 32)
        2.0
        >>> some, many = (ExampleNoise(clip=1.0, epsilon=2.0, epochs=20).of(size, 32) for size in (100, 1000))
        >>> round(some, 1), round(many, 1)
        (5.9, 1.8)
        """
        if self.epsilon is None:
            return self.multiplier
        if self.epochs is None:
            raise SettingError(
                "epsilon: needs private_epochs outside of a study, the passes that it is for in all rounds and "
                f"stages, received {self.epsilon:g} alone; add private_epochs"
            )
        steps = num_steps(size, batch_size, self.epochs)
        return noise_for(self.epsilon, self.delta or delta_for(size), steps, share_of(size, batch_size))


def num_steps(size: int, batch_size: int, epochs: int) -> int:
    """Return how many steps of about so many examples make so many passes."""
    return epochs * -(-size // batch_size)


def share_of(size: int, batch_size: int) -> float:
    """Return the probability with which each example is in a step."""
    return min(1.0, batch_size / size)


def releases_of(noise: float, size: int, batch_size: int, steps: int, draws: int = 1) -> Releases:
    """Return steps as the accountant knows them.

    Args:
        noise: in clips.
        size: examples of the client.
        batch_size: examples that a step expects.
        steps: how many.
        draws: noisy gradients on one and the same batch, which together are as one with less noise.
    """
    return Releases(steps, share_of(size, batch_size), noise / draws**0.5)
