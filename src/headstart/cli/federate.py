"""``headstart federate``: a real federation, thin over Flower's own programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli.saying import for_people, for_programs, say
from headstart.cli.terminal import Terminal, shown
from headstart.core.errors import SettingError
from headstart.core.visible import visible
from headstart.sites import settings as defaults
from headstart.sites.settings import RunSettings

if TYPE_CHECKING:
    from headstart.cli.progress import Bar
    from headstart.sites.flower.programs import Link
    from headstart.study.study import Study as Opened

app = typer.Typer(help="Run arms, or ask the question, where the data lives (Flower).", no_args_is_help=True)


_SOME_MISSING = 3
"""Exit code of ``status``: the link is up, and a client is not connected; as of ``systemctl status``."""


def _say(text: str) -> None:
    """Print lines for a person, in which nothing that came from a file or the network commands the terminal."""
    if for_people():
        typer.echo("\n".join(map(visible, text.split("\n"))))


def _replies() -> ModuleType:
    from headstart.cli import site_replies

    return site_replies


Keys = Annotated[Path, typer.Option(help="Folder that 'headstart federate keys' wrote.")]
Address = Annotated[str, typer.Option(help="Where the server is: host:port.")]
Home = Annotated[Path, typer.Option(help="Folder for Flower's own files.")]
Study = Annotated[Path, typer.Argument(help="Study file (TOML).", show_default=False)]

Sites = Annotated[int | None, typer.Option(min=1, help="Clients to wait for; all of the keys when not given.")]
Wait = Annotated[float, typer.Option(min=0, help="Seconds that clients have to come.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; runs/NAME-federated when not given.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds that clients have to answer a request.")]
Secure = Annotated[bool, typer.Option(help="Hide what each client sends under masks; 3 clients or more.")]
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
    from headstart.sites.flower.handing import hand_out
    from headstart.sites.flower.keys import make_keys, renew_keys

    if renew == bool(site):
        raise SettingError("--site: must name the clients of new keys, and none with --renew, whose clients stay")
    if renew:
        renew_keys(out, host, days)
    else:
        make_keys(out, host, site or [], days)
    folders = hand_out(out)
    words = f"to each client, as its folder of keys: {out}/to/NAME; all else stays here"
    say(lambda: _replies().of_keys([out, *folders.values()], words))
    _say(f"keys    {out}\n{words}")


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
    from headstart.sites.flower.door import check_no_door, new_door, write_door
    from headstart.sites.flower.operator import Operator
    from headstart.sites.flower.processes import together
    from headstart.sites.flower.programs import Link

    link = Link(address, keys, home)
    for line in link.check_keys("ca.crt", "server.pem", *(link.certificate_of(name) for name in link.sites())):
        _say(line)
    link.check_pair("server.pem", "server.key")
    check_no_door(home)
    link.check_free()
    write_door(home, new_door(home))
    with together() as start:
        process = start(link.program(database), link.environment)
        link.wait(running=lambda: process.poll() is None)
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
        bool | None, typer.Option("--masked", help="Let sums and updates leave under masks only.", show_default=False)
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
    link = Link(said.address, Path(said.keys), site.state)
    link.check_address()
    with unwinding():
        serve(site, link, _say)


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
    lines = []
    for line in preview(said.site, shown):
        lines.append(line)
        _say(line)
    now = accepted(said, shown) if accept else ""
    _say(now or "nothing was accepted; add --accept to let exactly this be answered")
    say(lambda: _replies().of_preview(lines, now))


@app.command()
def run(
    study: Study,
    arm: Annotated[list[str] | None, typer.Option("--arm", help="Run only this arm; may be repeated.")] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="Run only this seed; may be repeated.")] = None,
    sites: Sites = RunSettings.sites,
    wait: Wait = RunSettings.wait,
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
    opens: Annotated[bool, typer.Option("--open", help="Open the page in a browser as soon as there is one.")] = False,
) -> None:
    """Run a study over the clients until it is decided; finished work is kept and never done twice."""
    from headstart.cli.jobs import run_opened
    from headstart.sites.flower.run import study_on

    said = RunSettings(
        study=str(study),
        what=", ".join(arm or ()) or RunSettings.what,
        sites=sites,
        wait=wait,
        timeout=timeout,
        enough=enough,
        secure=secure,
        noise=noise,
        bound=bound,
    )
    place = _Place(said, out, keys, home, local)
    place.check(arm or (), seed or ())

    @contextmanager
    def opened(bar: Bar) -> Iterator[Opened]:
        with place.link() as link, study_on(link, place.file, place.said, bar) as found:
            yield found

    run_opened(place.file, opened, place.folder, arms=arm, seeds=seed, opens=opens)


def probe(
    study: Study,
    sites: Sites = RunSettings.sites,
    wait: Wait = RunSettings.wait,
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
    from headstart.cli.jobs import console
    from headstart.cli.progress import Bar
    from headstart.report.probe import load_probe
    from headstart.report.probe_page import write_probe
    from headstart.sites.flower.run import probe_on

    said = RunSettings(
        study=str(study), what="probe", sites=sites, wait=wait, timeout=timeout, secure=secure, noise=noise, bound=bound
    )
    place = _Place(said, out, keys, home, local)
    with place.link() as link, Bar(console) as bar:
        probe_on(link, place.file, place.said, bar)
    (page,) = write_probe(place.folder)
    found = load_probe(place.folder)
    say(lambda: _replies().of_probe(found, page))
    if console.quiet and not for_programs():
        Terminal(soft_wrap=True).print(shown(f"{found.headline} ({page})"), highlight=False)
    _say("\n".join([*(f"note: {line}" for line in found.cautions), f"report  {page}", f"results {place.folder}"]))


@app.command()
def status(keys: Keys = Path(defaults.KEYS), home: Home = Path(defaults.HOME)) -> None:
    """Show the clients and the runs of the link that is up on this machine; exit with 3 if a client is missing."""
    from headstart.sites.flower.operator import Operator
    from headstart.sites.flower.programs import Link
    from headstart.sites.flower.standing import Standing

    link = Link(defaults.ADDRESS, keys, home)
    operator = Operator.of(link)
    notes = tuple(link.check_keys("ca.crt", "server.pem", *(link.certificate_of(name) for name in link.sites())))
    now = Standing(operator.sites(), list(operator.runs().run_dict.values()))
    for line in (*notes, *now.lines()):
        _say(line)
    say(lambda: _replies().of_status(now, notes))
    if not now.is_whole:
        raise typer.Exit(_SOME_MISSING)


class _Place:
    """Where a run takes place: on a link that is up, or on one that is started here for the purpose."""

    def __init__(self, said: RunSettings, out: Path | None, keys: Path, home: Path, local: int) -> None:
        from headstart.study.written.load import load_study

        path = Path(said.study).resolve()
        self.file = load_study(path)
        self.folder = (out or Path("runs") / f"{self.file.settings.name}-federated").resolve()
        self.said = replace(said, study=str(path), out=str(self.folder), sites=local or said.sites)
        self._keys, self._home, self._local = keys, home, local

    def check(self, arms: Sequence[str], seeds: Sequence[int]) -> None:
        """Refuse arms and seeds that the study has not, before anybody is waited for.

        Raises:
            SettingError: one of them.
        """
        from headstart.study.checks import check_arms, check_seeds
        from headstart.study.written.slate import STANDARD

        check_arms(arms, [arm.name for arm in self.file.arms] or STANDARD)
        check_seeds(seeds, self.file.settings.seeds)

    @contextmanager
    def link(self) -> Iterator[Link]:
        """Yield the link."""
        from headstart.sites.flower.programs import Link

        if not self._local:
            yield Link(defaults.ADDRESS, self._keys, self._home)
            return
        from headstart.data import open_federation
        from headstart.sites.flower.local import running, write_site_files

        file, folder = self.file, self.folder
        federation = open_federation(file.data, file.folder)
        data = write_site_files(federation, file.data, folder / "sites", self._local, file.folder)
        _say("a try on one machine: its sites accept the study, and their minimum counts are 1")
        with running(data, folder / "local", file) as link:
            yield link
