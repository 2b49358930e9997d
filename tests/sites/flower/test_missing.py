"""Who is missing is named, once for each change; time passes by a clock of the test's own."""

from dataclasses import dataclass, field

import pytest

from headstart.core.errors import ClientError, SettingError
from headstart.sites.flower.missing import wait_for

NAMES = {11: "clinic-a", 12: "clinic-b", 13: "clinic-c", 14: "clinic-d"}


@dataclass
class Coming:
    """Sites that come, by the second; ``strangers`` are addresses of no key."""

    when: dict[int, float]
    strangers: tuple[int, ...] = ()
    now: float = 0.0
    lines: list[str] = field(default_factory=list)

    @property
    def addresses(self) -> list[int]:
        return [*self.strangers, *(address for address, second in self.when.items() if second <= self.now)]

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, sites: int, seconds: float = 10.0) -> None:
        wait_for(self, NAMES, sites, seconds, self.lines.append, clock=lambda: self.now, pause=self.pause)


def test_each_change_is_said_once() -> None:
    coming = Coming({11: 0, 14: 1, 12: 3, 13: 5})
    coming.wait(4)
    assert coming.lines == [
        "waiting for: clinic-b, clinic-c, clinic-d (1 of 4 there)",
        "waiting for: clinic-b, clinic-c (2 of 4 there)",
        "waiting for: clinic-c (3 of 4 there)",
    ]
    assert 5 <= coming.now < 5.5


def test_enough_sites_are_not_waited_for() -> None:
    coming = Coming({11: 0, 13: 0})
    coming.wait(2, seconds=0)
    assert (coming.lines, coming.now) == ([], 0.0)


def test_of_more_sites_than_are_asked_for_any_will_do() -> None:
    coming = Coming({11: 0, 13: 2})
    coming.wait(2)
    assert coming.lines == ["waiting for: 1 of clinic-b, clinic-c, clinic-d (1 of 2 there)"]


def test_when_the_time_is_up_the_missing_are_named() -> None:
    coming = Coming({11: 0, 12: 0})
    with pytest.raises(ClientError, match=r"4 sites were to come within 10 s.*: clinic-c, clinic-d \(2 of 4 there\)"):
        coming.wait(4)
    assert coming.now == pytest.approx(10, abs=0.3)


def test_a_site_of_no_key_is_not_counted() -> None:
    coming = Coming({11: 0}, strangers=(99,))
    with pytest.raises(ClientError, match=r"clinic-b, clinic-c, clinic-d \(1 of 2 there\)"):
        coming.wait(2, seconds=1)


def test_more_sites_than_keys_never_come() -> None:
    with pytest.raises(SettingError, match=r"--sites: must be at most the 4 sites .*\(clinic-a, .*received 5"):
        Coming({}).wait(5)
