"""Keys that fit open a TLS connection; others, expired ones and other hosts do not."""

import contextlib
import datetime
import shutil
import socket
import ssl
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headstart.core.errors import SettingError
from headstart.sites.flower.keys import (
    check_dates,
    make_keys,
    read_public_key,
    read_signer,
    read_site_secret,
    renew_keys,
)

pytest.importorskip("cryptography")


def _connect(server: Path, client: Path, host: str = "127.0.0.1") -> None:
    """Shake hands with a server of one folder's keys, as a client of another's."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(server / "server.pem", server / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as raw, own.wrap_socket(raw, server_side=True):
                pass

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            context = ssl.create_default_context(cafile=str(client / "ca.crt"))
            with (
                socket.create_connection(listener.getsockname()) as raw,
                context.wrap_socket(raw, server_hostname=host),
            ):
                pass
        finally:
            thread.join()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder / "own", ["127.0.0.1", "localhost"], ["north"])
    make_keys(folder / "other", ["127.0.0.1"], ["north"])
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=10)
    make_keys(folder / "expired", ["127.0.0.1"], ["north"], days=1, begin=long_ago)
    return {path.name: path for path in folder.iterdir()}


def test_keys_that_fit_connect(folders: dict[str, Path]) -> None:
    _connect(folders["own"], folders["own"])


@pytest.mark.parametrize(
    ("server", "client", "host", "why"),
    [
        ("own", "other", "127.0.0.1", "verify failed"),
        ("expired", "expired", "127.0.0.1", "expired"),
        ("own", "own", "10.0.0.1", "IP address mismatch"),
    ],
)
def test_others_are_refused(folders: dict[str, Path], server: str, client: str, host: str, why: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        _connect(folders[server], folders[client], host)


def test_secrets_are_for_their_owner_alone(folders: dict[str, Path]) -> None:
    for name in ("server.key", "signer.pem", "sites/north"):
        assert stat.S_IMODE((folders["own"] / name).stat().st_mode) == 0o600
    for name in (".", "sites"):
        assert stat.S_IMODE((folders["own"] / name).stat().st_mode) == 0o700


@pytest.mark.parametrize(("name", "read"), [("signer.pem", read_signer), ("sites/north", read_site_secret)])
def test_a_secret_that_others_can_read_is_refused(
    name: str, read: Callable[[Path], object], folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["own"], tmp_path / "keys")
    (tmp_path / "keys" / name).chmod(0o644)
    with pytest.raises(SettingError, match="must be for its owner alone, received mode 644"):
        read(tmp_path / "keys" / name)


def test_the_end_of_a_certificate_is_said_ahead(folders: dict[str, Path]) -> None:
    now = datetime.datetime.now(datetime.UTC)
    path = folders["own"] / "server.pem"
    assert check_dates(path, now) == []
    (line,) = check_dates(path, now + datetime.timedelta(days=350))
    assert "ends in 14 days" in line
    assert "headstart federate keys --renew" in line
    with pytest.raises(SettingError, match="and not now; make new ones with"):
        check_dates(path, now + datetime.timedelta(days=400))


def test_certificates_are_renewed_and_keys_stay(folders: dict[str, Path], tmp_path: Path) -> None:
    keys = Path(shutil.copytree(folders["expired"], tmp_path / "keys"))
    before = {path.name: path.read_bytes() for path in (keys / "sites").iterdir()}
    renew_keys(keys, ["127.0.0.1"])
    after = {path.name: path.read_bytes() for path in (keys / "sites").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"north.crt"}
    assert check_dates(keys / "server.pem") == check_dates(keys / "sites" / "north.crt") == []
    _connect(keys, keys)


def test_a_folder_in_use_is_left_alone(folders: dict[str, Path]) -> None:
    with pytest.raises(SettingError, match="--out: must be a new or an empty folder"):
        make_keys(folders["own"], ["localhost"], ["north"])


def test_what_is_no_public_key_is_refused(tmp_path: Path, folders: dict[str, Path]) -> None:
    (tmp_path / "signer.pub").write_text("abc")
    with pytest.raises(SettingError, match="signer: must be a file of 32 bytes in hex"):
        read_public_key(tmp_path / "signer.pub")
    assert read_signer(folders["own"] / "signer.pem").public_key().public_bytes_raw() == read_public_key(
        folders["own"] / "signer.pub"
    )


@pytest.mark.parametrize("name", ["signer.pem", "server.key"])
def test_a_missing_or_another_key_is_one_line(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="received no such file"):
        read_signer(tmp_path / name)
    with pytest.raises(SettingError, match="received another"):
        read_signer(folders["own"] / "sites" / "north")


def test_a_folder_without_keys_is_not_renewed(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"--out: must be a folder of keys, received '.*none', which has none"):
        renew_keys(tmp_path / "none", ["127.0.0.1"])
