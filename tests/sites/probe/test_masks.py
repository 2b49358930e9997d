"""Masks cancel in the total, hide each part, and are refused where they could not."""

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.sites.probe.masks import mask, unmask

NAMES = ("east", "north", "west")
SECRETS = {name: X25519PrivateKey.generate() for name in NAMES}
KEYS = {name: secret.public_key().public_bytes_raw().hex() for name, secret in SECRETS.items()}
SUMS: dict[str, Tree] = {
    name: {"gram": torch.linspace(-3, 5, 6, dtype=torch.float64) * number} for number, name in enumerate(NAMES, 1)
}


def _masked(round_name: str = "once") -> list[Tree]:
    return [mask(SUMS[name], name, SECRETS[name], KEYS, round_name) for name in NAMES]


def test_masks_cancel_in_the_total() -> None:
    total = torch.stack([sums["gram"] for sums in SUMS.values()]).sum(0)
    torch.testing.assert_close(unmask(_masked())["gram"], total, rtol=0, atol=1e-8)


def test_a_part_alone_says_nothing_like_its_numbers() -> None:
    assert float(unmask(_masked()[:1])["gram"].abs().min()) > 100


def test_another_round_has_other_masks() -> None:
    assert not torch.equal(_masked()[0]["gram"], _masked("twice")[0]["gram"])


@pytest.mark.parametrize("keys", [{}, dict(list(KEYS.items())[:2])])
def test_too_few_cannot_hide(keys: dict[str, str]) -> None:
    with pytest.raises(ClientError, match=f"secure sums need 3 clients or more, received {len(keys)}"):
        mask(SUMS["east"], "east", SECRETS["east"], keys, "once")


@pytest.mark.parametrize("value", [1e9, -1e9, float("nan"), float("inf")])
def test_a_number_that_does_not_fit_is_refused(value: float) -> None:
    with pytest.raises(ClientError, match="'gram' has a larger one; scale down"):
        mask({"gram": torch.tensor([value])}, "east", SECRETS["east"], KEYS, "once")
