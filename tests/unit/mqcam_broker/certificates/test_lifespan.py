from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from mqcam_broker.certificates import authority
from mqcam_broker.certificates.authority import AUTHORITY_LIFE, SERVER_LIFE, Identity
from mqcam_broker.certificates.lifespan import (
    KNOWN_AFTER,
    Authorities,
    is_due,
    is_pair,
    is_signed_by,
    read_authorities,
)

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def server_of(signer: Identity, now: datetime = BEGIN, key: bytes | None = None) -> Identity:
    return authority.issue_server_certificate(signer, ["nas.local"], now=now, key=key)


@pytest.fixture(scope="module")
def first() -> Identity:
    return authority.create_authority(now=BEGIN)


@pytest.fixture(scope="module")
def second() -> Identity:
    return authority.create_authority(now=BEGIN + AUTHORITY_LIFE * 2 / 3)


def test_a_certificate_is_due_after_two_thirds_of_its_life(first: Identity) -> None:
    server = server_of(first)
    due = BEGIN + SERVER_LIFE * 2 / 3
    assert not is_due(server, due - DAY)
    assert is_due(server, due + DAY)


def test_the_next_authority_is_wanted_after_two_thirds_of_the_life_of_this_one(
    first: Identity, second: Identity
) -> None:
    now = BEGIN + AUTHORITY_LIFE * 2 / 3
    alone = Authorities(current=first)
    assert not alone.needs_coming(now - DAY)
    assert alone.needs_coming(now + DAY)
    assert not Authorities(current=first, coming=second).needs_coming(now + DAY)


def test_a_new_authority_signs_only_when_everybody_can_have_heard_of_it(
    first: Identity, second: Identity
) -> None:
    both = Authorities(current=first, coming=second)
    made = BEGIN + AUTHORITY_LIFE * 2 / 3
    assert both.signer(made + KNOWN_AFTER - DAY) is first
    assert both.signer(made + KNOWN_AFTER + DAY) is second


def test_a_new_authority_signs_at_once_when_the_old_one_is_about_to_end(first: Identity) -> None:
    """A machine that was off for thirty years comes back rather than not at all."""
    late = BEGIN + AUTHORITY_LIFE - 30 * DAY
    coming = authority.create_authority(now=late)
    assert Authorities(current=first, coming=coming).signer(late) is coming


def test_authorities_are_told_apart_by_their_keys(first: Identity, second: Identity) -> None:
    """So an interruption between two files leaves nothing that cannot be read."""
    bundle = first.certificate + second.certificate
    both = read_authorities(bundle, [first.key, second.key])
    assert (both.current, both.coming) == (first, second)
    assert both.bundle == bundle
    assert read_authorities(bundle, [second.key]) == Authorities(current=second)


def test_certificates_without_their_key_are_no_authority(first: Identity, second: Identity) -> None:
    with pytest.raises(ValueError, match="no certificate belongs"):
        read_authorities(first.certificate, [second.key])


def test_a_certificate_for_the_same_key_belongs_to_it(first: Identity) -> None:
    old = server_of(first)
    new = server_of(first, key=old.key)
    assert new.certificate != old.certificate
    assert is_pair(Identity(certificate=new.certificate, key=old.key))
    assert not is_pair(Identity(certificate=old.certificate, key=server_of(first).key))


def test_who_signed_is_found_by_the_signature(first: Identity, second: Identity) -> None:
    """Both authorities have the same name."""
    server = server_of(second)
    assert is_signed_by(server.certificate, second)
    assert not is_signed_by(server.certificate, first)
