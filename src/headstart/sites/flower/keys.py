"""Keys of a federation: a CA, the server's certificate, a key per site, and one that signs models."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from headstart.core.errors import SettingError
from headstart.core.files import write_names
from headstart.sites.settings import KEY_DAYS

_Valid = tuple[datetime.datetime, datetime.datetime]
_CA = "Headstart CA"


def make_keys(
    folder: Path,
    hosts: Sequence[str],
    sites: Sequence[str],
    days: int = KEY_DAYS,
    begin: datetime.datetime | None = None,
) -> None:
    """Write ``ca.crt``, ``server.pem`` and ``.key``, ``signer.pem`` and ``.pub``, and ``sites/NAME`` with its ``.pub``.

    A name that is no plain file name has its letters and a short hash instead; ``sites/names.json`` says whose.

    The CA's own key is not kept: new certificates mean a new CA, and there is no key that could make another server.

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
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    ca, server = generate_private_key(SECP384R1()), generate_private_key(SECP384R1())
    begin = begin or datetime.datetime.now(datetime.UTC)
    valid = (begin - datetime.timedelta(minutes=5), begin + datetime.timedelta(days=days))
    authority = _certificate(_CA, ca, ca, valid, hosts=())
    own = _certificate("Headstart server", server, ca, valid, hosts=hosts)
    _write(folder / "ca.crt", authority.public_bytes(Encoding.PEM), secret=False)
    _write(folder / "server.pem", own.public_bytes(Encoding.PEM), secret=False)
    _write(folder / "server.key", _private(server))
    for file in write_names(folder / "sites", sites, "--site").values():
        _site_key(folder / "sites" / file)
    _signer(folder)


def signs_with(path: Path) -> Callable[[str], str]:
    """Return what signs the digests of models with the key in a file.

    Raises:
        SettingError: the file holds another key.
    """
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingError(f"sign: must be a file of an Ed25519 key, received '{path}'; take signer.pem of the keys")
    return lambda text: key.sign(text.encode()).hex()


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


def _site_key(path: Path) -> None:
    """Write a key as ssh-keygen would, which is how Flower reads it."""
    key = generate_private_key(SECP384R1())
    _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    _write(path.with_name(f"{path.name}.pub"), public + b"\n", secret=False)


def _certificate(
    name: str, key: EllipticCurvePrivateKey, ca: EllipticCurvePrivateKey, valid: _Valid, hosts: Sequence[str]
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(_CA))
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
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
