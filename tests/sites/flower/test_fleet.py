"""A site whose line broke while it asked comes in anew, so that the server asks again what may have been lost."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

pytest.importorskip("flwr")

from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from flwr.proto.fleet_pb2 import ActivateNodeResponse, DeactivateNodeResponse, PullMessagesResponse
from flwr.proto.node_pb2 import Node

from headstart.sites.flower import patience
from headstart.sites.flower.fleet import Fleet
from headstart.sites.flower.patience import Patience

REQUEST = httpx.Request("POST", "https://127.0.0.1/")
GONE = httpx.ConnectError("refused")


def _status(code: int) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("", request=REQUEST, response=httpx.Response(code, request=REQUEST))


@dataclass
class Client:
    """Flower's, which fails as it is told to before it answers."""

    fails: dict[str, list[Exception]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def _call(self, name: str, answer: Any) -> Any:
        self.asked.append(name)
        if left := self.fails.get(name):
            raise left.pop(0)
        return answer

    def PullMessages(self, _: Any) -> Any:  # noqa: N802
        return self._call("pull", PullMessagesResponse())

    def ActivateNode(self, _: Any) -> Any:  # noqa: N802
        return self._call("activate", ActivateNodeResponse(node_id=8))

    def DeactivateNode(self, _: Any) -> Any:  # noqa: N802
        return self._call("deactivate", DeactivateNodeResponse())


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)


def _pulled(client: Client) -> Fleet:
    fleet = Fleet(client, generate_private_key(SECP384R1()), Patience(lambda _: None), Node(node_id=7))  # type: ignore[arg-type]
    assert fleet.pull() is None
    return fleet


def test_a_line_that_holds_is_left_alone() -> None:
    client = Client()
    _pulled(client)
    assert client.asked == ["pull"]


def test_after_a_break_a_site_comes_in_anew() -> None:
    client = Client({"pull": [GONE]})
    assert _pulled(client).node.node_id == 8
    assert client.asked == ["pull", "pull", "deactivate", "activate"]


def test_a_link_that_has_missed_the_site_lets_it_in() -> None:
    client = Client({"pull": [GONE], "deactivate": [_status(412)]})
    assert _pulled(client).node.node_id == 8


def test_a_sign_of_life_in_between_is_borne() -> None:
    client = Client({"pull": [GONE], "activate": [_status(412)]})
    assert _pulled(client).node.node_id == 8
    assert client.asked == ["pull", "pull", "deactivate", "activate", "deactivate", "activate"]
