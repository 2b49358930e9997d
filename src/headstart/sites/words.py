"""Words of a site's texts stay there: no update leaves whose rows are words."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from headstart.sites.refusals import Refused


def check_words(network: nn.Module, trained: Iterable[str], site: str) -> None:
    """Refuse to send an update of a table with a row for each word, or place: those that change are in the texts.

    Args:
        network: whose weights they are.
        trained: names of the weights that an update changes.
        site: its name.

    Raises:
        Refused: such a table is among them.

    >>> check_words(nn.Sequential(nn.Embedding(9, 2), nn.Linear(2, 2)), ["1.weight", "1.bias"], "north")
    """
    tables = {f"{name}.weight" for name, part in network.named_modules() if isinstance(part, nn.Embedding)}
    if found := sorted(tables & set(trained)):
        raise Refused(
            f"'{site}' sends no update of '{found[0]}', whose rows that change are the words of its texts; train fewer "
            "layers, such as trainable = 1, or adapters"
        )
