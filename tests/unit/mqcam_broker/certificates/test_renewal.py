from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from mqcam.errors import CredentialsError, SetupError, UsageError
from mqcam_broker.certificates.authority import (
    AUTHORITY_LIFE,
    SERVER_LIFE,
    Identity,
    create_authority,
)
from mqcam_broker.certificates.lifespan import KNOWN_AFTER, is_pair, is_signed_by
from mqcam_broker.certificates.renewal import install, renew
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.owner.decree import read_state

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
ADDRESS = "mqtts://nas.local:8883"


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    decisions = BrokerDecisions(addresses=(ADDRESS,))
    create(made, Plan(decisions=decisions, user=pwd.getpwuid(os.geteuid()).pw_name))
    return made


def server_of(directory: BrokerDirectory) -> Identity:
    return Identity(
        certificate=directory.server_certificate.read_bytes(),
        key=directory.server_key.read_bytes(),
    )


def certificates(directory: BrokerDirectory) -> list[bytes]:
    bundle = x509.load_pem_x509_certificates(directory.ca_certificate.read_bytes())
    return [certificate.fingerprint(certificate.signature_hash_algorithm) for certificate in bundle]  # type: ignore[arg-type]


def test_what_is_good_stays_as_it_is(made: BrokerDirectory) -> None:
    before = server_of(made), made.owner_state.read_bytes()
    done = renew(made, now=NOW)
    assert not done.is_anything_new
    assert (server_of(made), made.owner_state.read_bytes()) == before


def test_a_certificate_is_renewed_in_one_step_with_its_key(made: BrokerDirectory) -> None:
    """Key and certificate are two files: only one of them changes."""
    before = server_of(made)
    done = renew(made, now=NOW + SERVER_LIFE * 2 / 3 + DAY)
    after = server_of(made)
    assert done.is_server_new
    assert not done.is_authority_coming
    assert (after.certificate != before.certificate, after.key) == (True, before.key)
    assert is_pair(after)
    assert done.server_end > NOW + SERVER_LIFE


def test_a_certificate_is_renewed_when_somebody_insists(made: BrokerDirectory) -> None:
    before = server_of(made)
    assert renew(made, now=NOW, is_forced=True).is_server_new
    assert server_of(made) != before


def test_files_keep_their_modes(made: BrokerDirectory) -> None:
    renew(made, now=NOW, is_forced=True, wants_authority=True)
    modes = {
        path: path.stat().st_mode & 0o777
        for path in (made.server_certificate, made.server_key, made.ca_certificate, made.ca_key)
    }
    assert list(modes.values()) == [0o644, 0o600, 0o644, 0o600]
    assert made.coming_ca_key.stat().st_mode & 0o777 == 0o600


def test_the_next_authority_is_announced_long_before_it_signs(made: BrokerDirectory) -> None:
    first = Identity(certificate=made.ca_certificate.read_bytes(), key=made.ca_key.read_bytes())
    number = read_state(made).number
    now = NOW + AUTHORITY_LIFE * 2 / 3 + DAY
    done = renew(made, now=now)
    assert done.is_authority_coming
    assert len(certificates(made)) == 2
    state = read_state(made)
    assert (state.ca, state.number > number) == (made.ca_certificate.read_text(), True)
    assert is_signed_by(made.server_certificate.read_bytes(), first)
    assert not renew(made, now=now + DAY).is_anything_new


def test_the_next_authority_takes_over_at_a_later_renewal(made: BrokerDirectory) -> None:
    old_key = made.server_key.read_bytes()
    renew(made, now=NOW, wants_authority=True)
    coming = made.coming_ca_key.read_bytes()
    done = renew(made, now=datetime.now(UTC) + KNOWN_AFTER + DAY, is_forced=True)
    assert done.is_authority_changed
    assert made.ca_key.read_bytes() == coming
    assert not made.coming_ca_key.exists()
    now = Identity(certificate=made.ca_certificate.read_bytes(), key=coming)
    assert is_signed_by(made.server_certificate.read_bytes(), now)
    assert is_pair(server_of(made))
    assert made.server_key.read_bytes() != old_key
    assert len(certificates(made)) == 1
    assert read_state(made).ca == made.ca_certificate.read_text()


def test_a_forced_renewal_does_not_make_an_unknown_authority_sign(made: BrokerDirectory) -> None:
    first = Identity(certificate=made.ca_certificate.read_bytes(), key=made.ca_key.read_bytes())
    renew(made, now=NOW, wants_authority=True)
    renew(made, now=NOW + DAY, is_forced=True)
    assert is_signed_by(made.server_certificate.read_bytes(), first)


def test_a_missing_owners_key_is_told_and_leaves_the_rest_working(made: BrokerDirectory) -> None:
    made.owner_key.unlink()
    done = renew(made, now=NOW + AUTHORITY_LIFE * 2 / 3 + DAY)
    assert done.is_server_new
    assert not done.is_authority_coming
    assert "owner's key" in done.problem
    assert not made.coming_ca_key.exists()


def test_who_asks_for_a_new_authority_needs_the_owners_key(made: BrokerDirectory) -> None:
    made.owner_key.unlink()
    with pytest.raises(CredentialsError, match="owner's key"):
        renew(made, now=NOW, wants_authority=True)


def test_an_interrupted_change_of_key_and_certificate_is_mended(made: BrokerDirectory) -> None:
    renew(made, now=NOW, wants_authority=True)
    made.server_key.write_bytes(create_authority(now=NOW).key)
    assert renew(made, now=NOW).is_server_new
    assert is_pair(server_of(made))


def test_an_interrupted_change_of_authority_is_finished(made: BrokerDirectory) -> None:
    """The key has changed place, the certificates have not."""
    renew(made, now=NOW, wants_authority=True)
    made.coming_ca_key.replace(made.ca_key)
    renew(made, now=NOW, is_forced=True)
    assert len(certificates(made)) == 1
    now = Identity(certificate=made.ca_certificate.read_bytes(), key=made.ca_key.read_bytes())
    assert is_signed_by(made.server_certificate.read_bytes(), now)
    assert read_state(made).ca == made.ca_certificate.read_text()


def test_an_announcement_that_was_interrupted_is_made_up_for(made: BrokerDirectory) -> None:
    state = made.owner_state.read_bytes()
    renew(made, now=NOW, wants_authority=True)
    made.owner_state.write_bytes(state)
    assert renew(made, now=NOW).is_state_new
    assert read_state(made).ca == made.ca_certificate.read_text()


def test_files_that_do_not_belong_together_are_told_apart(made: BrokerDirectory) -> None:
    made.ca_key.write_bytes(create_authority(now=NOW).key)
    with pytest.raises(SetupError, match=r"do not belong together.*backup") as raised:
        renew(made, now=NOW)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("name", ["ca.key", "server.key"])
def test_a_damaged_key_is_told_without_its_text(made: BrokerDirectory, name: str) -> None:
    (made.path / name).write_bytes(b"secret")
    with pytest.raises(SetupError) as raised:
        renew(made, now=NOW)
    assert "secret" not in str(raised.value)


def test_a_public_certificate_is_renewed_where_it_came_from(made: BrokerDirectory) -> None:
    public = BrokerDecisions(addresses=(ADDRESS,), public_certificate=True)
    made.decisions.write_text(public.text())
    before = server_of(made)
    done = renew(made, now=NOW + SERVER_LIFE, is_forced=True)
    assert not done.is_anything_new
    assert server_of(made) == before


def test_a_new_public_certificate_is_put_into_place(made: BrokerDirectory) -> None:
    public = BrokerDecisions(addresses=(ADDRESS,), public_certificate=True)
    old = server_of(made)
    renew(made, now=NOW, is_forced=True)
    new = server_of(made)
    made.server_certificate.write_bytes(old.certificate)
    made.decisions.write_text(public.text())
    assert install(made, new, now=NOW).is_server_new
    assert server_of(made) == new
    with pytest.raises(UsageError, match="does not belong"):
        install(made, Identity(certificate=new.certificate, key=made.ca_key.read_bytes()), now=NOW)


def test_a_broker_with_its_own_authority_takes_no_other_certificate(made: BrokerDirectory) -> None:
    with pytest.raises(SetupError, match="authority of its own"):
        install(made, server_of(made), now=NOW)
