"""Certificates: each endpoint's own, made at its first start, and the clients' that it trusts."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asyncua import ua
from asyncua.common.utils import ServiceError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 3650


@dataclass(frozen=True)
class ServerIdentity:
    """Paths of an endpoint's certificate (DER) and private key (PEM)."""

    certificate: Path
    key: Path


def server_identity(directory: Path, key: str, application_uri: str, host: str) -> ServerIdentity:
    """The certificate and key of endpoint ``key`` (``site.endpoint``) below ``directory``; made if absent."""
    home = directory / key
    identity = ServerIdentity(home / "cert.der", home / "key.pem")
    if not (identity.certificate.is_file() and identity.key.is_file()):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(identity, key, application_uri, host)
    return identity


def _make(identity: ServerIdentity, name: str, application_uri: str, host: str) -> None:
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "acme-cells")]
    )
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(application_uri), x509.DNSName(socket.gethostname())]
    names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        names.append(x509.DNSName(host))
    else:
        if not address.is_unspecified and str(address) != "127.0.0.1":
            names.append(x509.IPAddress(address))
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_cert_sign=True,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), critical=False)
        .sign(private_key, hashes.SHA256())
    )
    pem = private_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    descriptor = os.open(identity.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.DER))


@dataclass(frozen=True)
class ClientTrust:
    """Which client certificates are accepted: those in ``paths`` (DER or PEM files, or directories of them), or any.

    Files are read at each new session, so that a renewed certificate is accepted without a restart.
    """

    paths: Sequence[Path] = ()
    accept_any: bool = False

    async def __call__(self, certificate: x509.Certificate, description: ua.ApplicationDescription) -> None:
        """asyncua's certificate validator. ServiceError: BadCertificateUntrusted, BadCertificateTimeInvalid."""
        now = datetime.datetime.now(datetime.UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise ServiceError(ua.StatusCodes.BadCertificateTimeInvalid)
        if not self.accept_any and certificate not in self._trusted():
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    def _trusted(self) -> list[x509.Certificate]:
        files: list[Path] = []
        for path in self.paths:
            files += (
                sorted(entry for entry in path.iterdir() if entry.suffix in (".der", ".pem", ".crt")) if path.is_dir() else [path]
            )
        return [load_certificate(file) for file in files if file.is_file()]


def load_certificate(path: Path) -> x509.Certificate:
    """A certificate from a DER or PEM file. ValueError if it is neither."""
    content = path.read_bytes()
    if content.startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificate(content)
    return x509.load_der_x509_certificate(content)
