"""Our application certificate, and the certificates we trust: plain files that `gateway pki` and people can look at.

pki/own/cert.der, key.pem     who we are (application instance certificate, OPC 10000-6, 6.2.2)
pki/own/previous/             what `renew` replaced
pki/trusted/*.der             servers we talk to, each by an explicit act
pki/rejected/<site>.<endpoint>.der   what a server showed us and nobody has trusted yet
"""

import datetime
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import ConfigurationError, RequestRefused

_VALID_DAYS = 3 * 365
_KEY_BITS = (
    2048  # the largest that Basic256Sha256 and every policy above it accept everywhere is 4096; many PLCs crawl above 2048
)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate as people need to see it. `expires` is ns since the Unix epoch; `fingerprint` SHA-256 in hex."""

    role: str  #: "own", "trusted" or "rejected"
    file: str
    subject: str
    application_uri: str
    fingerprint: str
    expires: int


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate, in hex."""
    return x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex()


def leaf(chain: bytes) -> bytes:
    """The first certificate of a chain of DER certificates back to back, as servers may send them (OPC 10000-6, 6.2.6)."""
    if len(chain) < 4 or chain[0] != 0x30 or chain[1] < 0x80:
        return chain
    width = chain[1] & 0x7F
    return chain[: 2 + width + int.from_bytes(chain[2 : 2 + width], "big")]


def expiry_ns(der: bytes) -> int:
    """When a certificate ends, ns since the Unix epoch."""
    return int(x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()) * 1_000_000_000


def application_uri(der: bytes) -> str:
    """The ApplicationUri in the subjectAltName, or "" where there is none."""
    try:
        names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else ""


class Pki:
    """The certificates of one gateway, in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.certificate_file = directory / "own" / "cert.der"
        self.key_file = directory / "own" / "key.pem"
        self._trusted = directory / "trusted"
        self._rejected = directory / "rejected"

    def exists(self) -> bool:
        """True when we have a certificate and its key."""
        return self.certificate_file.is_file() and self.key_file.is_file()

    def create(self, host: str | None = None) -> None:
        """Make our certificate and key.

        Raises:
            RequestRefused: there is one already; `renew` replaces it.
        """
        if self.exists():
            raise RequestRefused(f"{self.certificate_file} exists; to replace it use 'gateway pki renew'")
        self._write_own(host)

    def renew(self) -> None:
        """Replace our certificate and key, keeping the old ones beside them; servers must then trust the new one."""
        if self.exists():
            kept = self.directory / "own" / "previous"
            kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            stamp = fingerprint(self.certificate_file.read_bytes())[:16]
            self.certificate_file.replace(kept / f"{stamp}.der")
            self.key_file.replace(kept / f"{stamp}.pem")
        self._write_own(None)

    def own(self) -> bytes:
        """Our certificate (DER).

        Raises:
            ConfigurationError: there is none yet.
        """
        if not self.exists():
            raise ConfigurationError([f"{self.certificate_file}: we have no certificate; make one with 'gateway pki init'"])
        return self.certificate_file.read_bytes()

    def application_uri(self) -> str:
        """The ApplicationUri in our certificate; a server compares it with the one in CreateSession."""
        return application_uri(self.own())

    def is_trusted(self, der: bytes) -> bool:
        """True when exactly this certificate was trusted by an explicit act."""
        return any(path.read_bytes() == der for path in self._trusted.glob("*.der"))

    def reject(self, name: str, der: bytes) -> Path:
        """Keep what a server showed, so that a person can look at it and trust it by name."""
        self._rejected.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._rejected / f"{name.replace('/', '.')}.der"
        path.write_bytes(der)
        return path

    def trust(self, what: str) -> CertificateFacts:
        """Trust a certificate: a file, or the name `site/endpoint` of one that was rejected.

        Raises:
            RequestRefused: there is no such file or name, or it is no certificate.
        """
        rejected = self._rejected / f"{what.replace('/', '.')}.der"
        source = rejected if rejected.is_file() else Path(what)
        if not source.is_file():
            known = ", ".join(sorted(path.stem for path in self._rejected.glob("*.der"))) or "none yet"
            raise RequestRefused(f"'{what}' is no certificate file, and no server of that name was rejected (rejected: {known})")
        data = source.read_bytes()
        try:
            certificate = (
                x509.load_pem_x509_certificate(data) if data.startswith(b"-----") else x509.load_der_x509_certificate(data)
            )
        except ValueError as fault:
            raise RequestRefused(f"{source} is no certificate in DER or PEM form") from fault
        der = certificate.public_bytes(serialization.Encoding.DER)
        self._trusted.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._trusted / f"{source.stem}.{fingerprint(der)[:16]}.der"
        target.write_bytes(der)
        if source == rejected:
            rejected.unlink()
        return _facts("trusted", target)

    def list(self) -> list[CertificateFacts]:
        """All certificates we hold, ours first."""
        own = [_facts("own", self.certificate_file)] if self.exists() else []
        trusted = [_facts("trusted", path) for path in sorted(self._trusted.glob("*.der"))]
        return own + trusted + [_facts("rejected", path) for path in sorted(self._rejected.glob("*.der"))]

    def _write_own(self, host: str | None) -> None:
        host = host or socket.gethostname()
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        certificate = _self_signed(key, host)
        self.key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with os.fdopen(os.open(self.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(encoded)
        self.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.DER))


def _facts(role: str, path: Path) -> CertificateFacts:
    der = path.read_bytes()
    subject = x509.load_der_x509_certificate(der).subject.rfc4514_string()
    return CertificateFacts(role, str(path), subject, application_uri(der), fingerprint(der), expiry_ns(der))


def _self_signed(key: rsa.RSAPrivateKey, host: str) -> x509.Certificate:
    """An application instance certificate with the fields OPC 10000-6, 6.2.2 asks for."""
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "Mother Factory gateway"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, host)]
    )
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # the PLC's clock may be behind ours
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(f"urn:{host}:mother-factory:gateway"), x509.DNSName(host)]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
                key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
            ),  # key_cert_sign: a self-signed certificate signs itself, and some servers insist on it
            critical=True,
        )
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
