"""A site hides its values, and nobody gets it to say what would open them: not the server, not by a restart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.sites.messages import Masks
from headstart.sites.refusals import Refused
from headstart.sites.secure.fixed import as_vector, from_fixed
from headstart.sites.secure.messages import Keyed, Keys, Reveal, Shares
from headstart.sites.secure.unmask import Unmasked
from sites.exchanged import NAME, NAMES, Round, parties

VALUES: dict[str, Tree] = {
    name: {"w": torch.linspace(-3, 5, 6, dtype=torch.float64) * number} for number, name in enumerate(NAMES, 1)
}


def exact(names: list[str]) -> torch.Tensor:
    return torch.stack([VALUES[name]["w"] for name in names]).sum(0)


@pytest.mark.parametrize(
    ("no_keys", "no_shares", "no_values", "no_reveal"),
    [
        ("", "", "", ""),
        ("fay", "", "", ""),
        ("", "fay", "", ""),
        ("", "", "ada", ""),
        ("", "", "", "cleo"),
        ("", "fay", "ada", ""),
        ("", "", "dan", ""),
        ("", "eve", "", "ada"),
    ],
)
def test_the_total_is_exact_whenever_a_site_is_lost(
    no_keys: str, no_shares: str, no_values: str, no_reveal: str, tmp_path: Path
) -> None:
    run = Round(parties(tmp_path))
    asked = run.keyed([name for name in NAMES if name != no_keys])
    masks = run.shared(asked, [name for name in asked.keys if name != no_shares])
    came = {name: run.sites[name].masked(VALUES[name], masks[name]) for name in masks if name != no_values}
    total = run.total(asked, masks, came, [name for name in came if name != no_reveal])
    torch.testing.assert_close(total["w"], exact(list(came)), rtol=0, atol=1e-9)


def test_two_of_six_are_lost_at_once_and_fewer_than_the_threshold_open_nothing(tmp_path: Path) -> None:
    run = Round(parties(tmp_path))
    asked = run.keyed(NAMES)
    masks = run.shared(asked, NAMES)
    came = {name: run.sites[name].masked(VALUES[name], masks[name]) for name in NAMES[2:]}
    with pytest.raises(ClientError, match="no 4 of 3 shares give what 'ada' shared"):
        run.total(asked, masks, came, list(came)[:3])
    # Each has said its part, and says it once.
    with pytest.raises(Refused, match="has said what takes these masks off, and says it once"):
        run.sites["cleo"].reveal(Reveal(NAME, tuple(came)))
    run = Round(parties(tmp_path / "again"))
    asked = run.keyed(NAMES)
    masks = run.shared(asked, NAMES)
    came = {name: run.sites[name].masked(VALUES[name], masks[name]) for name in NAMES[2:]}
    torch.testing.assert_close(run.total(asked, masks, came, came)["w"], exact(list(came)), rtol=0, atol=1e-9)


def test_a_value_that_comes_after_its_sites_key_was_given_stays_hidden(tmp_path: Path) -> None:
    """All shares of its key are with the server then; those of its own mask are with nobody any more."""
    run = Round(parties(tmp_path))
    asked = run.keyed(NAMES)
    masks = run.shared(asked, NAMES)
    came = {name: run.sites[name].masked(VALUES[name], masks[name]) for name in NAMES if name != "ben"}
    alive = tuple(came)
    revealed = {name: run.sites[name].reveal(Reveal(NAME, alive)) for name in came}
    late = run.sites["ben"].masked(VALUES["ben"], masks["ben"])
    for name in alive:
        with pytest.raises(Refused, match="says it once"):
            run.sites[name].reveal(Reveal(NAME, NAMES))
    with pytest.raises(Refused, match="'ben' and of 4 clients or more"):
        run.sites["ben"].reveal(Reveal(NAME, alive))
    assert all("ben" not in one.own and one.mask.keys() == {"ben"} for one in revealed.values())
    # With all that it has, the server comes no nearer: the masks of pairs are off, its own is on.
    vectors = {name: as_vector(tree) for name, tree in came.items()}
    others = Unmasked(asked, NAMES, vectors, revealed).total()
    torch.testing.assert_close(from_fixed(others, came["ada"])["w"], exact(list(alive)), rtol=0, atol=1e-9)
    assert float((late["w"].double() / 2**32).abs().min()) > 1e3


def test_one_value_alone_is_as_random_numbers(tmp_path: Path) -> None:
    numbers = 50_000
    run = Round(parties(tmp_path))
    asked = run.keyed(NAMES)
    masks = run.shared(asked, NAMES)
    hidden = run.sites["ada"].masked({"w": torch.zeros(numbers)}, masks["ada"])["w"]
    counts = np.bincount(hidden.numpy().view(np.uint8), minlength=256)
    expected = 8 * numbers / 256
    chi = float(((counts - expected) ** 2 / expected).sum())
    # 255 degrees of freedom: mean 255, deviation 22.6; outside by chance once in a million.
    assert 255 - 5 * 22.6 < chi < 255 + 5.5 * 22.6
    bits = np.unpackbits(hidden.numpy().view(np.uint8)).mean()
    assert abs(bits - 0.5) < 5 * 0.5 / np.sqrt(64 * numbers)


def test_two_exchanges_never_have_the_same_masks(tmp_path: Path) -> None:
    sites, found = parties(tmp_path), []
    for name in ("1" * 32, "2" * 32):
        run = Round(sites, name=name)
        asked = run.keyed(NAMES)
        found.append(sites["ada"].masked(VALUES["ada"], run.shared(asked, NAMES)["ada"])["w"])
    assert len({*found[0].tolist(), *found[1].tolist()}) == 12


def _asked(sites: Round, change: Callable[[Shares], Shares]) -> None:
    asked = sites.keyed(NAMES)
    with_change = change(asked)
    for name in ("ada", "fay"):
        sites.sites[name].shares(with_change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: replace(s, threshold=3), "threshold must be 3 or more, above half of the 6 clients"),
        (lambda s: replace(s, threshold=7), "at most all, received 7"),
        (lambda s: replace(s, keys={n: s.keys[n] for n in ("ada", "fay")}, threshold=2), "need 3 clients or more"),
        (lambda s: replace(s, keys={n: k for n, k in s.keys.items() if n != "ada"}), "keys of 'ada' are not those"),
        (lambda s: replace(s, keys={**s.keys, "ada": s.keys["ben"]}), "keys of 'ada' are not those that it said"),
        (lambda s: replace(s, exchange="9" * 32), "knows no such exchange"),
        (
            lambda s: replace(s, keys={**s.keys, "ben": Keyed("0" * 64, "0" * 64, "0" * 64)}),
            "the key of 'ben' is no public key",
        ),
    ],
)
def test_what_would_not_hide_is_refused(change: Callable[[Shares], Shares], words: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=words):
        _asked(Round(parties(tmp_path)), change)


def test_a_threshold_of_two_is_refused_though_it_is_above_half(tmp_path: Path) -> None:
    run = Round(parties(tmp_path), threshold=2)
    asked = run.keyed(NAMES[:3])
    with pytest.raises(Refused, match="threshold must be 3 or more"):
        run.sites["ada"].shares(asked)


@pytest.mark.parametrize(
    ("alive", "words"),
    [
        (NAMES[:3], "of 4 clients or more, each once, received 3"),
        ((*NAMES[:3], "ada"), "each once, received 3"),
        (NAMES[1:], "a total must be of 'ada'"),
        ((*NAMES, "mallory"), "'mallory' has shared nothing in this exchange"),
        ((), "received 0"),
    ],
)
def test_no_masks_are_taken_off_a_total_of_too_few(alive: tuple[str, ...], words: str, tmp_path: Path) -> None:
    run = Round(parties(tmp_path))
    masks = run.shared(run.keyed(NAMES), NAMES)
    run.sites["ada"].masked(VALUES["ada"], masks["ada"])
    with pytest.raises(Refused, match=words):
        run.sites["ada"].reveal(Reveal(NAME, alive))
    assert len(run.sites["ada"].reveal(Reveal(NAME, NAMES)).own) == 6


def test_each_step_is_done_once_and_in_order(tmp_path: Path) -> None:
    """Also by a site that was started anew, for it is on disk before anything leaves."""
    run = Round(parties(tmp_path))

    def again() -> Round:
        return Round(parties(tmp_path))

    asked = run.keyed(NAMES)
    with pytest.raises(Refused, match="has begun already; name another one"):
        again().sites["ada"].keys(Keys(NAME))
    with pytest.raises(Refused, match="must share its secrets first"):
        again().sites["ada"].masked(VALUES["ada"], Masks(NAME, {}))
    masks = run.shared(asked, NAMES)
    with pytest.raises(Refused, match="must send its values first"):
        again().sites["ada"].shares(asked)
    with pytest.raises(Refused, match="must send its values first"):
        again().sites["ada"].reveal(Reveal(NAME, NAMES))
    again().sites["ada"].masked(VALUES["ada"], masks["ada"])
    with pytest.raises(Refused, match="has sent its values under these masks, and sends no others"):
        again().sites["ada"].masked(VALUES["ben"], masks["ada"])
    assert len(again().sites["ada"].reveal(Reveal(NAME, NAMES)).own) == 6
    with pytest.raises(Refused, match="says it once"):
        again().sites["ada"].reveal(Reveal(NAME, NAMES[:4]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {n: s[n] for n in NAMES[:3]}, "'ada' and 4 clients or more must be there, received those of 3"),
        (lambda s: {n: s[n] for n in NAMES[1:]}, "shares of 'ada' and 4 clients"),
        (lambda s: {**s, "mallory": s["ada"]}, "'mallory' has no keys in this exchange"),
        (lambda s: {**s, "ben": s["cleo"]}, "the shares of 'ben' do not open"),
        (lambda s: {**s, "ben": s["ben"][:-1] + ("0" if s["ben"][-1] != "0" else "1")}, "or they were changed"),
    ],
)
def test_shares_that_are_not_the_others_hide_nothing(
    change: Callable[[dict[str, str]], dict[str, str]], words: str, tmp_path: Path
) -> None:
    run = Round(parties(tmp_path))
    masks = run.shared(run.keyed(NAMES), NAMES)["ada"]
    with pytest.raises(Refused, match=words):
        run.sites["ada"].masked(VALUES["ada"], replace(masks, sealed=change(masks.sealed)))
    assert run.sites["ada"].masked(VALUES["ada"], masks)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: replace(s, most=1),
        lambda s: replace(s, threshold=5),
        lambda s: replace(s, keys={**s.keys, "fay": s.keys["eve"]}),
    ],
)
def test_sites_that_are_told_otherwise_than_the_rest_send_nothing(
    change: Callable[[Shares], Shares], tmp_path: Path
) -> None:
    """A weight, a threshold or a key that one site alone is told: the others' shares do not open there."""
    run = Round(parties(tmp_path))
    asked = run.keyed(NAMES)
    sealed = {name: run.sites[name].shares(asked if name != "ada" else change(asked)).sealed for name in NAMES}
    masks = Masks(NAME, {by: each["ada"] for by, each in sealed.items()})
    with pytest.raises(Refused, match="it was told of other keys than this site"):
        run.sites["ada"].masked(VALUES["ada"], masks)


def test_a_weight_is_a_sites_own_up_to_what_all_are_told(tmp_path: Path) -> None:
    run = Round(parties(tmp_path), most=40)
    masks = run.shared(run.keyed(NAMES), NAMES)["ada"]
    assert [run.sites["ada"].weight(masks, count) for count in (10, 40, 90)] == [0.25, 1.0, 1.0]
