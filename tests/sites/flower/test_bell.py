"""A pull is held until there is something, or for so long; nothing is missed, and nothing taken for who has gone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("flwr")

from flwr.proto.fleet_pb2 import PullMessagesRequest, PullMessagesResponse, PushMessagesRequest
from flwr.proto.message_pb2 import Message, PullObjectRequest, PullObjectResponse, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import PullAppMessagesRequest, PushAppMessagesRequest

from headstart.sites.flower.bell import Bell, held

PULL, PUSH = "/v1/fleet/pull-messages", "/v1/runtime/push-messages"
SOMETHING = PullMessagesResponse(messages_list=[Message()]).SerializeToString()
LONG, SHORT = 60.0, 0.01


@dataclass
class Link:
    """Flower's app, as far as a bell hears: what each path answers, and how often it was asked."""

    answers: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    asked: list[str] = field(default_factory=list)
    bell: Bell = field(default_factory=Bell)
    on_look: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] is not None
        self.asked.append(scope["path"])
        answer = self.answers.get(scope["path"], b"")
        if self.on_look:
            await self.on_look()
        await send({"type": "http.response.start", "status": self.status})
        await send({"type": "http.response.body", "body": answer})

    async def call(self, path: str, message: Any, seconds: float = LONG, gone: bool = False) -> bytes | None:
        """Return what is answered; None if nothing is."""
        said: list[Any] = []
        parts = iter([{"type": "http.request", "body": message.SerializeToString(), "more_body": False}])

        async def receive() -> Any:
            if (part := next(parts, None)) is None:
                if not gone:
                    await asyncio.Event().wait()
                return {"type": "http.disconnect"}
            return part

        async def send(part: Any) -> None:
            said.append(part)

        await held(self, self.bell, seconds)({"type": "http", "path": path}, receive, send)
        return b"".join(part.get("body", b"") for part in said) if said else None


def _site(number: int) -> PullMessagesRequest:
    return PullMessagesRequest(node=Node(node_id=number))


def _to(number: int) -> PushAppMessagesRequest:
    message = Message()
    message.metadata.dst_node_id = number
    return PushAppMessagesRequest(messages_list=[message])


async def _asked(link: Link, times: int) -> None:
    while len(link.asked) < times:
        await asyncio.sleep(0)


def test_a_request_wakes_its_site_and_no_other() -> None:
    async def run() -> None:
        link = Link()
        first, second = (asyncio.create_task(link.call(PULL, _site(number))) for number in (1, 2))
        await _asked(link, 2)
        link.answers[PULL] = SOMETHING
        await link.call(PUSH, _to(2))
        assert await second == SOMETHING
        assert not first.done()
        await link.call(PUSH, _to(1))
        assert await first == SOMETHING

    asyncio.run(run())


def test_what_comes_while_it_is_looked_for_is_not_missed() -> None:
    async def run() -> None:
        link = Link()

        async def arrives() -> None:
            if PUSH not in link.asked:
                link.answers[PULL] = SOMETHING
                await link.call(PUSH, _to(1))

        link.on_look = arrives
        assert await link.call(PULL, _site(1)) == SOMETHING
        assert link.asked == [PULL, PUSH, PULL]

    asyncio.run(run())


def test_after_its_time_a_call_is_answered_with_nothing() -> None:
    link = Link()
    assert asyncio.run(link.call(PULL, _site(1), SHORT)) == b""
    assert link.asked == [PULL]


def test_nothing_is_taken_for_who_has_gone() -> None:
    link = Link()
    assert asyncio.run(link.call(PULL, _site(1), gone=True)) is None
    assert link.asked == [PULL]


def test_an_error_is_not_held() -> None:
    link = Link(status=401)
    assert asyncio.run(link.call(PULL, _site(1))) == b""
    assert link.asked == [PULL]


def test_what_is_no_message_is_for_flower_to_refuse() -> None:
    class Garbage:
        def SerializeToString(self) -> bytes:  # noqa: N802
            return b"\xff\xff\xff"

    link = Link(status=400)
    assert asyncio.run(link.call(PULL, Garbage())) == b""
    assert link.asked == [PULL]


def test_of_many_calls_for_one_name_the_last_are_not_held() -> None:
    async def run() -> None:
        link = Link()
        calls = [asyncio.create_task(link.call(PULL, _site(1))) for _ in range(20)]
        await _asked(link, 20)
        for _ in range(20):
            await asyncio.sleep(0)
        answered = [call for call in calls if call.done()]
        assert len(answered) == 12
        link.answers[PULL] = SOMETHING
        await link.call(PUSH, _to(1))
        assert [await call for call in calls].count(SOMETHING) == 8

    asyncio.run(run())


@pytest.mark.parametrize("side", ["fleet", "runtime"])
def test_a_part_on_its_way_is_waited_for(side: str) -> None:
    async def run() -> None:
        not_yet = PullObjectResponse(object_found=True).SerializeToString()
        pull = f"/v1/{side}/pull-object"
        link = Link({pull: not_yet})
        call = asyncio.create_task(link.call(pull, PullObjectRequest(object_id="a")))
        await _asked(link, 1)
        link.answers[pull] = b"there"
        await link.call("/v1/fleet/push-object", PushObjectRequest(object_id="a"))
        assert await call == b"there"

    asyncio.run(run())


def test_an_answer_wakes_the_operator() -> None:
    async def run() -> None:
        pull = "/v1/runtime/pull-messages"
        link = Link()
        call = asyncio.create_task(link.call(pull, PullAppMessagesRequest(message_ids=["a"])))
        await _asked(link, 1)
        link.answers[pull] = SOMETHING
        await link.call("/v1/fleet/push-messages", PushMessagesRequest())
        assert await call == SOMETHING

    asyncio.run(run())
