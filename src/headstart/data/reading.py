"""How one source is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from headstart.data.agreement import Agreement
from headstart.data.settings import DataSettings, Missing, PixelSettings, TaskName, Where


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
        time: a column of dates that splits go by; a row must fill it.
        inputs: a table's columns that inputs are made of, if they are known already.
        whole: whether the rows are a whole federation's; what must hold of it is not asked of a part.
        size: height and width of images in pixels; None needs equal sizes.
        pixels: how pictures become bytes.
        others: image, text, id, columns, one_hot, dates, where, channels, missing, max_examples,
            max_corrupt, seed as in DataSettings.
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
    dates: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    known_classes: bool = True
    keep: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    where: Where = field(default_factory=dict)
    unlabelled_rows: bool = False
    needed: tuple[str, ...] = ()
    split: str | None = None
    group: str | None = None
    time: str | None = None
    inputs: tuple[str, ...] | None = None
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
        return {self.label, *self.targets, self.id, self.split, self.group, self.time, *self.needed, *self.where}


def reading_of(settings: DataSettings, client_column: str | None) -> Reading:
    """Return how the clients' source is read; None where no column says whose a row is."""
    within = settings.partition.within if settings.partition else None
    size = settings.image_size
    return Reading(
        setting="data",
        label=settings.targets[0],
        task=settings.task,
        targets=settings.targets,
        image=settings.image,
        text=settings.text,
        id=settings.id,
        columns=settings.columns,
        one_hot=settings.one_hot,
        dates=settings.dates,
        classes=settings.classes,
        where=settings.where,
        needed=tuple(column for column in (client_column, within) if column),
        split=settings.split.column,
        group=settings.split.group,
        time=settings.split.time,
        size=(size, size) if size else None,
        channels=settings.channels,
        pixels=settings.pixels,
        missing=settings.missing,
        max_examples=settings.max_examples,
        max_corrupt=settings.max_corrupt,
        seed=settings.seed,
    )


def by_agreement(agreed: Agreement, reading: Reading) -> Reading:
    """Read as a federation has agreed."""
    channels, *size = agreed.shape or (None,)
    return replace(
        reading,
        classes=agreed.classes,
        inputs=agreed.columns or None,
        size=(size[0], size[1]) if size else None,
        channels=channels,
        pixels=replace(reading.pixels, range=agreed.range) if agreed.range else reading.pixels,
    )
