"""Domain-adaptive pre-training: the encoder goes on guessing masked words, now in the server's own texts.

Gururangan, Marasović, Swayamdipta, Lo, Beltagy, Downey, Smith: Don't Stop Pretraining: Adapt Language Models to Domains
and Tasks. ACL 2020. https://arxiv.org/abs/2004.10964 (section 3).

Differs from the paper: words are guessed by the encoder's token embeddings alone, for most checkpoints come without the
layer that did it; the pass of least loss on held-back texts is kept, and no dropout is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field, NonNegativeInt, PositiveInt

from headstart.start.pretrained import fit_head
from headstart.start.protocol import Build, Central, Need, Start, silent
from headstart.training import LocalTraining, Network, Params, SettingError, StartError, Task, Tell, guess_masked_words


@dataclass(frozen=True, kw_only=True)
class DomainPretrain(Start):
    """Train the checkpoint's encoder on the central pool's texts; labels are not needed.

    Attributes:
        epochs: passes over the texts.
        mask_probability: share of tokens that are hidden.
        local: how steps are taken.
        seed: pre-train once, with this seed, for all seeds of a study; None pre-trains anew for each.
    """

    epochs: PositiveInt = 3
    mask_probability: Annotated[float, Field(gt=0, lt=1)] = 0.15
    local: LocalTraining = LocalTraining(client_lr=5e-5, optimizer="adamw", weight_decay=0.01)
    seed: NonNegativeInt | None = None

    from_scratch: ClassVar[bool] = False
    needs: ClassVar[tuple[Need, ...]] = ("text checkpoint", "texts")

    def __post_init__(self) -> None:
        """Check that every option does something.

        Raises:
            SettingError: one is for labels or pictures.
        """
        options = ["label_smoothing", "dropout", "augment"]
        self.local.refuse(options, "is for training with labels, and this start guesses masked words")

    def __call__(
        self, build: Build, task: Task, central: Central | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return the encoder's weights; the head is fitted on the pool if it has the clients' classes, else new.

        Raises:
            StartError: no pass guesses better than the checkpoint.
        """
        if central is None or central.texts is None:
            raise SettingError(
                "start: 'domain_pretrain' needs a central pool of texts, received none; add a [data.central] table"
            )
        network, weights = build(task, from_scratch=False)
        body = {name: value for name, value in weights.items() if not name.startswith("head.")}
        trained = guess_masked_words(
            network,
            body,
            central.texts,
            self.local,
            epochs=self.epochs,
            probability=self.mask_probability,
            seed=seed,
            tell=tell,
        )
        if trained is body:
            raise StartError(
                f"start.client_lr: pre-training must lower the loss on masked words of held-back texts, and with "
                f"{self.local.client_lr:g} no pass of {self.epochs} did; give a smaller client_lr if that loss rose, a "
                "larger one or more epochs if it stood still, a larger pool, or start = 'pretrained'"
            )
        return network, fit_head(network, {**weights, **trained}, central, tell)
