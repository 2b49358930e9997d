"""Run one study alone and on clusters of 1, 2 and 4 workers on this machine, and on two machines that are name spaces.

python benchmarks/cluster.py [--seeds 4] [--ways alone jobs-2 cluster-2 …] [--folder DIR] [--json FILE] [--docs]

Each is a fresh `headstart study` with a run folder of its own, and a cluster of its own where it has one. All have one
thread a worker, and their records are compared. The machines are network name spaces, joined by a virtual wire; they
take root and `ip` (iproute2), and are left out without. It takes about six minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from headstart.core.machine import num_cores
from summary import machine
from table import markdown, number, write_between

PAGE = Path(__file__).parents[1] / "docs" / "cluster.md"
WAYS = ("alone", "jobs-2", "cluster-1", "cluster-2", "cluster-4", "machines-2")
_SPACES, _ADDRESSES = ("headstart-a", "headstart-b"), ("10.213.0.1", "10.213.0.2")
_SAME = ("arm", "seed", "key", "metrics", "curve", "tuning", "accepted", "by_class", "traffic")
"""What two runs' records must agree on, to the last bit."""

_ARMS = {
    "fedavg": 'federate = { method = "fedavg", rounds = 12 }',
    "tuned": 'federate = { method = "fedavg", rounds = 12 }\nadapt = { method = "full_finetune", epochs = 4 }',
    "fedprox": 'federate = { method = "fedprox", rounds = 12 }',
    "local": 'adapt = { method = "full_finetune", epochs = 12 }',
}


def study(seeds: int) -> str:
    """Return the study file: about 10 nodes a seed, half of them with most of the work."""
    arms = "\n".join(f'[arms.{name}]\nstart = "random"\n{body}' for name, body in _ARMS.items())
    return f"""
name = "cluster"
seeds = {list(range(seeds))}
[data]
source = "digits"
[data.partition]
method = "dirichlet_clients"
num_clients = 12
alpha = 0.5
[model]
backbone = "small-cnn"
[engine]
way = "loop"
threads = 1
[tuning]
trials = 2
[decision]
baseline = "fedavg"
[study]
until = "all"
{arms}
"""


def run(arguments: Sequence[str], before: Sequence[str] = ()) -> dict[str, float]:
    """Run a study; return its seconds, and those until workers had opened it.

    Raises:
        RuntimeError: it failed.
    """
    begin, ready, said = time.monotonic(), 0.0, list[str]()
    command = [*before, sys.executable, "-u", "-m", "headstart", "study", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            said.append(line)
            if line.startswith("note: cluster:"):
                ready = time.monotonic() - begin
    if process.returncode:
        raise RuntimeError("".join(said[-20:]))
    return {"seconds": time.monotonic() - begin, "ready": ready}


@contextmanager
def one_machine(workers: int) -> Iterator[tuple[str, Sequence[str]]]:
    """Start a cluster on this machine; yield its address, and what its driver's command begins with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="hs-", ignore_cleanup_errors=True) as folder:
        head = ["--head", "--port", str(port), "--temp-dir", folder]
        with _ray([], [*head, "--num-cpus", str(workers)]):
            yield f"127.0.0.1:{port}", []


@contextmanager
def two_machines() -> Iterator[tuple[str, Sequence[str]]]:
    """Start a cluster of two name spaces, a core each."""
    inside = [["ip", "netns", "exec", space] for space in _SPACES]
    pinned = [[*space, "taskset", "-c", str(core % num_cores())] for core, space in enumerate(inside)]
    first = f"{_ADDRESSES[0]}:6379"
    with ExitStack() as stack:
        stack.enter_context(_wire())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hs-", ignore_cleanup_errors=True))
        head = ["--head", "--port", "6379", "--temp-dir", folder, "--node-ip-address", _ADDRESSES[0]]
        stack.enter_context(_ray(pinned[0], [*head, "--num-cpus", "1"]))
        stack.enter_context(
            _ray(pinned[1], ["--address", first, "--node-ip-address", _ADDRESSES[1], "--num-cpus", "1"])
        )
        yield first, inside[0]


@contextmanager
def _ray(before: Sequence[str], arguments: Sequence[str]) -> Iterator[None]:
    """Run Ray on a machine until the end; only these processes are ended."""
    ray = str(Path(sys.executable).with_name("ray"))
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    more = ["--block", "--include-dashboard", "false"] if "--head" in arguments else ["--block"]
    process = subprocess.Popen(
        [*before, ray, "start", *arguments, *more],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in process.stdout or ():
            if "Ray runtime started" in line:
                break
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=20)
        process.kill()


@contextmanager
def _wire() -> Iterator[None]:
    """Make two name spaces with a wire between them."""
    ends = [f"{space}-0"[-12:] for space in _SPACES]
    try:
        for space in _SPACES:
            _ip("netns", "add", space)
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for space, end, address in zip(_SPACES, ends, _ADDRESSES, strict=True):
            _ip("link", "set", end, "netns", space)
            _ip("-n", space, "addr", "add", f"{address}/24", "dev", end)
            for name in ("lo", end):
                _ip("-n", space, "link", "set", name, "up")
        yield
    finally:
        for space in _SPACES:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _cluster(start: Callable[[], Any]) -> Callable[[Sequence[str]], dict[str, float]]:
    def on(arguments: Sequence[str]) -> dict[str, float]:
        with start() as (address, before):
            return run([*arguments, "--cluster", address], before)

    return on


RUNS: Mapping[str, Callable[[Sequence[str]], dict[str, float]]] = {
    "alone": lambda arguments: run(arguments, ["taskset", "-c", "0"]),
    "jobs-2": lambda arguments: run([*arguments, "--jobs", "2"]),
    "cluster-1": _cluster(lambda: one_machine(1)),
    "cluster-2": _cluster(lambda: one_machine(2)),
    "cluster-4": _cluster(lambda: one_machine(4)),
    "machines-2": _cluster(two_machines),
}
_SAYS = {
    "alone": "one core, one process",
    "jobs-2": "`--jobs 2`",
    "cluster-1": "a cluster, 1 worker",
    "cluster-2": "a cluster, 2 workers",
    "cluster-4": "a cluster, 4 workers",
    "machines-2": "two machines (name spaces), a worker each",
}


def records(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Return what a run's records say, but for times."""
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    return {(line["arm"], line["seed"]): {name: line.get(name) for name in _SAME} for line in lines}


def compare(ways: Sequence[str], file: Path, folder: Path) -> list[dict[str, Any]]:
    """Run the study in every way, one after another."""
    rows = []
    for way in ways:
        out = folder / way
        found = RUNS[way]([str(file), "--out", str(out)])
        same = records(out) == records(folder / ways[0])
        rows.append({"way": way, **found, "same": same, "nodes": len(list((out / "nodes").glob("*.json")))})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of all runs."""
    first = rows[0]["seconds"]
    header = ["where", "all, s", "until workers had opened the study, s", "times as fast", "records"]
    return markdown(
        header,
        (
            [
                _SAYS[row["way"]],
                number(row["seconds"]),
                number(row["ready"]) if row["ready"] else "",
                f"{first / row['seconds']:.2f}",
                "the same" if row["same"] else "**other**",
            ]
            for row in rows
        ),
    )


def possible(ways: Sequence[str]) -> list[str]:
    """Leave out machines where there can be no name spaces."""
    has_spaces = os.geteuid() == 0 and subprocess.run(["ip", "-V"], check=False, capture_output=True).returncode == 0
    return [way for way in ways if has_spaces or way != "machines-2"]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seeds", type=int, default=4, help="of each arm (4)")
    made.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="all when not given")
    made.add_argument("--folder", type=Path, metavar="DIR", help="keep the run folders here")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the rows here")
    made.add_argument("--docs", action="store_true", help=f"rewrite the table in docs/{PAGE.name}")
    return made


def main() -> None:
    """Run, print."""
    chosen = parser().parse_args()
    with nullcontext(chosen.folder) if chosen.folder else tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "study.toml"
        file.write_text(study(chosen.seeds))
        rows = compare(possible(chosen.ways), file, folder)
    print(report(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")
    if chosen.docs:
        write_between(PAGE, "cluster", said(rows, chosen.seeds) + "\n\n" + report(rows))


def said(rows: Sequence[Mapping[str, Any]], seeds: int) -> str:
    """Say what was measured, and where."""
    import processes

    return (
        f"A study of {rows[0]['nodes']} nodes ({len(_ARMS)} arms, {seeds} seeds, 2 trials; a small CNN, 12 clients) on "
        f"{machine(processes.speeds())}, by `python benchmarks/cluster.py`. More workers than the {num_cores()} cores "
        "cannot be faster. *All* is from the command to its end; starting the cluster itself is not in it."
    )


if __name__ == "__main__":
    main()
