"""Who was away is asked again in the same words; who stays away is waited for once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("flwr")

from headstart.core.errors import ClientError
from headstart.sites.flower.objects import LostError
from headstart.sites.flower.waiting import Hours, Post, Wait
from headstart.sites.signed import Sealed
from headstart.sites.transport import Answer, Failed, Request


@dataclass(frozen=True)
class Letter:
    reply_to: str
    post: Post
    is_whole: bool

    def open(self, seconds: float, most_bytes: int) -> Any:
        raise NotImplementedError


@dataclass
class Mail:
    """``answers(site, times)`` says of a request's n-th copy: True is answered, False is lost, None stays silent."""

    answers: Callable[[int, int], bool | None]
    words: dict[int, str] = field(default_factory=lambda: {1: "monday", 2: "monday"})
    on_push: Callable[[int, int], None] = lambda _, __: None
    sent: list[Post] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    def push_messages(self, messages: Any) -> Sequence[str]:
        names = []
        for post in messages:
            times = self.sent.count(post)
            names.append(f"{post.site}-{times}")
            self.sent.append(post)
            self.on_push(post.site, times)
            if (found := self.answers(post.site, times)) is not None:
                self.letters.append(Letter(names[-1], post, found))
        return names

    def arrived(self, names: Sequence[str]) -> list[Letter]:
        came, self.letters = [one for one in self.letters if one.reply_to in names], []
        return came

    def since(self) -> dict[int, str]:
        return dict(self.words)


def _read(post: Post, arrived: Any, seconds: float) -> Answer[str] | Failed:
    if not arrived.is_whole:
        raise LostError("in part")
    return Answer(post.site, post.order.text, {})


def _wait(mail: Mail, absent: set[int] | None = None, patience: float = 60.0, timeout: float = 20.0) -> Wait:
    hours = Hours(timeout=timeout, enough=1.0, grace=0.0, patience=patience, tick=0.01)
    gone = lambda post: Failed(post.site, "gone")  # noqa: E731
    return Wait(mail, lambda post, _: post, _read, gone, hours, set() if absent is None else absent)  # type: ignore[arg-type,return-value]


def _posts() -> list[Post]:
    return [Post(Request(site, "hello", "{}"), Sealed(f"order {site}", "")) for site in (1, 2)]


def _answers(wait: Wait) -> dict[int, Any]:
    posts = _posts()
    found = wait.answers(posts, posts)  # type: ignore[arg-type]
    return {site: one.said if isinstance(one, Answer) else one.reason for site, one in found.items()}


BOTH = {1: "order 1", 2: "order 2"}


def test_who_came_in_anew_is_asked_again_under_the_same_order() -> None:
    mail = Mail(lambda site, times: None if site == 2 and not times else True)

    def comes_anew(site: int, times: int) -> None:
        mail.words[2] = "tuesday"

    mail.on_push = comes_anew
    assert _answers(_wait(mail)) == BOTH
    assert [post.site for post in mail.sent] == [1, 2, 2]
    assert mail.sent[1] is mail.sent[2]


def test_an_answer_that_was_lost_is_asked_for_again() -> None:
    mail = Mail(lambda site, times: site == 1 or times == 3)
    assert _answers(_wait(mail)) == BOTH
    assert [post.site for post in mail.sent] == [1, 2, 2, 2, 2]


def test_a_site_that_loses_every_answer_is_not_asked_for_ever() -> None:
    mail = Mail(lambda site, times: site == 1)
    assert _answers(_wait(mail, patience=0.0)) == {1: "order 1", 2: "gone"}
    assert len(mail.sent) <= 7


def test_who_stays_away_is_waited_for_once() -> None:
    absent: set[int] = set()
    mail = Mail(lambda site, _: site == 1, words={1: "monday"})
    assert _answers(_wait(mail, absent, patience=0.05)) == {1: "order 1", 2: "gone"}
    assert absent == {2}
    assert _answers(_wait(mail, absent, patience=3600.0)) == {1: "order 1", 2: "gone"}
    back = Mail(lambda *_: True)
    assert _answers(_wait(back, absent)) == BOTH
    assert absent == set()


def test_what_the_link_refuses_ends_the_wait() -> None:
    class Refused(Mail):
        def arrived(self, names: Sequence[str]) -> list[Letter]:
            raise ClientError("the run has ended")

    with pytest.raises(ClientError, match="the run has ended"):
        _answers(_wait(Refused(lambda *_: None)))


def test_who_is_silent_is_left_open() -> None:
    assert _answers(_wait(Mail(lambda site, _: True if site == 1 else None), timeout=0.1)) == {1: "order 1"}
