import torch

from headstart.testing import open_world
from headstart.training.client_data import Passes
from headstart.training.made_data import MadePictures

WORLD = open_world("all")
MADE = MadePictures(
    torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 4, 4), torch.arange(5), (8, 8), (0, "made")
)


def test_every_epoch_is_a_keyed_permutation_at_the_networks_size() -> None:
    batches = list(MADE.batches(WORLD.model, Passes(batch_size=3, epochs=2)))
    assert [len(batch.labels) for batch in batches] == [3, 2, 3, 2]
    first, second = (torch.cat([one.labels for one in some]) for some in (batches[:2], batches[2:]))
    assert first.sort()[0].tolist() == second.sort()[0].tolist() == list(range(5))
    assert not torch.equal(first, second)
    again = MADE.batches(WORLD.model, Passes(batch_size=3, epochs=2))
    assert all(torch.equal(one.labels, other.labels) for one, other in zip(batches, again, strict=True))
    assert batches[0].inputs.shape == (3, 1, 8, 8)
    assert (batches[0].inputs[:, 0, 0, 0].long() == batches[0].labels).all()


def test_everything_is_in_order_and_no_dual_form_is_offered() -> None:
    everything = MADE.everything(WORLD.model)
    assert everything.labels.tolist() == list(range(5))
    assert everything.full
    assert MADE.dual_passes(WORLD.model, WORLD.params, Passes(batch_size=3)) is None


def test_steps_go_on_over_passes_and_draws_come_where_they_are_asked_for() -> None:
    passes = Passes(batch_size=3, steps=5, draws=2, feature_draws=True)
    batches = list(MADE.batches(WORLD.model, passes))
    assert [len(batch.labels) for batch in batches] == [3, 2, 3, 2, 3]
    width = 2 + WORLD.model.network.num_features
    drawn = [batch.draws for batch in batches if batch.draws is not None]
    assert [tuple(draws.shape) for draws in drawn] == [(len(batch.labels), width) for batch in batches]
    assert not torch.equal(drawn[0], drawn[2])
