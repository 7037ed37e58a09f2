"""The private certificate authority of one broker and the certificate that the broker shows.

It must not know about files: keys and certificates are PEM bytes here.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mqcam.errors import UsageError

from mqcam_broker.folder.names import SERVER_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

NOT_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
"""A camera that starts without a clock believes in 1970 and must still find the broker valid."""
AUTHORITY_LIFE = timedelta(days=30 * 365)
SERVER_LIFE = timedelta(days=10 * 365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def create_authority(*, now: datetime) -> Identity:
    """Make a new authority that may vouch for servers only, directly."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("mqcam-broker authority")
    certificate = (
        _builder(name, name, key.public_key(), until=now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _identity(certificate, key)


def issue_server_certificate(
    authority: Identity, hosts: Iterable[str], *, now: datetime, key: bytes | None = None
) -> Identity:
    """Make a certificate for the fixed name and for ``hosts``; ``key`` None makes a key too."""
    signer = _elliptic_key(authority.key, "authority")
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    private = (
        ec.generate_private_key(ec.SECP256R1()) if key is None else _elliptic_key(key, "server")
    )
    names = [x509.DNSName(SERVER_NAME), *(_general_name(host) for host in hosts)]
    certificate = (
        _builder(
            _name(SERVER_NAME),
            issuer.subject,
            private.public_key(),
            until=min(now + SERVER_LIFE, issuer.not_valid_after_utc),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(dict.fromkeys(names)), critical=False)
        # Python 3.13 verifies strictly and refuses a certificate without it (RFC 5280, 4.2.1.1).
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    return _identity(certificate, private)


def check_public(given: Identity, hosts: Iterable[str], *, now: datetime) -> None:
    """Raise UsageError unless a certificate of somebody else's authority serves ``hosts``."""
    certificate, key = _loaded(given)
    if certificate.public_key() != key.public_key():
        raise UsageError("the key does not belong to the certificate", "give the two of one order")
    if certificate.not_valid_after_utc <= now:
        end = certificate.not_valid_after_utc
        raise UsageError(f"the certificate ended on {end:%Y-%m-%d}", "have it renewed first")
    names = _names(certificate)
    for host in hosts:
        if not any(_is_named(host, name) for name in names):
            raise UsageError(
                f"the certificate is not made for {host} but for {', '.join(names) or 'nobody'}",
                "give --address a name that stands in it: clients compare the two",
            )


def _loaded(given: Identity) -> tuple[x509.Certificate, PrivateKeyTypes]:
    try:
        certificate = x509.load_pem_x509_certificate(given.certificate)
    except ValueError as error:
        raise UsageError(
            "the certificate cannot be read", "give a PEM file, chain and all"
        ) from error
    try:
        return certificate, serialization.load_pem_private_key(given.key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause, which may have seen the secret.
        raise UsageError("the key cannot be read", "give a PEM file without a password") from None


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _is_named(host: str, name: str) -> bool:
    """Tell whether a name of a certificate is meant for ``host`` (RFC 6125, section 6.4.3)."""
    host, name = host.lower(), name.lower()
    return host == name or (name.startswith("*.") and host.partition(".")[2] == name[2:])


def expiry(certificate: bytes) -> datetime:
    """Return when a PEM certificate ends."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def _elliptic_key(pem: bytes, whose: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"the key of the {whose} is not an elliptic curve key")
    return key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _identity(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Identity:
    return Identity(
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
