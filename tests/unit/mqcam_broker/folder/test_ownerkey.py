from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.errors import CredentialsError
from mqcam.trust.keys import SigningKey
from mqcam_broker.folder.ownerkey import read_owner_key, read_owner_public

if TYPE_CHECKING:
    from pathlib import Path

KEY = SigningKey(bytes(range(32)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "owner.key"
    path.write_text(KEY.secret_text() + "\n")
    path.chmod(0o600)
    return path


def test_a_key_is_read_and_compared_with_its_public_half(file: Path) -> None:
    assert read_owner_key(file, public=KEY.public).public == KEY.public


def test_another_owners_key_is_refused_with_both_fingerprints(file: Path) -> None:
    other = SigningKey.generate().public
    with pytest.raises(CredentialsError, match=r"another owner's key \(.*\).*--owner-key FILE"):
        read_owner_key(file, public=other)


def test_a_missing_key_names_the_file_and_the_option(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"no\.key: .*--owner-key FILE or MQCAM_OWNER_KEY"):
        read_owner_key(tmp_path / "no.key")


@pytest.mark.parametrize(("keep", "says"), [(0, "is empty"), (40, "is damaged")])
def test_a_key_that_was_cut_short_is_never_made_anew(file: Path, keep: int, says: str) -> None:
    file.write_text(KEY.secret_text()[:keep])
    with pytest.raises(CredentialsError, match=f"{says}; take it from a backup") as refusal:
        read_owner_key(file)
    assert KEY.secret_text()[15:30] not in repr(refusal.value)
    assert refusal.value.__cause__ is None
    assert file.stat().st_size == keep


def test_a_key_that_others_can_read_is_refused(file: Path) -> None:
    file.chmod(0o644)
    with pytest.raises(CredentialsError, match="chmod 600"):
        read_owner_key(file)


@pytest.mark.parametrize("text", ["", "ed25519:short", "\udcff"])
def test_a_public_half_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "owner.pub"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CredentialsError, match="holds no public key"):
        read_owner_public(path)


def test_a_missing_public_half_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"owner\.pub: does not exist"):
        read_owner_public(tmp_path / "owner.pub")
