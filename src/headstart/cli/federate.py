"""``headstart federate``: a real federation, thin over Flower's own programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Run arms, or ask the question, where the data lives (Flower).", no_args_is_help=True)

Keys = Annotated[Path, typer.Option(help="Folder that 'headstart federate keys' wrote.")]
Address = Annotated[str, typer.Option(help="Where the server is: host:port.")]
Home = Annotated[Path, typer.Option(help="Folder for Flower's own files.")]
Study = Annotated[Path, typer.Argument(help="Study file (TOML).", show_default=False)]

Sites = Annotated[int, typer.Option(min=1, help="Clients to wait for.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; runs/NAME-federated when not given.")]
Timeout = Annotated[float, typer.Option(help="Seconds that clients have to answer a request.")]
Local = Annotated[int, typer.Option(min=0, help="Start everything here, with this many of the study's clients.")]


@app.command()
def keys(
    host: Annotated[
        list[str], typer.Option(help="Name or address of the server; may be repeated.", show_default=False)
    ],
    site: Annotated[list[str], typer.Option(help="Name of a client; may be repeated.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new.")] = Path("keys"),
    days: Annotated[int, typer.Option(min=1, help="Days that the certificate is valid.")] = 365,
) -> None:
    """Make a CA, the server's certificate, a key per client, and a key that signs models."""
    from headstart.sites.flower.keys import make_keys

    make_keys(out, host, site, days)
    typer.echo(f"keys    {out}\nto each client: ca.crt, signer.pub, sites/NAME; all else stays with the server")


@app.command()
def up(
    address: Address = "127.0.0.1:8000",
    keys: Keys = Path("keys"),
    home: Home = Path("flower"),
    database: Annotated[Path, typer.Option(help="File of the link's state, which a restart goes on from.")] = Path(
        "flower/link.db"
    ),
) -> None:
    """Start the server's link, with TLS and authentication of clients, and let the clients of the keys in."""
    import subprocess

    from headstart.sites.flower.programs import Link, wait_for_port

    link = Link(address, keys, home)
    link.configure()
    process = subprocess.Popen(link.superlink(database), env=link.environment)
    try:
        wait_for_port(address)
        link.register()
        typer.echo(f"up at {address}; clients of {keys}/sites are let in")
        raise typer.Exit(process.wait())
    finally:
        process.terminate()


@app.command()
def node(
    name: Annotated[str, typer.Option(help="The client's name, as in its key.", show_default=False)],
    data: Annotated[
        Path, typer.Option(help="Its file or folder, which never leaves.", exists=True, show_default=False)
    ],
    address: Address = "127.0.0.1:8000",
    keys: Keys = Path("keys"),
    state: Annotated[Path, typer.Option(help="Folder for what it receives and learns.")] = Path("state"),
    policy: Annotated[str, typer.Option(help="What may leave: none, counts, metrics or updates.")] = "updates",
    signed: Annotated[bool, typer.Option(help="Take only models that signer.pub of the keys fits.")] = True,
    port: Annotated[int, typer.Option(help="Of this machine alone, for Flower's own use.")] = 9094,
    home: Home = Path("flower"),
) -> None:
    """Start one client beside its data; the server's requests are answered as the policy allows."""
    from headstart.sites.flower.programs import Link, follow
    from headstart.sites.shelf import read_public_key
    from headstart.sites.site import Site

    signer = keys / "signer.pub"
    Site(name, data, state, policy, read_public_key(signer) if signed else None)
    link = Link(address, keys, home)
    settings = {"data": str(data.resolve()), "state": str(state.resolve()), "policy": policy}
    settings |= {"signer": str(signer.resolve())} if signed else {}
    raise typer.Exit(follow(link.supernode(name, settings, port), link.environment))


@app.command()
def run(
    study: Study,
    arm: Annotated[str, typer.Option(help="The arm to run.", show_default=False)],
    sites: Sites = 1,
    seed: Seed = 0,
    out: Out = None,
    address: Address = "127.0.0.1:8000",
    keys: Keys = Path("keys"),
    home: Home = Path("flower"),
    timeout: Timeout = 600.0,
    enough: Annotated[float, typer.Option(min=0, max=1, help="Share of clients whose answers close a round.")] = 1.0,
    local: Local = 0,
) -> None:
    """Run one arm over the clients."""
    from headstart.cli.jobs import run_federated

    options = {"sites": sites, "seed": seed, "timeout": timeout, "enough": enough}
    run_federated(study, arm, out, (address, keys, home), options, local)


def probe(
    study: Study,
    sites: Sites = 1,
    seed: Seed = 0,
    out: Out = None,
    address: Address = "127.0.0.1:8000",
    keys: Keys = Path("keys"),
    home: Home = Path("flower"),
    timeout: Timeout = 600.0,
    secure: Annotated[bool, typer.Option(help="Hide each client's sums under masks; 3 clients or more.")] = False,
    noise: Annotated[float, typer.Option(min=0, help="Noise on each client's sums, in sensitivities.")] = 0.0,
    bound: Annotated[float, typer.Option(min=1.1, help="Length to which features are clipped, with noise.")] = 10.0,
    local: Local = 0,
) -> None:
    """Ask real clients in two messages whether to fine-tune, to federate, or to do both; no example leaves them."""
    from headstart.cli.jobs import run_federated

    options = {"sites": sites, "seed": seed, "timeout": timeout, "secure": secure, "noise": noise, "bound": bound}
    run_federated(study, "probe", out, (address, keys, home), options, local)


@app.command()
def status(address: Address = "127.0.0.1:8000", keys: Keys = Path("keys"), home: Home = Path("flower")) -> None:
    """Show the clients and the runs of a link."""
    from headstart.sites.flower.programs import NAME, Link

    link = Link(address, keys, home)
    for words in (("supernode", "list", NAME), ("list", NAME)):
        done = link.flwr(*words, timeout=60)
        typer.echo(done.stdout or done.stderr)
