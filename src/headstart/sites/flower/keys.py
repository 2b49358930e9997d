"""Keys of a federation: a CA, the server's certificate, a key per site, and one that signs models."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from headstart.core.errors import SettingError, require

EXTRA = "flower"

Valid = tuple[datetime.datetime, datetime.datetime]


def make_keys(
    folder: Path, hosts: Sequence[str], sites: Sequence[str], days: int = 365, begin: datetime.datetime | None = None
) -> None:
    """Write ``ca.crt``, ``server.pem`` and ``.key``, ``signer.pem`` and ``.pub``, and ``sites/NAME`` with its ``.pub``.

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
    ec = require("cryptography.hazmat.primitives.asymmetric.ec", EXTRA)
    ca, server = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    begin = begin or datetime.datetime.now(datetime.UTC)
    valid = (begin - datetime.timedelta(minutes=5), begin + datetime.timedelta(days=days))
    authority = _certificate("Headstart CA", ca, ca, "Headstart CA", valid, hosts=())
    own = _certificate("Headstart server", server, ca, "Headstart CA", valid, hosts=hosts)
    pem = _serialization().Encoding.PEM
    _write(folder / "ca.crt", authority.public_bytes(pem), secret=False)
    _write(folder / "server.pem", own.public_bytes(pem), secret=False)
    _write(folder / "server.key", _private(server))
    for name in sites:
        _site_key(folder / "sites" / name, ec)
    _signer(folder)


def signs_with(path: Path) -> Callable[[str], str]:
    """Return what signs the digests of models with the key in a file."""
    key = _serialization().load_pem_private_key(path.read_bytes(), password=None)
    return lambda text: str(key.sign(text.encode()).hex())


def _signer(folder: Path) -> None:
    key = require("cryptography.hazmat.primitives.asymmetric.ed25519", EXTRA).Ed25519PrivateKey.generate()
    _write(folder / "signer.pem", _private(key))
    _write(folder / "signer.pub", key.public_key().public_bytes_raw().hex().encode(), secret=False)


def _site_key(path: Path, ec: Any) -> None:
    """Write a key as ssh-keygen would, which is how Flower reads it."""
    serialization, key = _serialization(), ec.generate_private_key(ec.SECP384R1())
    openssh = (serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    _write(path, key.private_bytes(serialization.Encoding.PEM, *openssh))
    public = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    _write(path.with_name(f"{path.name}.pub"), key.public_key().public_bytes(*public) + b"\n", secret=False)


def _certificate(name: str, key: Any, signer: Any, issuer: str, valid: Valid, hosts: Sequence[str]) -> Any:
    x509, hashes = require("cryptography.x509", EXTRA), require("cryptography.hazmat.primitives.hashes", EXTRA)

    def named(text: str) -> Any:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(x509, host) for host in hosts]), False)
    return builder.sign(signer, hashes.SHA384())


def _host(x509: Any, host: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private(key: Any) -> bytes:
    serialization = _serialization()
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return bytes(key.private_bytes(*plain))


def _serialization() -> Any:
    return require("cryptography.hazmat.primitives.serialization", EXTRA)


def _write(path: Path, content: bytes, *, secret: bool = True) -> None:
    """Write a file that, if it is secret, nobody else could read at any moment."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
