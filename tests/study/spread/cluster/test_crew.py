"""Who is hired, and what happens where nobody comes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from headstart.core.errors import EngineError
from headstart.study.spread.cluster.crew import Crew, Errand
from headstart.study.spread.cluster.link import Machine
from study.spread.cluster.fake import Box, Fake

MEET = Errand("meet", lambda _: (), lambda *_: None)


@pytest.mark.parametrize(
    ("cores", "on_card", "hired"), [(1, False, "aaaabb"), (2, False, "aab"), (1, True, "a"), (3, False, "a")]
)
def test_every_group_of_cores_or_every_card_has_a_worker(tmp_path: Path, cores: int, on_card: bool, hired: str) -> None:
    fake = Fake(tmp_path, there=[Machine("a", "a", 4, 1.0), Machine("b", "b", 2)])
    crew = Crew(fake, [MEET], cores, on_card)
    crew.gather()
    assert "".join(one.machine.id for one in fake.hired) == hired
    assert crew.count == len(hired)


class Never(Fake):
    """A cluster whose cores are taken."""

    def wait(self, references: Sequence[Box], seconds: float | None = None) -> Sequence[Box]:
        return []


def test_a_cluster_without_the_cards_that_a_study_computes_on(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no machine of the cluster offers one; write device = 'cpu'"):
        Crew(Fake(tmp_path), [MEET], on_card=True).gather()
    with pytest.raises(EngineError, match="no worker is left"):
        Crew(Fake(tmp_path, there=[]), [MEET], on_card=True).gather()


def test_workers_that_never_come(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no worker came within 3 s: its cores are taken by others"):
        Crew(Never(tmp_path), [MEET], patience=3).gather()


def test_a_cluster_without_cores(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no worker is left"):
        Crew(Fake(tmp_path, there=[]), [MEET]).gather()


def test_a_machine_that_is_new_gets_workers(tmp_path: Path) -> None:
    fake = Fake(tmp_path, there=[Machine("a", "a", 1)])
    crew = Crew(fake, [MEET])
    crew.gather()
    fake.there = [*fake.there, Machine("b", "b", 2)]
    crew.hire()
    crew.do([Errand("meet", lambda _: (), lambda *_: None) for _ in range(4)])
    assert [one.machine.id for one in fake.hired] == ["a", "b", "b"]


def test_an_errand_over_which_workers_die_again_and_again(tmp_path: Path) -> None:
    met: list[Any] = []

    def dies(_: Any, what: str) -> bool:
        met.append(what)
        return what == "open"

    crew = Crew(Fake(tmp_path, dies=dies), [MEET])
    crew.gather()
    with pytest.raises(EngineError, match="3 workers died over one piece of work; is there enough memory"):
        crew.do([Errand("open", lambda _: (), lambda *_: None)])
    assert met.count("open") == 3


def test_a_machine_that_loses_all_its_workers_is_told_once_and_left(tmp_path: Path) -> None:
    said: list[str] = []
    fake = Fake(tmp_path, there=[Machine("a", "a", 1)], dies=lambda *_: True)
    with pytest.raises(EngineError, match="no worker is left"):
        Crew(fake, [MEET], warn=said.append).gather()
    assert len(fake.hired) == 10
    assert said == [
        "cluster: a worker on 'a' was lost; what it was at is done again",
        "cluster: 'a' has lost 10 workers and gets no more; is there enough memory?",
    ]


def test_where_all_workers_are_lost_at_once_the_next_one_is_waited_for(tmp_path: Path) -> None:
    errands, lost = [Errand("open", lambda _: (), lambda *_: None, lambda: lost.append(True))], list[bool]()
    crew = Crew(Fake(tmp_path, there=[Machine("a", "a", 1)], dies=lambda _, what: what == "open"), [MEET])
    crew.gather()
    crew.give(lambda: errands.pop() if errands else None)
    crew.wait()
    assert lost
    crew.wait()
    assert crew.count == 1
