"""Keys of a federation: a CA, the server's certificate, what each site needs, and what signs requests."""

from __future__ import annotations

import datetime
import ipaddress
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP384R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_public_key,
)

from headstart.core.errors import SettingError
from headstart.core.files import read_json, write_names, write_private
from headstart.sites.settings import KEY_DAYS

_Valid = tuple[datetime.datetime, datetime.datetime]
_CA = "Headstart CA"
_SOON_DAYS = 30
"""Before a certificate ends, from when on that is said."""


def make_keys(
    folder: Path,
    hosts: Sequence[str],
    sites: Sequence[str],
    days: int = KEY_DAYS,
    begin: datetime.datetime | None = None,
) -> None:
    """Write ``ca.crt``, ``server.pem`` and ``.key``, ``signer.pem`` and ``.pub``, and of each site three files.

    These are ``sites/NAME``, its key, with the public half in ``NAME.pub`` and the certificate in ``NAME.crt``.

    A name that is no plain file name has its letters and a short hash instead; ``sites/names.json`` says whose.

    The CA's own key is not kept: new certificates mean a new CA, and there is no key that could make another server.
    A site's certificate is signed by its own key alone; the link knows each of them.

    Args:
        folder: to write; it must be new or empty.
        hosts: names or addresses under which sites reach the server.
        sites: names of the clients.
        days: that the certificate is valid.
        begin: since when; None means now.

    Raises:
        SettingError: the folder is in use.
    """
    if folder.exists() and any(folder.iterdir()):
        raise SettingError(f"--out: must be a new or an empty folder, received '{folder}'; name another")
    for one in (folder, folder / "sites"):
        one.mkdir(parents=True, exist_ok=True)
        one.chmod(0o700)
    valid = _valid(days, begin)
    _server(folder, hosts, valid)
    for file in write_names(folder / "sites", sites, "--site").values():
        _site_key(folder / "sites" / file, valid)
    _signer(folder)


def renew_keys(
    folder: Path, hosts: Sequence[str], days: int = KEY_DAYS, begin: datetime.datetime | None = None
) -> None:
    """Write new certificates for the keys in a folder: the server's under a new CA, and every site's; keys stay.

    Args:
        folder: that :func:`make_keys` wrote, with the sites' keys.
        hosts: as there.
        days: that certificates are valid.
        begin: since when; None means now.

    Raises:
        SettingError: the folder lacks the key of a site.
    """
    valid = _valid(days, begin)
    sites = [path.with_suffix("") for path in sorted((folder / "sites").glob("*.pub"))]
    if not sites:
        raise SettingError(f"--out: must be a folder of keys, received '{folder}', which has none; name that to renew")
    keys = {path: read_site_secret(path) for path in sites}
    _server(folder, hosts, valid)
    for path, key in keys.items():
        _site_certificate(path, key, valid)


def read_signer(path: Path) -> Ed25519PrivateKey:
    """Read the key that signs requests.

    Raises:
        SettingError: the file is missing, is others' to read, or holds another key.
    """
    key = _private_key(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingError(f"keys: must hold an Ed25519 key in '{path}', received another; take signer.pem of the keys")
    return key


def read_site_secret(path: Path) -> EllipticCurvePrivateKey:
    """Read a site's own key.

    Raises:
        SettingError: the file is missing, is others' to read, or holds another key.
    """
    key = _private_key(path)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise SettingError(f"keys: must hold a key of ECDSA in '{path}', received another; take sites/NAME of the keys")
    return key


def read_site_key(path: Path) -> EllipticCurvePublicKey:
    """Read a site's public key.

    Raises:
        SettingError: the file holds something else.
    """
    try:
        key = load_ssh_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise SettingError(f"keys: must hold a public key of ECDSA in '{path}', received something else")
    return key


def read_site_keys(folder: Path) -> dict[str, EllipticCurvePublicKey]:
    """Read every site's public key in a folder, ``NAME.pub``, by the site's name.

    Raises:
        SettingError: a file holds something else.
    """
    names = read_json(folder / "names.json") or {}
    return {names.get(path.stem, path.stem): read_site_key(path) for path in sorted(folder.glob("*.pub"))}


def check_dates(path: Path, now: datetime.datetime | None = None) -> list[str]:
    """Say when a certificate ends, if that is soon.

    Raises:
        SettingError: it is missing, no certificate, has ended, or has not begun.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        raise SettingError(f"keys: must hold a certificate in '{path}', received none; copy it from the keys") from None
    begin, end = found.not_valid_before_utc, found.not_valid_after_utc
    way_out = "make new ones with 'headstart federate keys --renew'"
    if not begin <= now <= end:
        raise SettingError(f"keys: '{path}' is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, and not now; {way_out}")
    days = (end - now).days
    return [f"warning: '{path}' ends in {days} days, on {end:%Y-%m-%d}; {way_out}"] if days <= _SOON_DAYS else []


def check_private(path: Path) -> None:
    """Check that nobody but its owner can read a secret file.

    Raises:
        SettingError: somebody can.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise SettingError(
            f"keys: '{path}' must be for its owner alone, received mode {mode:o}; run 'chmod 600 {path}', and make new "
            "keys if others could have read it"
        )


def _private_key(path: Path) -> object:
    if not path.is_file():
        raise SettingError(f"keys: needs '{path}', received no such file; copy it from where the keys were made")
    check_private(path)
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, UnsupportedAlgorithm):
        return None


def read_public_key(path: Path) -> bytes:
    """Read a public key: 64 hexadecimal digits.

    Raises:
        SettingError: the file holds something else.
    """
    try:
        key = bytes.fromhex(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != 32:
        raise SettingError(f"signer: must be a file of 32 bytes in hex, received '{path}'; take signer.pub of the keys")
    return key


def _signer(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    _write(folder / "signer.pem", _private(key))
    _write(folder / "signer.pub", key.public_key().public_bytes_raw().hex().encode(), secret=False)


def _valid(days: int, begin: datetime.datetime | None) -> _Valid:
    begin = begin or datetime.datetime.now(datetime.UTC)
    return begin - datetime.timedelta(minutes=5), begin + datetime.timedelta(days=days)


def _server(folder: Path, hosts: Sequence[str], valid: _Valid) -> None:
    """Write a CA and the server's key and certificate; the operator reaches the link on loopback."""
    ca, server = generate_private_key(SECP384R1()), generate_private_key(SECP384R1())
    names = list(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))
    authority = _certificate(_CA, ca, ca, valid, hosts=())
    own = _certificate("Headstart server", server, ca, valid, hosts=names)
    _write(folder / "ca.crt", authority.public_bytes(Encoding.PEM), secret=False)
    _write(folder / "server.pem", own.public_bytes(Encoding.PEM), secret=False)
    _write(folder / "server.key", _private(server))


def _site_key(path: Path, valid: _Valid) -> None:
    """Write a key, its public half, and a certificate of it."""
    key = generate_private_key(SECP384R1())
    _write(path, _private(key))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    _write(path.with_name(f"{path.name}.pub"), public + b"\n", secret=False)
    _site_certificate(path, key, valid)


def _site_certificate(path: Path, key: EllipticCurvePrivateKey, valid: _Valid) -> None:
    found = _certificate(path.name, key, key, valid, hosts=[path.name], issuer=path.name)
    _write(path.with_name(f"{path.name}.crt"), found.public_bytes(Encoding.PEM), secret=False)


def _certificate(
    name: str,
    key: EllipticCurvePrivateKey,
    ca: EllipticCurvePrivateKey,
    valid: _Valid,
    hosts: Sequence[str],
    issuer: str = _CA,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
    )
    if hosts:
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(ca, hashes.SHA384())


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private(key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, *, secret: bool = True) -> None:
    """Write a file that, if it is secret, nobody else could read at any moment."""
    write_private(path, content, 0o600 if secret else 0o644)
