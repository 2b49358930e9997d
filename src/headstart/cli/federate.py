"""``headstart federate``: a real federation, thin over Flower's own programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from headstart.core.errors import SettingError, nearest
from headstart.core.visible import visible
from headstart.sites import settings as defaults
from headstart.sites.settings import NodeSettings, RunSettings

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
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new.")] = Path(defaults.KEYS),
    days: Annotated[int, typer.Option(min=1, help="Days that the certificate is valid.")] = defaults.KEY_DAYS,
) -> None:
    """Make a CA, the server's certificate, a key per client, and a key that signs models."""
    from headstart.sites.flower.keys import make_keys

    make_keys(out, host, site, days)
    typer.echo(f"keys    {out}\nto each client: ca.crt, signer.pub, sites/NAME; all else stays with the server")


@app.command()
def up(
    address: Address = defaults.ADDRESS,
    keys: Keys = Path(defaults.KEYS),
    home: Home = Path(defaults.HOME),
    database: Annotated[Path, typer.Option(help="File of the link's state, which a restart goes on from.")] = Path(
        defaults.DATABASE
    ),
) -> None:
    """Start the server's link, with TLS and authentication of clients, and let the clients of the keys in."""
    from headstart.sites.flower.processes import together
    from headstart.sites.flower.programs import Link

    link = Link(address, keys, home)
    link.configure()
    with together() as start:
        process = start(link.superlink(database), link.environment)
        link.wait()
        link.register_all()
        typer.echo(f"up at {visible(address)}; clients of {keys}/sites are let in")
        code = process.wait()
    raise typer.Exit(code)


@app.command()
def node(
    name: Annotated[str, typer.Option(help="The client's name, as in its key.", show_default=False)],
    data: Annotated[
        Path, typer.Option(help="Its file or folder, which never leaves.", exists=True, show_default=False)
    ],
    address: Address = defaults.ADDRESS,
    keys: Keys = Path(defaults.KEYS),
    state: Annotated[Path, typer.Option(help="Folder for what it receives and learns.")] = Path(defaults.STATE),
    policy: Annotated[
        str, typer.Option(help="What may leave: none, counts, metrics or updates.")
    ] = NodeSettings.policy,
    signed: Annotated[bool, typer.Option(help="Take only models that signer.pub of the keys fits.")] = True,
    one_hot: Annotated[
        list[str] | None,
        typer.Option(help="A column of categories whose names may leave; may be repeated.", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(help="Of this machine alone, for Flower's own use.")] = defaults.NODE_PORT,
    home: Home = Path(defaults.HOME),
) -> None:
    """Start one client beside its data; the server's requests are answered as the policy allows."""
    from headstart.sites.flower.keys import read_public_key
    from headstart.sites.flower.programs import Link
    from headstart.sites.site import Site

    signer = keys / "signer.pub"
    Site(name, data, state, policy, read_public_key(signer) if signed else None)
    said = NodeSettings(
        name=name,
        data=str(data.resolve()),
        state=str(state.resolve()),
        policy=policy,
        signer=str(signer.resolve()) if signed else "",
        one_hot=defaults.line_of(one_hot or ()),
    )
    link = Link(address, keys, home)
    raise typer.Exit(link.follow(link.supernode(said, port)))


@app.command()
def run(
    study: Study,
    arm: Annotated[str, typer.Option(help="The arm to run.", show_default=False)],
    sites: Sites = RunSettings.sites,
    seed: Seed = RunSettings.seed,
    out: Out = None,
    address: Address = defaults.ADDRESS,
    keys: Keys = Path(defaults.KEYS),
    home: Home = Path(defaults.HOME),
    timeout: Timeout = RunSettings.timeout,
    enough: Annotated[
        float, typer.Option(min=0, max=1, help="Share of clients whose answers close a round.")
    ] = RunSettings.enough,
    local: Local = 0,
) -> None:
    """Run one arm over the clients."""
    said = RunSettings(study=str(study), arm=arm, sites=sites, seed=seed, timeout=timeout, enough=enough)
    _run(said, out, local=local, address=address, keys=keys, home=home)


def probe(
    study: Study,
    sites: Sites = RunSettings.sites,
    seed: Seed = RunSettings.seed,
    out: Out = None,
    address: Address = defaults.ADDRESS,
    keys: Keys = Path(defaults.KEYS),
    home: Home = Path(defaults.HOME),
    timeout: Timeout = RunSettings.timeout,
    secure: Annotated[
        bool, typer.Option(help="Hide each client's sums under masks; 3 clients or more.")
    ] = RunSettings.secure,
    noise: Annotated[
        float, typer.Option(min=0, help="Noise on each client's sums, in sensitivities.")
    ] = RunSettings.noise,
    bound: Annotated[
        float, typer.Option(min=1.1, help="Length to which features are clipped, with noise.")
    ] = RunSettings.bound,
    local: Local = 0,
) -> None:
    """Ask real clients in two messages whether to fine-tune, to federate, or to do both; no example leaves them."""
    said = RunSettings(
        study=str(study),
        arm="probe",
        sites=sites,
        seed=seed,
        timeout=timeout,
        secure=secure,
        noise=noise,
        bound=bound,
    )
    _run(said, out, local=local, address=address, keys=keys, home=home)


@app.command()
def status(
    address: Address = defaults.ADDRESS, keys: Keys = Path(defaults.KEYS), home: Home = Path(defaults.HOME)
) -> None:
    """Show the clients and the runs of a link."""
    from headstart.sites.flower.programs import Link

    link = Link(address, keys, home)
    link.wait(seconds=2)
    for command in (link.list_sites(), link.list_runs()):
        done = link.said_by(command, timeout=60)
        typer.echo("\n".join(map(visible, (done.stdout or done.stderr).split("\n"))))


def _run(said: RunSettings, out: Path | None, *, local: int, address: str, keys: Path, home: Path) -> None:
    """Run an arm, or the probe, over a real federation; or over one that is started here for the purpose."""
    from headstart.sites.flower.local import run_on, running, write_site_files
    from headstart.sites.flower.programs import Link
    from headstart.study.written.load import load_study

    path = Path(said.study).resolve()
    file = load_study(path)
    names = [arm.name for arm in file.arms]
    if said.arm not in ("probe", *names):
        raise SettingError(
            f"--arm: must be 'probe' or an arm of the study file, received {said.arm!r}; {nearest(said.arm, names)}"
        )
    folder = (out or Path("runs") / f"{file.settings.name}-federated").resolve()
    said = replace(said, study=str(path), out=str(folder))
    if local:
        from headstart.data import open_federation

        federation = open_federation(file.data, file.folder)
        data = write_site_files(federation, file.data, folder / "sites", local, file.folder)
        with running(data, folder / "local", one_hot=file.data.one_hot) as link:
            run_on(link, replace(said, sites=local))
    else:
        link = Link(address, keys, home)
        link.wait()
        run_on(link, said)
    typer.echo(f"results {visible(str(folder))}")
