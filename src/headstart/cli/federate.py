"""``headstart federate``: a real federation, thin over Flower's own programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from headstart.core.errors import SettingError, nearest
from headstart.core.visible import visible
from headstart.sites import settings as defaults
from headstart.sites.settings import RunSettings

app = typer.Typer(help="Run arms, or ask the question, where the data lives (Flower).", no_args_is_help=True)


def _say(text: str) -> None:
    """Print lines, in which nothing that came from a file or the network commands the terminal."""
    typer.echo("\n".join(map(visible, text.split("\n"))))


Keys = Annotated[Path, typer.Option(help="Folder that 'headstart federate keys' wrote.")]
Address = Annotated[str, typer.Option(help="Where the server is: host:port.")]
Home = Annotated[Path, typer.Option(help="Folder for Flower's own files.")]
Study = Annotated[Path, typer.Argument(help="Study file (TOML).", show_default=False)]

Sites = Annotated[int, typer.Option(min=1, help="Clients to wait for.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; runs/NAME-federated when not given.")]
Timeout = Annotated[float, typer.Option(help="Seconds that clients have to answer a request.")]
Secure = Annotated[bool, typer.Option(help="Hide each client's sums under masks; 3 clients or more.")]
Noise = Annotated[float, typer.Option(min=0, help="Noise on each client's sums, in sensitivities.")]
Bound = Annotated[float, typer.Option(min=1.1, help="Length to which features are clipped, with noise.")]
Local = Annotated[int, typer.Option(min=0, help="Start everything here, with this many of the study's clients.")]


@app.command()
def keys(
    host: Annotated[
        list[str], typer.Option(help="Name or address of the server; may be repeated.", show_default=False)
    ],
    site: Annotated[
        list[str] | None, typer.Option(help="Name of a client; may be repeated.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new.")] = Path(defaults.KEYS),
    days: Annotated[int, typer.Option(min=1, help="Days that certificates are valid.")] = defaults.KEY_DAYS,
    renew: Annotated[bool, typer.Option(help="New certificates for the keys in the folder, which stay.")] = False,
) -> None:
    """Make a CA, the server's certificate, a key and a certificate per client, and a key that signs requests."""
    from headstart.sites.flower.keys import make_keys, renew_keys

    if renew == bool(site):
        raise SettingError("--site: must name the clients of new keys, and none with --renew, whose clients stay")
    if renew:
        renew_keys(out, host, days)
    else:
        make_keys(out, host, site or [], days)
    _say(f"keys    {out}\nto each client: ca.crt, signer.pub, sites/NAME and sites/NAME.crt; all else stays here")


@app.command()
def up(
    address: Address = defaults.ADDRESS,
    keys: Keys = Path(defaults.KEYS),
    home: Home = Path(defaults.HOME),
    database: Annotated[Path, typer.Option(help="File of the link's state, which a restart goes on from.")] = Path(
        defaults.DATABASE
    ),
) -> None:
    """Start the server's link, which only the sites of the keys can reach, and let them in."""
    from headstart.sites.flower.door import new_door, write_door
    from headstart.sites.flower.operator import Operator
    from headstart.sites.flower.processes import together
    from headstart.sites.flower.programs import Link

    link = Link(address, keys, home)
    for line in link.check_keys("ca.crt", "server.pem", *(link.certificate_of(name) for name in link.sites())):
        _say(line)
    write_door(home, new_door(home))
    with together() as start:
        process = start(link.program(database), link.environment)
        link.wait()
        Operator.of(link).register_all()
        _say(f"up at {address}; the sites of {keys}/sites can come in, and nobody else")
        code = process.wait()
    raise typer.Exit(code)


@app.command()
def node(
    config: Annotated[Path | None, typer.Option(help="The site's file (TOML).", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="The client's name, as in its key.", show_default=False)] = None,
    data: Annotated[
        Path | None, typer.Option(help="Its file or folder, which never leaves.", exists=True, show_default=False)
    ] = None,
    address: Annotated[str | None, typer.Option(help="Where the server is: host:port.", show_default=False)] = None,
    keys: Annotated[Path | None, typer.Option(help="Folder of keys.", show_default=False)] = None,
    state: Annotated[
        Path | None, typer.Option(help="Folder for what it receives, learns and accepts.", show_default=False)
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(help="What may leave: none, counts, metrics, sums or updates.", show_default=False),
    ] = None,
    noise: Annotated[
        float | None, typer.Option(min=0, help="Least noise on sums, in sensitivities.", show_default=False)
    ] = None,
    masked: Annotated[
        bool | None, typer.Option("--masked", help="Let sums leave under masks only.", show_default=False)
    ] = None,
    one_hot: Annotated[
        list[str] | None,
        typer.Option(help="A column of categories whose names may leave; may be repeated.", show_default=False),
    ] = None,
    examples: Annotated[
        int | None, typer.Option(min=1, help="Of fewer examples of a split nothing is said.", show_default=False)
    ] = None,
    class_examples: Annotated[
        int | None, typer.Option(min=1, help="Fewer examples of a class are not counted.", show_default=False)
    ] = None,
) -> None:
    """Start one client beside its data; the server's requests are answered as its operator's settings allow."""
    from headstart.sites.flower.loop import serve
    from headstart.sites.flower.processes import unwinding
    from headstart.sites.flower.programs import Link
    from headstart.sites.site_file import site_file

    flags = {
        "name": name,
        "data.source": str(data) if data else None,
        "address": address,
        "keys": str(keys) if keys else None,
        "state": str(state) if state else None,
        "policy": policy,
        "noise": noise,
        "masked": masked,
        "one_hot": one_hot,
        "minima.examples": examples,
        "minima.class_examples": class_examples,
    }
    said = site_file(config, flags)
    site = said.settled()
    with unwinding():
        serve(site, Link(said.address, Path(said.keys), site.state), _say)


@app.command()
def preview(
    config: Annotated[Path, typer.Option(help="The site's file (TOML).", show_default=False)],
    study: Annotated[
        Path | None, typer.Argument(help="Study file (TOML); what the server proposed when not given.")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Let exactly this be answered from now on.")] = False,
) -> None:
    """Show what this site would answer to a study; with --accept, let it be answered."""
    from headstart.sites.preview import accepted, preview, proposal
    from headstart.sites.site_file import site_file

    said = site_file(config, {})
    shown = proposal(said, study)
    for line in preview(said.site, shown):
        _say(line)
    if accept:
        _say(accepted(said, shown))
    else:
        _say("nothing was accepted; add --accept to let exactly this be answered")


@app.command()
def run(
    study: Study,
    arm: Annotated[str, typer.Option(help="The arm to run.", show_default=False)],
    sites: Sites = RunSettings.sites,
    seed: Seed = RunSettings.seed,
    out: Out = None,
    keys: Keys = Path(defaults.KEYS),
    home: Home = Path(defaults.HOME),
    timeout: Timeout = RunSettings.timeout,
    enough: Annotated[
        float, typer.Option(min=0, max=1, help="Share of clients whose answers close a round.")
    ] = RunSettings.enough,
    secure: Secure = RunSettings.secure,
    noise: Noise = RunSettings.noise,
    bound: Bound = RunSettings.bound,
    local: Local = 0,
) -> None:
    """Run one arm over the clients."""
    said = RunSettings(
        study=str(study),
        arm=arm,
        sites=sites,
        seed=seed,
        timeout=timeout,
        enough=enough,
        secure=secure,
        noise=noise,
        bound=bound,
    )
    _run(said, out, local=local, keys=keys, home=home)


def probe(
    study: Study,
    sites: Sites = RunSettings.sites,
    seed: Seed = RunSettings.seed,
    out: Out = None,
    keys: Keys = Path(defaults.KEYS),
    home: Home = Path(defaults.HOME),
    timeout: Timeout = RunSettings.timeout,
    secure: Secure = RunSettings.secure,
    noise: Noise = RunSettings.noise,
    bound: Bound = RunSettings.bound,
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
    _run(said, out, local=local, keys=keys, home=home)


@app.command()
def status(keys: Keys = Path(defaults.KEYS), home: Home = Path(defaults.HOME)) -> None:
    """Show the clients and the runs of the link that is up on this machine."""
    from headstart.sites.flower.operator import Operator
    from headstart.sites.flower.programs import Link

    link = Link(defaults.ADDRESS, keys, home)
    operator = Operator.of(link)
    for line in link.check_keys("ca.crt", "server.pem", *(link.certificate_of(name) for name in link.sites())):
        _say(line)
    names = operator.names()
    for site in operator.nodes().nodes_info:
        _say(f"site  {names.get(site.node_id, '?'):<24} {site.status:<12} since {site.last_activated_at or '-'}")
    for run in operator.runs().run_dict.values():
        _say(
            f"run   {run.run_id:<24} {run.status.status}{':' + run.status.sub_status if run.status.sub_status else ''}"
        )


def _run(said: RunSettings, out: Path | None, *, local: int, keys: Path, home: Path) -> None:
    """Run an arm, or the probe, over a real federation; or over one that is started here for the purpose."""
    from headstart.sites.flower.local import running, write_site_files
    from headstart.sites.flower.programs import Link
    from headstart.sites.flower.run import run_on
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
        _say("a try on one machine: its sites accept the study, and their minimum counts are 1")
        with running(data, folder / "local", file, seed=said.seed) as link:
            run_on(link, replace(said, sites=local), _say)
    else:
        run_on(Link(defaults.ADDRESS, keys, home), said, _say)
    _say(f"results {folder}")
