"""Texts on their way to the backbone: cut into tokens once for a whole study, and looked at while they are at hand.

What a reader should know goes into the federation's notes, by number and by the examples' ids: never a text itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import ModelError
from headstart.core.ragged import Ragged
from headstart.data.account import Converted, Findings
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.data.near_duplicates import near_duplicates
from headstart.models.checkpoints.images import TEXTS
from headstart.models.checkpoints.tokens import Tokens, tokenize
from headstart.models.spec import OF_IMAGES, ModelSpec, is_checkpoint, is_own

MOST_TOKENS_PER_WORD, MOST_UNKNOWN = 1.5, 0.02
"""Above either a vocabulary does not know a language well.

Measured with the vocabulary of MiniLM, which is English: 1.05 tokens per word of reviews and 1.31 of medical abstracts,
1.66 of two Spanish sentences, 1.73 of French, 2.23 of German, 4.1 of Russian; of Chinese 70 percent are unknown.
"""


def with_tokens(federation: Federation, spec: ModelSpec) -> Federation:
    """Return the federation with tokens in the place of texts; one of images or tables is returned as it is.

    Raises:
        ModelError: the backbone reads no texts, or its tokenizer cannot be read.
    """
    if federation.examples.kind != "text" or federation.examples.inputs.values.dtype != np.uint8:
        return federation
    reads_texts = is_own(spec) or (is_checkpoint(spec) and spec.backbone not in OF_IMAGES)
    if not reads_texts:
        raise ModelError(f"backbone: '{spec.backbone}' reads images or tables, received {TEXTS}")
    tokens = tokenize(federation.examples.inputs, spec)
    notes = [*_notes_on(tokens), *_leaks(federation, tokens.ids)]
    examples = replace(federation.examples, inputs=tokens.ids)
    central = federation.central and _pool_with_tokens(federation.central, spec)
    account = federation.account and federation.account.with_findings(_cut(tokens))
    return replace(federation, examples=examples, central=central, notes=(*federation.notes, *notes), account=account)


def _pool_with_tokens(pool: Examples, spec: ModelSpec) -> Examples:
    return replace(pool, inputs=tokenize(pool.inputs, spec).ids)


def _cut(tokens: Tokens) -> Findings:
    """Return the record of texts that are longer than the backbone reads."""
    how = f"cut after {tokens.max_tokens} tokens"
    return (Converted("longer texts", how, tokens.truncated),) if tokens.truncated else ()


def _notes_on(tokens: Tokens) -> Iterator[str]:
    """Say what was cut, and what looks like another language."""
    count, unknown = len(tokens.ids), tokens.unknown / max(1, len(tokens.ids.values))
    if tokens.truncated:
        yield f"{tokens.truncated} of {count} texts are longer than {tokens.max_tokens} tokens and are cut there"
    if tokens.per_word > MOST_TOKENS_PER_WORD or unknown > MOST_UNKNOWN:
        yield (
            f"the texts look like another language than the backbone's: {tokens.per_word:.1f} tokens per word, "
            f"{unknown:.0%} of them unknown to its vocabulary; take a checkpoint of that language"
        )


def _leaks(federation: Federation, tokens: Ragged) -> Iterator[str]:
    """Name test texts that nearly repeat a text which some client learns from, and count those between clients."""
    pairs = near_duplicates(tokens)
    part, owner = _places(federation.clients, len(tokens))
    left, right = pairs[:, 0], pairs[:, 1]
    leaking = np.concatenate([left[part[right] != TEST], right[part[left] != TEST]])
    leaking = np.unique(leaking[part[leaking] == TEST])
    if len(leaking):
        names = ", ".join(federation.examples.ids[i] for i in leaking[:5]) + (", …" if len(leaking) > 5 else "")
        yield f"test texts that nearly repeat a train or val text ({len(leaking)} of them): {names}"
    between = int((owner[left] != owner[right]).sum())
    if between:
        yield f"{between} pairs of texts of different clients nearly repeat each other"


LEARNT, TEST = 0, 1


def _places(clients: Sequence[Client], count: int) -> tuple[Array, Array]:
    """Return for each text whether it is a test text, and which client's it is."""
    part, owner = np.full(count, LEARNT), np.full(count, -1)
    for position, client in enumerate(clients):
        part[client.test] = TEST
        owner[np.concatenate([client.train, client.val, client.test])] = position
    return part, owner
