from __future__ import annotations

import pytest

from headstart.study.init import roles


@pytest.mark.parametrize("name", ["label", "Labels", "target", "class", "y", "Diagnosis"])
def test_knows_names_of_labels(name: str) -> None:
    assert roles.is_surely_label(name)


@pytest.mark.parametrize("name", ["label_source", "x", "yes", "age", "classroom", ""])
def test_other_names_are_not_surely_labels(name: str) -> None:
    assert not roles.is_surely_label(name)


def test_a_name_with_more_of_the_words_is_the_likelier() -> None:
    ranks = {name: roles.label_rank(name) for name in ("label", "is_target", "total_UPDRS", "motor_UPDRS", "dose")}
    assert sorted(ranks, key=lambda name: 99 if ranks[name] is None else ranks[name] or 0)[:4] == list(ranks)[:4]
    assert ranks["dose"] is None


@pytest.mark.parametrize(
    "name", ["hospital", "Hospital ID", "site", "sites", "clientId", "center_code", "name_of_the_clinic"]
)
def test_knows_names_of_places(name: str) -> None:
    assert roles.place_rank(name) is not None


@pytest.mark.parametrize("name", ["website", "site_pressure", "id", "", "patient"])
def test_other_names_are_no_places(name: str) -> None:
    assert roles.place_rank(name) is None


def test_knows_names_of_persons_and_rows() -> None:
    assert roles.person_rank("PatientID") is not None
    assert roles.person_rank("personality") is None
    assert [roles.is_row_name(name) for name in ("image_id", "filename", "Path", "acid", "idle")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["E", "T"], ("T", "E")),
        (["OS.time", "age", "OS"], ("OS.time", "OS")),
        (["pfs_event", "PFS_time"], ("PFS_time", "pfs_event")),
        (["time", "dose"], None),
        (["event"], None),
    ],
)
def test_finds_a_time_and_its_event(names: list[str], pair: tuple[str, str] | None) -> None:
    assert roles.time_and_event(names) == pair


def test_knows_names_of_pools() -> None:
    assert [roles.is_pool(name) for name in ("public", "central-pool", "publication", "wards")] == [
        True,
        True,
        False,
        False,
    ]
