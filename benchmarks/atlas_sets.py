"""The atlas's data sets, each opened once: rows of numbers, classes, and the domain that each row comes from.

Pictures and texts become the features of a frozen, pre-trained backbone, found with the product's own reading and
engine, and cached by it; sounds are pictures of spectra. From then on every data set is a table, and its federations
run with the backbone ``linear``: what a study does with features that it has cached, at the price of a table.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from headstart.core.arrays import Array
from headstart.core.cache import cache_folder, calibrations
from headstart.data import DataSettings, PartitionSettings, open_federation
from headstart.data.examples import Examples
from headstart.data.federation import Federation
from headstart.engine.predict import features_of
from headstart.engine.ways.fleet import Fleet
from headstart.models.model import cut_at
from headstart.models.spec import ModelSpec
from headstart.study.lab import Lab
from headstart.study.texts import with_tokens

Modality = Literal["image", "sound", "text", "table"]
SIDE, TOKENS = 96, 64
"""Pixels of a picture's side and tokens of a text that the backbones read."""
_LENGTH = 4.0
"""Root of the features' mean squared length."""
_ONE_CLIENT = PartitionSettings(method="iid", num_clients=1)


@dataclass(frozen=True, eq=False)
class Pool:
    """One data set, ready to be dealt to clients.

    Attributes:
        name: of the data set.
        modality: of its raw data.
        examples: all rows, a table.
        domain: ``(rows,)`` the number of each row's domain: a site, a speaker, a critic; all 0 without domains.
    """

    name: str
    modality: Modality
    examples: Examples
    domain: Array


@dataclass(frozen=True)
class Set:
    """A file below ``$HEADSTART_DATA``.

    Attributes:
        modality: of its raw data.
        file: below the folder.
        domain: the column that names each row's domain; None without domains.
        family: data sets that share data, or kinds of it, and are left out together.
        rows: that are read at most.
        drop: columns of a table that are no inputs, the label last; empty to let the product choose.
        settings: more of ``DataSettings``.
    """

    modality: Modality
    file: str
    domain: str | None = None
    family: str | None = None
    rows: int = 10_000
    drop: tuple[str, ...] = ()
    settings: Mapping[str, Any] | None = None


_HEART = ("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak")
_VOICE = (
    *("age", "sex", "Jitter(%)", "Jitter(Abs)", "Jitter:RAP", "Jitter:PPQ5", "Jitter:DDP", "Shimmer", "Shimmer(dB)"),
    *("Shimmer:APQ3", "Shimmer:APQ5", "Shimmer:APQ11", "Shimmer:DDA", "NHR", "HNR", "RPDE", "DFA", "PPE"),
)

FILES: Mapping[str, Set] = {
    "cats-dogs": Set("image", "images/cats_dogs_sites.parquet", "site"),
    "cifar10": Set("image", "images/cifar10_test.parquet", settings={"image": "img"}),
    "digit-domains": Set("image", "images/digits_domains.parquet", "domain", "digits"),
    "fashion": Set("image", "images/fashion_mnist_half_test.parquet"),
    "mnist": Set("image", "images/mnist_test.parquet", family="digits"),
    "pacs": Set("image", "images/pacs_dev70.parquet", "domain"),
    "pneumonia": Set("image", "images/pneumoniamnist.parquet"),
    "spoken-digits": Set("sound", "images/spoken_digits_6speakers.parquet", "speaker"),
    "ag-news": Set("text", "text/ag_news_test.parquet"),
    "film-critics": Set("text", "text/film_reviews_4critics.parquet", "critic"),
    "medical": Set("text", "text/medical_abstracts_test.parquet"),
    "mtsamples": Set("text", "text/mtsamples.parquet", "doc_type"),
    "newsgroups": Set("text", "text/newsgroups20_10k.parquet", "hierarchy"),
    "reviews": Set("text", "text/reviews_16domains.parquet", "domain", "sentiment"),
    "sms-spam": Set("text", "text/sms_spam.parquet"),
    "sst2": Set("text", "text/sst2_sentences.parquet", family="sentiment"),
    "trec": Set("text", "text/trec6.parquet"),
    "heart": Set("table", "tabular/heart_disease_4hospitals.parquet", "hospital", settings={"columns": _HEART}),
    "tcga": Set("table", "tabular/tcga_brca_6regions.parquet", "region", drop=("region", "center", "split", "T", "E")),
    "parkinsons": Set("table", "tabular/parkinsons_telemonitoring_42subjects.parquet", "subject"),
}
DRAWN = ("wine", "breast-cancer", "digits", "synthetic-none", "synthetic-some", "synthetic-strong")
"""Data sets that come with scikit-learn, or are made with it: nothing is downloaded."""
_TURN = {"none": 0.0, "some": 0.3, "strong": 1.0}
_FAMILIES = {"digits": "digits", **{f"synthetic-{name}": "synthetic" for name in _TURN}}


def missing() -> str | None:
    """Say why the files cannot be read; None if they can."""
    for variable in ("HEADSTART_DATA", "HEADSTART_WEIGHTS"):
        if not Path(os.environ.get(variable) or "/nothing").is_dir():
            return f"{variable} names no folder: only data sets that come with scikit-learn are used"
    return None


def names() -> tuple[str, ...]:
    """Name the data sets that can be opened here."""
    return DRAWN if missing() else (*FILES, *DRAWN)


def kin(name: str) -> str:
    """Name what a data set is left out together with."""
    return (FILES[name].family or name) if name in FILES else _FAMILIES.get(name, name)


def open_pool(name: str) -> Pool:
    """Open a data set by its name."""
    return _drawn(name) if name in DRAWN else _read(name, FILES[name])


def _read(name: str, what: Set) -> Pool:
    from pyarrow import parquet

    folder = os.environ["HEADSTART_DATA"]
    if name == "parkinsons":
        return _parkinsons(f"{folder}/{what.file}")
    partition: dict[str, Any] = {"client": what.domain} if what.domain else {"partition": _ONE_CLIENT}
    own: dict[str, dict[str, Any]] = {
        "image": {"image_size": SIDE},
        "sound": {"image_size": SIDE},
        "text": {"text": "text"},
        "table": {},
    }
    said: dict[str, Any] = {"missing": "mean" if what.modality == "table" else "drop", "max_examples": what.rows}
    if what.drop:
        columns = parquet.read_schema(f"{folder}/{what.file}").names
        said |= {"label": what.drop[-1], "columns": tuple(one for one in columns if one not in what.drop)}
    settings = DataSettings(
        source=f"{folder}/{what.file}", **{**partition, **own[what.modality], **said, **(what.settings or {})}
    )
    federation = open_federation(settings, Path())
    return Pool(name, what.modality, _as_table(federation), _domains(federation))


def _domains(federation: Federation) -> Array:
    """Return each row's client, by its number."""
    found = np.full(len(federation.examples), -1, dtype=np.int64)
    for number, client in enumerate(federation.clients):
        for part in (client.train, client.val, client.test):
            found[part] = number
    return found


def _as_table(federation: Federation) -> Examples:
    """Replace pictures and texts by the features of a pre-trained backbone."""
    examples = federation.examples
    if examples.kind == "table":
        return examples
    weights = os.environ["HEADSTART_WEIGHTS"]
    backbone = "minilm" if examples.kind == "text" else f"{weights}/mobilenet_v1_050_imagenet"
    spec, cache = ModelSpec(backbone=backbone, max_tokens=TOKENS), cache_folder()
    lab = Lab(with_tokens(federation, spec), spec, Fleet(folder=calibrations(cache)), cache=cache)
    network, params = lab.build(0, from_scratch=False, num_classes=federation.num_classes)
    features = features_of(lab.activations, cut_at(network, params, "head")[0]).numpy()
    features = features - features.mean(axis=0)
    # One number for all columns, so that one range of step sizes suits every backbone and their geometry stays.
    features *= _LENGTH / np.sqrt(features.var(axis=0).sum())
    return _table(features, examples.labels, examples.classes)


def _table(inputs: Array, labels: Array, classes: tuple[str, ...]) -> Examples:
    columns = tuple(f"x{number}" for number in range(inputs.shape[1]))
    ids = [str(row) for row in range(len(labels))]
    return Examples("table", inputs.astype(np.float32), labels.astype(np.int64), ids, classes, columns)


def _parkinsons(path: str) -> Pool:
    """Is a subject's motor score above the median of all? Voice, age and sex; the subjects are the domains."""
    from pyarrow import parquet

    table = parquet.read_table(path)
    scores = table["motor_UPDRS"].to_numpy()
    inputs = np.column_stack([table[column].to_numpy() for column in _VOICE])
    domain = np.unique(table["subject"].to_numpy(), return_inverse=True)[1]
    labels = (scores > np.median(scores)).astype(np.int64)
    return Pool("parkinsons", "table", _table(_scaled(inputs), labels, ("low", "high")), domain)


def _drawn(name: str) -> Pool:
    from sklearn import datasets

    if name.startswith("synthetic-"):
        return _synthetic(name, _TURN[name.removeprefix("synthetic-")])
    loaders = {"wine": datasets.load_wine, "breast-cancer": datasets.load_breast_cancer, "digits": datasets.load_digits}
    inputs, labels = loaders[name](return_X_y=True)
    classes = tuple(str(label) for label in range(labels.max() + 1))
    modality: Modality = "image" if name == "digits" else "table"
    return Pool(name, modality, _table(_scaled(inputs), labels, classes), np.zeros(len(labels), dtype=np.int64))


def _synthetic(name: str, turn: float, domains: int = 6, rows: int = 15_000) -> Pool:
    """Draw four classes in 20 columns; every domain turns and moves the columns in its own way, by ``turn``."""
    from scipy.linalg import expm
    from sklearn.datasets import make_classification

    inputs, labels = make_classification(
        rows, 20, n_informative=10, n_redundant=4, n_classes=4, class_sep=1.0, flip_y=0.05, random_state=0
    )
    inputs, domain = _scaled(inputs), np.arange(rows) % domains
    for number in range(domains):
        generator = np.random.default_rng([number, 7])
        askew = generator.standard_normal((20, 20))
        around = expm(turn * (askew - askew.T) / np.sqrt(80))
        own = domain == number
        inputs[own] = inputs[own] @ around + turn * generator.standard_normal(20)
    return Pool(name, "table", _table(inputs, labels, tuple("0123")), domain)


def _scaled(inputs: Array) -> Array:
    spread = inputs.std(axis=0)
    found: Array = (inputs - inputs.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return found


def only(pool: Pool, rows: Array) -> Pool:
    """Keep some rows of a data set."""
    return replace(pool, examples=pool.examples.take(rows), domain=pool.domain[rows])
