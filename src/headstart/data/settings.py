"""What a user says of the data: plain values, checked when they are made."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from headstart.core.errors import SettingError
from headstart.core.settings import Says, check
from headstart.core.task import TaskKind
from headstart.data.split_settings import PartitionSettings, SplitSettings

Standardize = Literal["auto", "none", "client", "pooled"]
Missing = Literal["error", "drop", "mean", "indicator"]
TaskName = Literal["auto"] | TaskKind
Where = Mapping[str, str | tuple[str, ...]]
"""Rows to keep: a column's name, and the value or values (as text; class names for labels) it must have."""

Range = tuple[float, float]
"""Smallest and largest value."""

_AtLeastOne = Annotated[int, Field(ge=1), Says("must be at least 1")]
_Share = Annotated[float, Field(ge=0, lt=1), Says("must be a share from 0 up to but not including 1")]
_AboveZero = Annotated[float, Field(gt=0), Says("must be above 0")]
_Sign = Annotated[str, Field(min_length=1, max_length=1), Says("must be one character", "such as ';' or '\\t'")]
_Byte = Annotated[int, Field(ge=0, le=255), Says("must be a whole number from 0 to 255")]
_Part = Annotated[float, Field(gt=0, lt=1), Says("must be a share between 0 and 1, neither of them included")]


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError("must be an encoding that Python knows, such as 'latin-1' or 'utf-16'") from None
    return name


_Encoding = Annotated[str, AfterValidator(_known_encoding)]


@dataclass(frozen=True, kw_only=True)
class PixelSettings:
    """How pictures become bytes of grey or RGB.

    Attributes:
        range: values, as the files hold them, that become black and white in grey images of more than 8 bits, such as
            [0, 4095]; what lies outside is clipped. None scales by the depth that a file states, else from 0 to the
            largest of 8, 10, 12 or 16 bits that all images together need; signed values and fractions then must lie
            in 0..1 or 0..255.
        background: what transparent parts are laid over: ``white``, ``black`` or [red, green, blue], each 0 to 255.
    """

    range: Range | None = None
    background: Literal["white", "black"] | tuple[_Byte, _Byte, _Byte] = "white"

    def __post_init__(self) -> None:
        """Check every value, and that the range is one."""
        check(self, "data.pixels")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise SettingError(
                f"data.pixels.range: must be [lowest, highest] with lowest below highest, received "
                f"{list(self.range)}; swap them, or leave range out"
            )


@dataclass(frozen=True, kw_only=True)
class CentralSettings:
    """The server's own pool: another source, or a random share of the clients' source.

    Attributes:
        source: as ``data.source``; None takes ``fraction`` of the clients' source.
        fraction: share of the clients' source's rows, in (0, 1), drawn at random; only without ``source``.
        label: label column; None means the same as the clients'.
        unlabelled: whether the pool has no labels at all.
        image: image column; None finds it.
        text: text column; None means the same as the clients'.
        id: column of unique names; None numbers the rows.
        keep: names of the only classes to keep; None keeps all.
        exclude: names of classes to leave out.
        where: rows to keep, by column.
        max_examples: at most this many, drawn class by class; None keeps all.
    """

    source: str | None = None
    fraction: _Part | None = None
    label: str | None = None
    unlabelled: bool = False
    image: str | None = None
    text: str | None = None
    id: str | None = None
    keep: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    where: Where = field(default_factory=dict)
    max_examples: _AtLeastOne | None = None

    def __post_init__(self) -> None:
        """Check every value, and that exactly one origin is named."""
        check(self, "data.central")
        if (self.source is None) == (self.fraction is None):
            raise SettingError(
                f"data.central: give either source or fraction, received source={self.source!r} and "
                f"fraction={self.fraction!r}"
            )


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Everything that decides a federation; equal settings on equal files give an equal federation.

    Attributes:
        source: a Parquet, CSV, TSV, JSONL or JSON file, a folder (of class folders, of client folders of class folders,
            of Parquet files, or written by ``datasets.save_to_disk``), ``hub:NAME`` or ``hub:NAME:CONFIG`` on
            the Hugging Face Hub, or the embedded ``digits`` and ``glyphs``. Relative paths start at the study
            file's folder.
        label: column of class names or numbers; of the target of a regression; of the times of ``survival``.
        labels: columns of 0 and 1 of several labels, or of several targets, in place of ``label``.
        event: column of 0 and 1 that says of ``survival`` whether the event was seen at the time (1) or the example
            was only followed until then (0).
        task: ``classification``, ``multilabel``, ``regression`` or ``survival``. ``auto`` is classification, and
            refuses a column of numbers that look like measurements; ``classification`` insists that each different
            value is a class.
        image: column of encoded images or of paths to them; None finds it, or takes the source for a table.
        text: column of texts; None means that the inputs are no texts.
        id: column of unique names, by which everything random is drawn, so that the order of rows changes nothing; None
            uses file names, or row numbers, and then it may.
        client: column that says whose example it is; None needs ``partition``.
        columns: a table's input columns; None takes every numeric column that has no other part to play
            and is no identifier.
        one_hot: input columns of categories; each becomes one column per category that seen clients have outside test,
            but the first (in sorted order). Another is coded as the first, or as a rare one where ``min_frequency``
            joins such.
        min_frequency: rows outside test that a category must have; rarer ones become one, ``<rare>``. 1 joins none.
        dates: input columns of dates; each becomes days since 2000-01-01, with fractions.
        classes: all class names, in the order of their indices; None sorts those found.
        where: rows to keep, by column.
        image_size: side of the square that images are resized and cropped to, in pixels; None needs equal
            sizes.
        channels: 1 (grey) or 3 (RGB); None keeps grey images grey.
        pixels: how pictures become bytes: the range of more than 8 bits, the background of transparent parts.
        partition: how to make clients; None uses ``client``.
        split: train, val and test.
        held_out_clients: share of clients that take no part in federated training, in [0, 1).
        seed: decides the partition, the held-out clients, the subsamples and the test split.
        max_examples: at most this many of the clients' examples, drawn class by class; None keeps all.
        train_per_client: at most this many training examples a client; None keeps all.
        standardize: ``pooled`` gives every column mean 0 and standard deviation 1, once for all seen clients, on their
            examples outside test; ``client`` does so for every client on its own; ``none`` leaves columns as they are.
            ``auto`` is ``pooled``; tables only.
        missing: an empty value in a column that is used is an ``error``, or its row is left out (``drop``);
            ``mean`` fills inputs with the column's mean outside test (tables only; an empty label or client
            stays an error); ``indicator`` does so too, and adds a column that says where a value is missing, for each
            that lacks some outside test. A missing category is then one of its own.
        missing_words: words such as ``NA`` or ``?`` that mean an empty value in a column whose other cells are numbers;
            everywhere else they are text.
        delimiter: what stands between the cells of a CSV or TSV file, one character; None finds it out. This and the
            two that follow hold for the central pool too.
        decimal: ``.`` or ``,``, the decimal sign of numbers written as text; the other one then groups thousands. None
            finds it out, column by column, and refuses what may be meant in two ways.
        encoding: of a CSV or TSV file, such as ``latin-1``; None finds it out.
        max_corrupt: share of images that may be unreadable and left out, in [0, 1); one image always may.
        central: the server's pool; None means there is none.
    """

    source: str
    label: str = "label"
    labels: tuple[str, ...] | None = None
    event: str | None = None
    task: TaskName = "auto"
    image: str | None = None
    text: str | None = None
    id: str | None = None
    client: str | None = None
    columns: tuple[str, ...] | None = None
    one_hot: tuple[str, ...] = ()
    min_frequency: _AtLeastOne = 1
    dates: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    where: Where = field(default_factory=dict)
    image_size: _AtLeastOne | None = None
    channels: Literal[1, 3] | None = None
    pixels: PixelSettings = field(default_factory=PixelSettings)
    partition: PartitionSettings | None = None
    split: SplitSettings = field(default_factory=SplitSettings)
    held_out_clients: _Share = 0.0
    seed: int = 0
    max_examples: _AtLeastOne | None = None
    train_per_client: _AtLeastOne | None = None
    standardize: Standardize = "auto"
    missing: Missing = "error"
    missing_words: tuple[str, ...] = ()
    delimiter: _Sign | None = None
    decimal: Literal[".", ","] | None = None
    encoding: _Encoding | None = None
    max_corrupt: _Share = 0.01
    central: CentralSettings | None = None

    def __post_init__(self) -> None:
        """Check every value, and that the clients are said once."""
        check(self, "data")
        self._check_task()
        self._check_clients()
        if self.labels is not None and self.label != DataSettings.label:
            raise SettingError(
                f"data.label: is in place of data.labels, received {self.label!r} beside {list(self.labels)}; name "
                "all of them in data.labels"
            )
        if twice := set(self.one_hot) & set(self.dates):
            raise SettingError(
                f"data.dates: must name no column of data.one_hot, received '{min(twice)}' in both; say which it is"
            )
        if self.min_frequency > 1 and not self.one_hot:
            raise SettingError(
                f"data.min_frequency: must stand beside data.one_hot, received {self.min_frequency} alone; name the "
                "columns of categories"
            )

    @property
    def fills(self) -> bool:
        """Whether missing inputs are filled with means."""
        return self.missing in ("mean", "indicator")

    def _check_task(self) -> None:
        if self.labels is not None and (self.task not in ("multilabel", "regression") or not self.labels):
            raise SettingError(
                f"data.labels: names the columns of several labels or targets, received {len(self.labels)} with "
                f"data.task = '{self.task}'; set that to 'multilabel' or 'regression', or name one column in data.label"
            )
        if twice := [name for name in self.targets if self.targets.count(name) > 1]:
            raise SettingError(f"data.labels: must name each column once, received '{twice[0]}' twice; leave one out")
        if (self.task == "survival") != (self.event is not None):
            raise SettingError(
                f"data.event: belongs to data.task = 'survival', which needs it, received {self.event!r} with "
                f"'{self.task}'; give both, data.label then holds the times, or none"
            )
        if not self.has_classes:
            self._check_no_classes()

    def _check_no_classes(self) -> None:
        central = self.central
        said = {
            "data.classes": self.classes,
            "data.central.label": central and central.label,
            "data.central.keep": central and central.keep,
            "data.central.exclude": central and central.exclude,
        }
        for setting, value in said.items():
            if value:
                raise SettingError(
                    f"{setting}: is for classes, received {value!r} with data.task = '{self.task}', whose columns the "
                    "central pool has under the clients' names; leave it out"
                )

    @property
    def has_classes(self) -> bool:
        """Whether one class is to be predicted of each row."""
        return self.task in ("auto", "classification")

    @property
    def targets(self) -> tuple[str, ...]:
        """Columns of what is to be predicted."""
        return (*(self.labels or (self.label,)), *((self.event,) if self.event else ()))

    def _check_clients(self) -> None:
        method = self.partition.method if self.partition else "natural"
        if method == "natural" and self.partition and self.client is None:
            raise SettingError("data.partition.method: 'natural' needs data.client, the column that names the clients")
        if method != "natural" and self.client is not None:
            raise SettingError(
                f"data.client: '{self.client}' names natural clients, but data.partition.method is "
                f"'{method}'; remove one of them, or set data.partition.within = '{self.client}' to "
                "partition inside each"
            )
