"""A site's file is read strictly, and flags beside it override nothing in silence."""

from pathlib import Path
from typing import Any

import pytest

from headstart.core.errors import SettingError
from headstart.sites.flower.keys import make_keys
from headstart.sites.settings import Budget, Minima
from headstart.sites.site_file import site_file
from headstart.sites.terms import Accepted
from sites.attacked import made

WHOLE = """
name    = "north"
address = "federation.example.org:8000"
keys    = "keys"
state   = "state"
policy  = "sums"
noise   = 1.0
bound   = 4.0
masked  = true
one_hot = ["ward"]
seeds   = [0, 1]
[minima]
examples       = 50
class_examples = 10
[budget]
epsilon  = 3.0
releases = 20
[data]
source  = "north.csv"
label   = "label"
columns = ["age", "dose"]
"""


def written(folder: Path, text: str) -> Path:
    (folder / "site.toml").write_text(text)
    return folder / "site.toml"


def test_everything_that_an_operator_decides_stands_in_one_file(tmp_path: Path) -> None:
    said = site_file(written(tmp_path, WHOLE), {})
    site = said.site
    assert (site.name, site.data, site.state) == ("north", tmp_path / "north.csv", tmp_path / "state")
    assert (site.policy, site.noise, site.bound, site.masked, site.one_hot) == ("sums", 1.0, 4.0, True, ("ward",))
    assert site.minima == Minima(examples=50, class_examples=10)
    assert site.budget == Budget(epsilon=3.0, releases=20)
    assert (said.address, said.keys, said.fixes) == ("federation.example.org:8000", str(tmp_path / "keys"), True)


def test_peers_are_pinned_by_a_folder_or_one_by_one(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["127.0.0.1"], ["north", "St. Mary's", "south"])
    few = 'name = "north"\n{peers}\n[data]\nsource = "north.csv"\n{table}'
    folder = written(tmp_path, few.format(peers='peers = "keys/sites"', table=""))
    assert set(site_file(folder, {}).site.peers.pinned) == {"north", "St. Mary's", "south"}
    table = written(tmp_path, few.format(peers="", table='[peers]\nsouth = "keys/sites/south.pub"\n'))
    assert set(site_file(table, {}).site.peers.pinned) == {"south"}
    assert not site_file(written(tmp_path, few.format(peers="", table="")), {}).site.peers.pinned


@pytest.mark.parametrize(
    ("peers", "words"),
    [
        ('peers = "nowhere"', "peers: must be a folder of public keys, NAME.pub for each peer, received none in"),
        ('peers = { south = "south.pub" }', "must hold a public key of ECDSA in '.*south.pub'"),
        ("peers = 3", "peers: "),
        ("peers = { south = 3 }", "peers"),
    ],
)
def test_peers_that_are_no_keys_are_an_error(peers: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=words):
        _ = site_file(written(tmp_path, f'name = "north"\n{peers}\n[data]\nsource = "n.csv"\n'), {}).site


def test_what_is_not_said_is_careful(tmp_path: Path) -> None:
    said = site_file(written(tmp_path, 'name = "north"\n[data]\nsource = "north.csv"\n'), {})
    assert (said.site.minima, said.fixes) == (Minima(examples=20, class_examples=5), False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WHOLE.replace("policy ", "polcy "), "polcy: unknown setting, received 'sums'; did you mean 'policy'?"),
        (WHOLE.replace("\nexamples ", "\nexampels "), "minima.exampels: unknown setting"),
        (WHOLE.replace("columns", "colums"), "data.colums: unknown setting, received"),
        (WHOLE.replace('"sums"', '"sum"'), "policy: "),
        (WHOLE.replace("noise   = 1.0", "noise = -1.0"), "noise: "),
        (WHOLE.replace("masked  = true", 'masked = "yes"'), "masked: must be true or false"),
        (WHOLE.replace('source  = "north.csv"', ""), "data.source: is required"),
        ("name = ", "is not valid TOML"),
    ],
)
def test_what_does_not_fit_is_one_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as found:
        site_file(written(tmp_path, text), {})
    assert words in str(found.value)
    assert "\n" not in str(found.value)
    assert "study file" not in str(found.value)


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("policy", "updates", r"--policy: '.*site.toml' says 'sums', received 'updates'; say it once"),
        ("data.source", "other.csv", r"--data: '.*' says '.*north.csv', received 'other.csv'; say it once"),
        ("minima.examples", 1, r"--examples: '.*' says 50, received 1; say it once"),
    ],
)
def test_a_flag_that_says_otherwise_than_the_file_is_an_error(
    flag: str, value: Any, words: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=words):
        site_file(written(tmp_path, WHOLE), {flag: value})


def test_flags_alone_are_enough(tmp_path: Path) -> None:
    flags = {"name": "north", "data.source": str(tmp_path / "north.csv"), "policy": None, "one_hot": ["ward"]}
    assert site_file(None, flags).site.one_hot == ("ward",)
    with pytest.raises(SettingError, match="node: name: is required"):
        site_file(None, {**flags, "name": None})


def test_a_file_that_fixes_the_reading_accepts_it_once_and_no_other_study_is_proposed(tmp_path: Path) -> None:
    made(tmp_path, 120)
    said = site_file(written(tmp_path, WHOLE.replace('one_hot = ["ward"]', "")), {})
    said.settled()
    (terms,) = Accepted(tmp_path / "state").all()
    assert (terms.fixed, terms.seeds, terms.columns[:2]) == (True, (0, 1), ("age", "dose"))
    (tmp_path / "north.csv").write_text((tmp_path / "north.csv").read_text() + "x,50.0,3.0,emergency,sick\n")
    said.settled()
    assert Accepted(tmp_path / "state").all()[0].content == terms.content
