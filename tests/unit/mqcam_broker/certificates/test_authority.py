from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from mqcam.errors import UsageError
from mqcam_broker.certificates import authority

if TYPE_CHECKING:
    from mqcam_broker.certificates.authority import Identity

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def ours() -> Identity:
    return authority.create_authority(now=NOW)


@pytest.fixture(scope="module")
def server(ours: Identity) -> x509.Certificate:
    made = authority.issue_server_certificate(
        ours, ["nas.local", "192.0.2.1", "2001:db8::1", "nas.local"], now=NOW
    )
    return x509.load_pem_x509_certificate(made.certificate)


def test_the_fixed_name_comes_first_and_the_addresses_once_each(server: x509.Certificate) -> None:
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [
        x509.DNSName("mqcam-broker"),
        x509.DNSName("nas.local"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    ]


def test_both_certificates_are_valid_without_a_clock(
    ours: Identity, server: x509.Certificate
) -> None:
    root = x509.load_pem_x509_certificate(ours.certificate)
    for certificate in (root, server):
        assert certificate.not_valid_before_utc == datetime(1970, 1, 1, tzinfo=UTC)
    assert root.not_valid_after_utc > server.not_valid_after_utc > NOW


def test_a_server_certificate_never_outlives_its_authority(ours: Identity) -> None:
    late = authority.expiry(ours.certificate) - authority.SERVER_LIFE / 2
    made = authority.issue_server_certificate(ours, [], now=late)
    assert authority.expiry(made.certificate) == authority.expiry(ours.certificate)


def test_the_authority_vouches_for_servers_only(ours: Identity, server: x509.Certificate) -> None:
    root = x509.load_pem_x509_certificate(ours.certificate)
    server.verify_directly_issued_by(root)
    of_root = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    of_server = server.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (of_root.ca, of_root.path_length, of_server.ca) == (True, 0, False)
    usage = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_keys_are_p_256_and_never_the_same(ours: Identity) -> None:
    another = authority.create_authority(now=NOW)
    key = serialization.load_pem_private_key(ours.key, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert another.key != ours.key


def test_a_key_is_never_shown(ours: Identity) -> None:
    assert "PRIVATE" not in repr(ours)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["cam.example.org"], "Cam.Example.org"),
        (["*.example.org"], "cam.example.org"),
        (["192.0.2.1"], "192.0.2.1"),
        (["2001:db8::1"], "2001:db8::1"),
    ],
)
def test_a_public_certificate_serves_the_hosts_in_it(
    ours: Identity, names: list[str], host: str
) -> None:
    authority.check_public(
        authority.issue_server_certificate(ours, names, now=NOW), [host], now=NOW
    )


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["cam.example.org"], "nas.example.org"),
        (["*.example.org"], "example.org"),
        (["*.example.org"], "a.b.example.org"),
        (["192.0.2.1"], "192.0.2.2"),
    ],
)
def test_a_public_certificate_for_another_host_is_refused(
    ours: Identity, names: list[str], host: str
) -> None:
    issued = authority.issue_server_certificate(ours, names, now=NOW)
    with pytest.raises(UsageError, match=f"not made for {host} but for mqcam-broker, "):
        authority.check_public(issued, [host], now=NOW)


def test_a_public_certificate_that_is_over_is_refused(ours: Identity) -> None:
    issued = authority.issue_server_certificate(ours, ["nas.local"], now=NOW)
    with pytest.raises(UsageError, match="ended on 2035-12-31"):
        authority.check_public(issued, ["nas.local"], now=datetime(2040, 1, 1, tzinfo=UTC))


def test_a_key_of_another_certificate_is_refused(ours: Identity) -> None:
    issued = authority.issue_server_certificate(ours, ["nas.local"], now=NOW)
    mixed = authority.Identity(certificate=issued.certificate, key=ours.key)
    with pytest.raises(UsageError, match="does not belong"):
        authority.check_public(mixed, ["nas.local"], now=NOW)
