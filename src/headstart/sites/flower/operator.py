"""The operator's own process is the server: it begins a run over the link's inner door, and speaks to sites as it."""

from __future__ import annotations

import ssl
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from flwr.cli.build import build_fab_from_disk
from flwr.common.constant import SubStatus
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListNodesResponse,
    ListRunsRequest,
    ListRunsResponse,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
)
from flwr.proto.fab_pb2 import Fab
from flwr.proto.node_pb2 import NodeInfo
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest, PushTaskOutputRequest
from flwr.proto.transport_pb2 import Scalar
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufClientInterceptor, ProtobufRequestContext
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity

from headstart.core.errors import ClientError
from headstart.core.progress import Tell
from headstart.sites.flower.door import Door, read_door
from headstart.sites.flower.inert import write_inert_app
from headstart.sites.flower.mailbox import Mailbox
from headstart.sites.flower.patience import Patience
from headstart.sites.flower.programs import Link

_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
_SECONDS_TO_BEGIN = 60.0


class _Bearer:
    """Shows the token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """Add it to a request."""
        context.request.headers["Authorization"] = f"Bearer {self._token}"
        return call_next(context)


@dataclass(frozen=True, eq=False)
class Operator:
    """Who may start runs and let sites in.

    Attributes:
        link: that is up.
        door: its inner one.
    """

    link: Link
    door: Door

    @classmethod
    def of(cls, link: Link) -> Operator:
        """Find the inner door of a link that is up on this machine.

        Raises:
            ClientError: none is.
        """
        return cls(link, read_door(link.home))

    @property
    def _ca(self) -> bytes:
        return (self.link.keys / "ca.crt").read_bytes()

    @contextmanager
    def _control(self) -> Iterator[ControlHttpClient]:
        version = RuntimeVersionHttpInterceptor(component_name="headstart")
        inside: list[ProtobufClientInterceptor] = [version, _Bearer(self.door.token)]
        try:
            with ControlHttpClient.from_server_address(self.door.address, False, self._ca, inside) as client:
                yield client
        except httpx.HTTPStatusError as error:
            raise ClientError(
                f"federate: the link of --home '{self.link.home}' answers with status {error.response.status_code}; "
                "take --keys and --home of the 'headstart federate up' that runs"
            ) from None
        except (httpx.TransportError, ssl.SSLError) as error:
            raise ClientError(
                f"federate: the link of --home '{self.link.home}' does not answer ({type(error).__name__}); start "
                "'headstart federate up', with the same --keys"
            ) from None

    def register_all(self) -> None:
        """Let every site of the keys in; those that are in already stay.

        Raises:
            ClientError: the link does not answer, or refuses.
        """
        with self._control() as control:
            known = {bytes(node.public_key) for node in control.ListNodes(ListNodesRequest()).nodes_info}
            for name, key in self.link.sites().items():
                if (mine := public_key_to_bytes(key)) not in known:
                    control.RegisterNode(RegisterNodeRequest(public_key=mine, name=name))

    def nodes(self) -> ListNodesResponse:
        """Return what the link knows of its sites."""
        with self._control() as control:
            return control.ListNodes(ListNodesRequest())

    def names(self) -> Mapping[int, str]:
        """Return the names of sites by address; the key says whose an address is."""
        by_key = {public_key_to_bytes(key): name for name, key in self.link.sites().items()}
        return {
            node.node_id: by_key[key] for node in self.nodes().nodes_info if (key := bytes(node.public_key)) in by_key
        }

    def sites(self) -> Mapping[str, NodeInfo | None]:
        """Return what the link knows of each site of the keys, by name; None of one that it has not let in."""
        by_key = {bytes(node.public_key): node for node in self.nodes().nodes_info}
        return {name: by_key.get(public_key_to_bytes(key)) for name, key in self.link.sites().items()}

    def runs(self) -> ListRunsResponse:
        """Return what the link knows of its runs."""
        with self._control() as control:
            return control.ListRuns(ListRunsRequest())

    @contextmanager
    def run(self, tell: Tell = lambda _: None, study: str = "", arm: str = "") -> Iterator[Mailbox]:
        """Begin a run, and speak as it; it ends with the block, failed or stopped by what ends that.

        Args:
            tell: told when the link is gone, and when it is back.
            study: by which it is known in the list of runs.
            arm: likewise.
        """
        with self._control() as control:
            run = self._begin(control, {"study": study, "arm": arm})
            with self._mail(run, tell, stop=lambda: control.StopRun(StopRunRequest(run_id=run))) as mail:
                yield mail

    def _begin(self, control: ControlHttpClient, what: Mapping[str, str]) -> int:
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Flower's own, of a library that it calls
            fab = Fab(content=build_fab_from_disk(write_inert_app(Path(folder) / "app")))
        said = {name: Scalar(string=text) for name, text in what.items()}
        return int(control.StartRun(StartRunRequest(fab=fab, override_config=said)).run_id)

    @contextmanager
    def _mail(self, run: int, tell: Tell, stop: Callable[[], object]) -> Iterator[Mailbox]:
        client = self._runtime(self._task_of(run))
        beats = HeartbeatSender(make_task_heartbeat_fn_http(client))
        beats.start()
        status = SubStatus.FAILED
        try:
            task = client.PullTaskInput(PullTaskInputRequest())
            TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = task.task_id, run, task.context.node_id
            yield Mailbox(client, run, Patience(tell))
            status = SubStatus.COMPLETED
        except (KeyboardInterrupt, SystemExit):
            stop()
            raise
        finally:
            with suppress(httpx.HTTPError):  # a run that was stopped takes no output
                client.PushTaskOutput(PushTaskOutputRequest(sub_status=status, details=""))
            beats.stop()
            client.close()

    def _runtime(self, token: str) -> RuntimeHttpClient:
        """Return what speaks of a run's own task."""
        version = RuntimeVersionHttpInterceptor(component_name="headstart")
        shown: list[ProtobufClientInterceptor] = [version, RuntimeTokenHttpInterceptor(token=token)]
        return RuntimeHttpClient.from_server_address(self.door.address, False, self._ca, shown)

    def _task_of(self, run: int) -> str:
        """Take the run's own task; another run's is left to expire, as nobody executes it."""
        secret = SuperExecAuthHttpInterceptor(master_secret=self.door.secret.encode(), protected_methods={_ACQUIRE})
        version = RuntimeVersionHttpInterceptor(component_name="headstart")
        end = time.monotonic() + _SECONDS_TO_BEGIN
        with RuntimeHttpClient.from_server_address(self.door.address, False, self._ca, [version, secret]) as client:
            while time.monotonic() < end:
                got = client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
                if got.token and got.task.run_id == run:
                    return str(got.token)
                if not got.token:
                    time.sleep(0.1)
        raise ClientError(f"federate run: the run did not begin within {_SECONDS_TO_BEGIN:g} s; see the link's log")
