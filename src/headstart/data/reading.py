"""How one source is to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headstart.data.settings import Missing, PixelSettings, TaskName, Where


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one source is read; the clients' settings and the central pool's each become one.

    Attributes:
        setting: how messages name the settings, ``data`` or ``data.central``.
        label: label column; None when the rows have no labels.
        task: as ``data.task``.
        targets: columns of what is to be predicted, the label's among them.
        classes: class names in order; None finds them.
        known_classes: whether ``classes`` are all there may be; else they only lend their indices to a source
            whose classes are among them.
        keep: names of the only classes to keep; None keeps all.
        exclude: names of classes to leave out.
        unlabelled_rows: whether rows without a label are welcome.
        needed: columns, besides the label, that a row must fill.
        split: a column that says train, val or test; rows that it gives to no split are left out.
        group: a column that says which rows belong together; a row must fill it.
        inputs: names of a table's inputs, if they are known already.
        categories: by column, those that were agreed upon; others are refused.
        whole: whether the rows are a whole federation's; what must hold of it is not asked of a part.
        size: height and width of images in pixels; None needs equal sizes.
        pixels: how pictures become bytes.
        others: image, text, id, columns, one_hot, where, channels, missing, max_examples, max_corrupt,
            seed as in DataSettings.
    """

    setting: str
    label: str | None
    task: TaskName = "auto"
    targets: tuple[str, ...] = ()
    image: str | None = None
    text: str | None = None
    id: str | None = None
    columns: tuple[str, ...] | None = None
    one_hot: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    known_classes: bool = True
    keep: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    where: Where = field(default_factory=dict)
    unlabelled_rows: bool = False
    needed: tuple[str, ...] = ()
    split: str | None = None
    group: str | None = None
    inputs: tuple[str, ...] | None = None
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole: bool = True
    size: tuple[int, int] | None = None
    channels: int | None = None
    pixels: PixelSettings = field(default_factory=PixelSettings)
    missing: Missing = "error"
    max_examples: int | None = None
    max_corrupt: float = 0.01
    seed: int = 0

    @property
    def has_classes(self) -> bool:
        """Whether one class is to be predicted of each row."""
        return self.task in ("auto", "classification")

    @property
    def taken(self) -> set[str | None]:
        """Columns that play another part than a table's input."""
        return {self.label, *self.targets, self.id, self.split, self.group, *self.needed, *self.where}
