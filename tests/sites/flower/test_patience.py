"""A link that is away is waited for, which is said once; what does not pass by waiting is raised."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from headstart.core.errors import ClientError
from headstart.sites.flower import patience
from headstart.sites.flower.patience import Patience

REQUEST = httpx.Request("POST", "https://127.0.0.1/")


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited, which no test does."""
    found: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", found.append)
    return found


def _after(*errors: Exception) -> Callable[[], str]:
    left = list(errors)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "said"

    return ask


def _status(code: int) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("", request=REQUEST, response=httpx.Response(code, request=REQUEST))


def test_it_is_said_once_that_a_link_is_gone_and_once_that_it_is_back(waited: list[float]) -> None:
    told: list[str] = []
    line = Patience(told.append)
    assert line.call(_after(*[httpx.ConnectError("refused")] * 10)) == "said"
    assert told == ["the link does not answer (ConnectError); it is tried until it does", "the link is back"]
    assert line.broken == 10
    assert waited == sorted(waited)
    assert max(waited) == 5.0


def test_a_short_trouble_is_not_told() -> None:
    told: list[Any] = []
    assert Patience(told.append).call(_after(_status(503), httpx.ReadError(""))) == "said"
    assert told == []


def test_a_refusal_is_raised() -> None:
    line = Patience(print)
    with pytest.raises(httpx.HTTPStatusError):
        line.call(_after(_status(403)))
    assert line.broken == 0


def test_what_does_not_pass_is_raised() -> None:
    def check(error: httpx.TransportError) -> None:
        raise ClientError("another server")

    with pytest.raises(ClientError, match="another server"):
        Patience(print, check).call(_after(httpx.ConnectError("")))
