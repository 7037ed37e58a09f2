"""Where private keys lie, and what is said when they are not there."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, ClassVar

import keyring
import pytest
from fakes.memory_keyring import HangingKeyring, LockedKeyring, MemoryKeyring
from keyring.backends.chainer import ChainerBackend
from keyring.backends.fail import Keyring as FailKeyring
from keyring.backends.null import Keyring as NullKeyring
from keyring.errors import PasswordDeleteError
from mqcam.credentials import Credentials
from mqcam.errors import CredentialsError, UsageError
from mqcam.exits import exit_code
from mqcam.trust.documents import Grant
from mqcam.trust.keys import SigningKey
from mqcam.trust.keystore import (
    SERVICE,
    SystemKeyring,
    keep_secrets,
    load_identity,
    make_identity,
    with_password,
)

if TYPE_CHECKING:
    from pathlib import Path

    from keyring.backend import KeyringBackend

KEY = SigningKey(bytes(range(32)))
OTHER = SigningKey(bytes(32))


def credentials(**values: str | None) -> Credentials:
    return Credentials(kind="viewer", name="laptop", broker=("mqtt://127.0.0.1",), **values)  # type: ignore[arg-type]


def load(
    given: Credentials, folder: Path, backend: KeyringBackend | None = None, *, use: bool = True
) -> SigningKey:
    ring = SystemKeyring(backend or MemoryKeyring())
    return load_identity(given, folder=folder, use_keyring=use, keyring=ring)


def grant_for(key: SigningKey) -> str:
    grant = Grant(name="laptop", key=key.public, serial="abcdefgh", cameras=("*",))
    return grant.issue(OTHER, "mqcam")


def test_the_fake_keyring_does_what_a_keyring_does() -> None:
    """The contract of `keyring.backend.KeyringBackend` that our code relies on."""
    ring = MemoryKeyring()
    assert ring.get_password("mqcam", "a") is None
    ring.set_password("mqcam", "a", "one")
    ring.set_password("mqcam", "a", "two")
    assert ring.get_password("mqcam", "a") == "two"
    assert ring.get_password("mqcam", "b") is None
    ring.delete_password("mqcam", "a")
    with pytest.raises(PasswordDeleteError):
        ring.delete_password("mqcam", "a")
    assert ring.priority >= 1


def test_an_identity_in_the_credentials_is_used_as_it_is(tmp_path: Path) -> None:
    assert load(credentials(identity=KEY.secret_text()), tmp_path).public == KEY.public


def test_a_damaged_identity_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError) as caught:
        load(credentials(identity="ed25519-secret:hunter2"), tmp_path)
    assert "hunter2" not in str(caught.value)


def test_what_was_moved_into_the_keyring_is_found_there(tmp_path: Path) -> None:
    ring = MemoryKeyring()
    whole = credentials(identity=KEY.secret_text(), username="laptop", password="hunter2")

    left = keep_secrets(whole, keyring=SystemKeyring(ring))

    assert left.identity == KEY.public
    assert (left.username, left.password) == ("laptop", None)
    assert load(left, tmp_path, ring).public == KEY.public
    assert with_password(left, keyring=SystemKeyring(ring)).password == "hunter2"


def test_without_a_keyring_everything_stays_in_the_file() -> None:
    whole = credentials(identity=KEY.secret_text(), username="laptop", password="hunter2")

    assert keep_secrets(whole, keyring=SystemKeyring(NullKeyring())) == whole


def test_a_whole_password_asks_no_keyring() -> None:
    whole = credentials(identity=KEY.public, username="laptop", password="hunter2")
    assert with_password(whole, keyring=SystemKeyring(LockedKeyring())) is whole


def test_a_key_that_never_left_the_machine_is_found_by_its_grant(tmp_path: Path) -> None:
    ring = MemoryKeyring()
    SystemKeyring(ring).write(KEY.public, KEY.secret_text())

    assert load(credentials(grant=grant_for(KEY)), tmp_path, ring).public == KEY.public


def test_a_file_of_its_own_is_the_last_place(tmp_path: Path) -> None:
    file = tmp_path / "laptop.identity"
    file.write_text(KEY.secret_text() + "\n")
    file.chmod(0o600)

    assert load(credentials(), tmp_path, use=False).public == KEY.public
    assert load(credentials(grant=grant_for(KEY)), tmp_path).public == KEY.public


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "laptop.identity"
    file.write_text(KEY.secret_text())
    file.chmod(0o644)

    with pytest.raises(CredentialsError, match="chmod 600"):
        load(credentials(), tmp_path)


def test_an_empty_file_is_refused_and_no_key_is_made(tmp_path: Path) -> None:
    file = tmp_path / "laptop.identity"
    file.touch(mode=0o600)

    with pytest.raises(CredentialsError, match="holds no identity"):
        load(credentials(), tmp_path)
    assert file.read_bytes() == b""


def test_another_key_than_the_grant_names_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "laptop.identity"
    file.write_text(OTHER.secret_text())
    file.chmod(0o600)

    with pytest.raises(CredentialsError, match="another identity"):
        load(credentials(grant=grant_for(KEY)), tmp_path)


@pytest.mark.parametrize(("identity", "step"), [(None, "mqcam-viewer key"), (KEY.public, "anew")])
def test_an_identity_that_is_nowhere_is_said_with_the_next_step(
    tmp_path: Path, identity: str | None, step: str
) -> None:
    with pytest.raises(CredentialsError, match=step) as caught:
        load(credentials(identity=identity), tmp_path)
    assert "add-viewer --replace" in str(caught.value)
    assert exit_code(caught.value) == 78


def test_a_key_that_is_made_here_is_found_here(tmp_path: Path) -> None:
    made = make_identity("laptop", folder=tmp_path / "new", use_keyring=False)
    file = tmp_path / "new/laptop.identity"
    assert file.stat().st_mode & 0o777 == 0o600
    assert load(credentials(), tmp_path / "new").public == made.public


def test_a_key_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    made = make_identity("laptop", folder=tmp_path, use_keyring=False)
    ring = SystemKeyring(MemoryKeyring())
    again = make_identity("laptop", folder=tmp_path, use_keyring=True, keyring=ring)
    assert again.public == made.public


def test_a_damaged_key_is_not_replaced_either(tmp_path: Path) -> None:
    (tmp_path / "laptop.identity").touch(mode=0o600)
    with pytest.raises(CredentialsError, match="holds no identity"):
        make_identity("laptop", folder=tmp_path, use_keyring=False)


def test_a_key_is_made_in_the_keyring_where_there_is_one(tmp_path: Path) -> None:
    ring = MemoryKeyring()
    made = make_identity("laptop", folder=tmp_path, use_keyring=True, keyring=SystemKeyring(ring))
    assert ring.entries == {
        (SERVICE, made.public): made.secret_text(),
        (SERVICE, "key of laptop"): made.public,
    }
    assert list(tmp_path.iterdir()) == []
    assert load(credentials(grant=grant_for(made)), tmp_path, ring).public == made.public


def test_a_key_in_the_keyring_is_shown_again_and_leaves_no_orphans(tmp_path: Path) -> None:
    ring = MemoryKeyring()
    keys = [
        make_identity(name, folder=tmp_path, use_keyring=True, keyring=SystemKeyring(ring)).public
        for name in ("laptop", "laptop", "desk", "laptop")
    ]
    assert keys[0] == keys[1] == keys[3] != keys[2]
    assert len(ring.entries) == 4


def test_a_key_that_the_keyring_lost_is_not_replaced_silently(tmp_path: Path) -> None:
    ring = MemoryKeyring()
    made = make_identity("laptop", folder=tmp_path, use_keyring=True, keyring=SystemKeyring(ring))
    del ring.entries[SERVICE, made.public]
    with pytest.raises(CredentialsError, match="delete the entry 'key of laptop' there as well"):
        make_identity("laptop", folder=tmp_path, use_keyring=True, keyring=SystemKeyring(ring))


class ForgetfulKeyring(MemoryKeyring):
    """Keeps one secret and no second."""

    def set_password(self, service: str, username: str, password: str) -> None:
        if not self.entries:
            super().set_password(service, username, password)


def test_a_key_whose_place_the_keyring_does_not_note_is_shown_again_too(tmp_path: Path) -> None:
    ring = SystemKeyring(ForgetfulKeyring())
    one, two = (
        make_identity("laptop", folder=tmp_path, use_keyring=True, keyring=ring) for _ in range(2)
    )
    assert one.public == two.public


def test_a_locked_keyring_is_said_without_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="refused") as caught:
        load(credentials(identity=KEY.public), tmp_path, LockedKeyring())
    assert "hunter2" not in str(caught.value)


def test_a_keyring_that_hangs_is_given_up() -> None:
    ring = HangingKeyring()
    try:
        with pytest.raises(CredentialsError, match=r"did not answer within 0\.05 s: unlock it"):
            SystemKeyring(ring, wait_s=0.05).read("a")
    finally:
        ring.release()
        for thread in threading.enumerate():
            if thread.name == "keyring":
                thread.join(5)


class PlainTextKeyring(MemoryKeyring):
    """Stands for those of keyrings.alt, which write files."""


PlainTextKeyring.__module__ = "keyrings.alt.file"


def chain(*links: KeyringBackend) -> ChainerBackend:
    class Chain(ChainerBackend):
        backends: ClassVar = list(links)

    return Chain()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("installed", "usable"),
    [
        (FailKeyring(), False),
        (NullKeyring(), False),
        (PlainTextKeyring(), False),
        (MemoryKeyring(), True),
        (chain(PlainTextKeyring(), MemoryKeyring()), True),
        (chain(PlainTextKeyring(), NullKeyring()), False),
    ],
)
def test_only_what_keeps_secrets_counts_as_a_keyring(
    monkeypatch: pytest.MonkeyPatch, installed: KeyringBackend, *, usable: bool
) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: installed)
    assert SystemKeyring().is_usable() is usable
    assert SystemKeyring().write("a", "secret") is usable


def test_without_the_library_secrets_stay_in_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    whole = credentials(identity=KEY.secret_text())

    assert keep_secrets(whole) == whole
    with pytest.raises(UsageError, match="pip install") as caught:
        load_identity(credentials(identity=KEY.public), folder=tmp_path, use_keyring=True)
    assert exit_code(caught.value) == 2


def test_a_cut_identity_says_what_to_do(tmp_path: Path) -> None:
    for content in ("", "ed25519-secret:abc"):
        file = tmp_path / "front.identity"
        file.write_text(content)
        file.chmod(0o600)
        bare = Credentials(kind="device", name="front", broker=("mqtts://nas.local",))
        with pytest.raises(
            CredentialsError, match="from a backup, or have the credentials made anew"
        ):
            load_identity(bare, folder=tmp_path, use_keyring=False)
