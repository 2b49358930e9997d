import torch
from torch import nn

from headstart.models.network import Network


def network() -> Network:
    blocks = [nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Dropout(0.5)), nn.Linear(3, 4)]
    return Network(blocks, num_features=4, num_classes=5, prepare=lambda raw: raw.float() / 2, name="test")


def test_pieces_in_a_row_equal_the_whole() -> None:
    net, raw = network(), torch.tensor([[1, 2], [3, 4]])
    for cut in range(net.depth + 1):
        torch.testing.assert_close(net(net(raw, 0, cut) if cut else raw, cut), net(raw))


def test_inputs_are_prepared_only_at_the_bottom() -> None:
    net, raw = network(), torch.tensor([[4, 6]])
    torch.testing.assert_close(net(raw, 0, 1), net.blocks[0](torch.tensor([[2.0, 3.0]])))
    hidden = torch.ones(1, 3)
    torch.testing.assert_close(net(hidden, 2, 3), net.blocks[2](hidden))


def test_nothing_is_dropped_out() -> None:
    net, raw = network(), torch.tensor([[1, 2]])
    assert not any(module.training for module in net.modules())
    assert torch.equal(net(raw), net(raw))


def test_floats_take_the_type_of_the_weights_and_integers_stay() -> None:
    net = network().double()
    assert net(torch.tensor([[1, 2]])).dtype == torch.float64
    words = Network([nn.Embedding(9, 4)], num_features=4, num_classes=2, prepare=torch.clone, name="words")
    assert words(torch.tensor([3])).shape == (1, 2)
