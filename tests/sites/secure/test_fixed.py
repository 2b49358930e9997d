"""Numbers in fixed point add up to the last bit, or are refused."""

import pytest
import torch

from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.sites.refusals import Refused
from headstart.sites.secure.fixed import as_tree, as_vector, from_fixed, to_fixed

TREE: Tree = {"b": torch.linspace(-3, 5, 6, dtype=torch.float64).reshape(2, 3), "a": torch.tensor(0.25)}


def test_a_tree_comes_back() -> None:
    vector = to_fixed(TREE, 3)
    assert torch.equal(as_tree(vector, TREE)["a"], torch.tensor(2**30))
    assert (as_vector(as_tree(vector, TREE)) == vector).all()
    back = from_fixed(vector, TREE)
    assert back["a"].shape == ()
    torch.testing.assert_close(back["b"], TREE["b"], rtol=0, atol=2**-33)


def test_totals_wrap_around_and_come_back() -> None:
    vector = to_fixed(TREE, 3)
    mask = vector * 0 + 2**63 + 12345
    assert (vector + mask - mask == vector).all()


@pytest.mark.parametrize("value", [1e9, -1e9, float("nan"), float("inf"), 2**30 / 3 + 1])
def test_a_number_that_does_not_fit_is_refused(value: float) -> None:
    with pytest.raises(Refused, match="'gram' has a larger one; scale down"):
        to_fixed({"gram": torch.tensor([0.0, value])}, 3)


def test_a_total_beyond_what_may_be_sent_is_not_believed() -> None:
    vector = to_fixed(TREE, 3)
    vector[-1:] += 2**62
    with pytest.raises(ClientError, match="larger than what sites may send; some site's is false"):
        from_fixed(vector, TREE)
