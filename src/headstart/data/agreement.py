"""What belongs to a federation and not to a client: where files lie apart, it is agreed upon before any is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from pydantic import FiniteFloat, PositiveInt

from headstart.data.encoding import Encoding
from headstart.data.examples import InputKind
from headstart.data.settings import Range
from headstart.data.standardize import Statistics


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What every client of a federation reads its file by.

    Attributes:
        classes: names in the order of their indices.
        columns: a table's input columns, in order.
        categories: of each column that is encoded one-hot, all names in sorted order, the rare ones together last.
        missing: columns with an input that says where they are empty.
        shape: of a picture: channels, height and width; empty for tables and texts.
        range: of pictures of more than 8 bits, values that become black and white; None where none is needed or the
            study states one.
        fixed_val: whether a column says of some client's rows that they are val, so that no val is drawn.
        means: of a table's inputs, over all clients' rows outside test; None where no sums were asked for.
        deviations: as ``means``, standard deviations.

    >>> Agreement(classes=("a", "b"), columns=("age", "sex"), categories={"sex": ("f", "m")}).inputs
    ('age', 'sex=m')
    >>> Agreement(classes=("praise", "blame")).kind
    'text'
    """

    classes: tuple[str, ...]
    columns: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    shape: tuple[PositiveInt, ...] = ()
    range: Range | None = None
    fixed_val: bool = False
    means: tuple[FiniteFloat, ...] | None = None
    deviations: tuple[FiniteFloat, ...] | None = None

    @property
    def kind(self) -> InputKind:
        """Of inputs: pictures have a shape, tables have columns, texts have neither."""
        return "image" if self.shape else "table" if self.columns else "text"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of a table's inputs."""
        return self.encoding.names

    @property
    def encoding(self) -> Encoding:
        """How a table's columns become inputs."""
        return Encoding(self.columns, self.categories, self.missing)

    @property
    def statistics(self) -> Statistics | None:
        """Means and deviations of the whole federation; None where none were agreed."""
        if self.means is None or self.deviations is None:
            return None
        return np.array(self.means), np.array(self.deviations)
