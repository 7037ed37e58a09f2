"""Which devices a viewer believes, case by case."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest
from mqcam import files
from mqcam.trust.documents import Certificate
from mqcam.trust.keys import SigningKey, fingerprint
from mqcam.trust.pins import KnownDevice, KnownDevices
from mqcam.trust.vouching import DeviceTrust

if TYPE_CHECKING:
    from pathlib import Path

OWNER, CAMERA, OTHER = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))
SERIAL = "serial01"


def certificate(
    key: SigningKey = CAMERA,
    *,
    name: str = "front",
    signer: SigningKey = OWNER,
    namespace: str = "mqcam",
    serial: str = SERIAL,
) -> str:
    return Certificate(name=name, key=key.public, serial=serial).issue(signer, namespace)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "account" / "known_devices"


def trust(path: Path, *, owner: str | None = OWNER.public) -> DeviceTrust:
    return DeviceTrust(namespace="mqcam", owner=owner, known=KnownDevices(path))


def test_certified_device_is_believed_and_remembered(path: Path) -> None:
    judge = trust(path)
    assert judge.vouch("front", CAMERA.public, certificate(), 1) is None
    judge.close()
    assert KnownDevices(path).key("front") == CAMERA.public


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "rubbish",
        certificate(name="back"),
        certificate(OTHER),
        certificate(signer=OTHER),
        certificate(signer=CAMERA),
        certificate(namespace="other"),
    ],
    ids=["none", "rubbish", "name", "key", "signer", "itself", "namespace"],
)
def test_device_without_a_good_certificate_is_not_believed(path: Path, shown: str) -> None:
    denial = trust(path).vouch("front", CAMERA.public, shown, 1)
    assert denial is not None
    assert denial.code == "unknown-key"
    assert fingerprint(CAMERA.public) in denial.text
    assert not path.exists()


def test_known_device_is_believed_without_a_certificate(path: Path) -> None:
    KnownDevices(path).pin("front", CAMERA.public, 1)
    assert trust(path, owner=None).vouch("front", CAMERA.public, "", 1) is None


def test_changed_key_without_the_owners_word_is_refused_and_explained(path: Path) -> None:
    KnownDevices(path).pin("front", CAMERA.public, 1)
    denial = trust(path).vouch("front", OTHER.public, "", 1)
    assert denial is not None
    assert denial.code == "changed-key"
    for said in (fingerprint(CAMERA.public), fingerprint(OTHER.public), "pair with it again"):
        assert said in denial.text
    assert KnownDevices(path).key("front") == CAMERA.public


def test_changed_key_with_the_owners_word_is_believed_and_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    judge = DeviceTrust(
        namespace="mqcam", owner=OWNER.public, known=KnownDevices(path), on_new_identity=told.append
    )
    judge.vouch("front", CAMERA.public, certificate(), 1)
    with caplog.at_level(logging.WARNING):
        assert judge.vouch("front", OTHER.public, certificate(OTHER, serial="serial02"), 1) is None
        # A broker that replays what both said must not fill the log.
        for number in range(20):
            key, serial = ((CAMERA, SERIAL), (OTHER, "serial02"))[number % 2]
            assert judge.vouch("front", key.public, certificate(key, serial=serial), 1) is None
    assert caplog.text.count("new identity") == 2
    assert told == ["front", "front"]
    judge.close()
    assert KnownDevices(path).key("front") == OTHER.public


def test_revoked_identity_is_refused_with_its_certificate_and_without(path: Path) -> None:
    """A thief could leave the certificate out and rely on the pin that came from it."""
    judge = trust(path)
    judge.vouch("front", CAMERA.public, certificate(), 1)
    judge.obey(frozenset({SERIAL}))
    for shown in (certificate(), ""):
        denial = judge.vouch("front", CAMERA.public, shown, 1)
        assert denial is not None
        assert denial.code == "revoked-key"
    judge.close()
    again = trust(path)
    again.obey(frozenset({SERIAL}))
    assert again.vouch("front", CAMERA.public, "", 1) is not None


def test_paired_device_is_not_touched_by_revocations(path: Path) -> None:
    KnownDevices(path).pin("front", CAMERA.public, 1)
    judge = trust(path)
    judge.obey(frozenset({"", SERIAL}) - {""})
    assert judge.vouch("front", CAMERA.public, "", 1) is None


def test_highest_version_is_remembered_and_never_lowered(path: Path) -> None:
    judge = trust(path)
    assert judge.highest_version("front", CAMERA.public) == 1
    judge.vouch("front", CAMERA.public, certificate(), 3)
    judge.close()
    assert trust(path).highest_version("front", CAMERA.public) == 3
    judge.vouch("front", CAMERA.public, certificate(), 2)
    assert judge.highest_version("front", CAMERA.public) == 3


@pytest.mark.parametrize("is_written_between", [True, False])
def test_version_of_a_key_outlives_the_time_in_which_another_has_its_place(
    path: Path, *, is_written_between: bool
) -> None:
    """Both are signed by the owner: a broker that replays both changes them at will."""
    judge = trust(path)
    for key, serial, version in ((CAMERA, SERIAL, 3), (OTHER, "serial02", 2), (CAMERA, SERIAL, 1)):
        assert judge.vouch("front", key.public, certificate(key, serial=serial), version) is None
        if is_written_between:
            judge.close()
            judge = trust(path)
    judge.close()
    for each in (judge, trust(path)):
        assert each.highest_version("front", CAMERA.public) == 3
        assert each.highest_version("front", OTHER.public) == 2
        assert each.highest_version("back", CAMERA.public) == 1
    assert KnownDevices(path).find("front") == KnownDevice(
        name="front", key=CAMERA.public, version=3, serial=SERIAL
    )


def test_stranger_with_a_low_version_changes_nothing_that_is_known(path: Path) -> None:
    judge = trust(path)
    judge.vouch("front", CAMERA.public, certificate(), 3)
    assert judge.vouch("front", OTHER.public, certificate(OTHER, signer=OTHER), 1) is not None
    assert judge.highest_version("front", CAMERA.public) == 3
    judge.close()
    assert KnownDevices(path).find("front") == KnownDevice(
        name="front", key=CAMERA.public, version=3, serial=SERIAL
    )


def test_memory_that_cannot_be_written_does_not_hide_the_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    judge = trust(tmp_path / "file" / "known_devices")
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        for version in (1, 2, 3):
            assert judge.vouch("front", CAMERA.public, certificate(), version) is None
            judge.close()
    assert caplog.text.count("cannot be remembered") == 1
    assert judge.highest_version("front", CAMERA.public) == 3


def test_new_certificate_of_the_same_key_takes_the_place_of_the_revoked_one(path: Path) -> None:
    judge = trust(path)
    judge.vouch("front", CAMERA.public, certificate(), 2)
    judge.vouch("front", CAMERA.public, certificate(serial="serial02"), 1)
    judge.obey(frozenset({SERIAL}))
    assert judge.vouch("front", CAMERA.public, "", 1) is None
    assert judge.vouch("front", CAMERA.public, certificate(), 1) is not None
    judge.close()
    found = KnownDevices(path).find("front")
    assert found is not None
    assert (found.serial, found.version) == ("serial02", 2)


def test_new_key_begins_with_its_own_version(path: Path) -> None:
    """A replaced camera may run an older release."""
    judge = trust(path)
    judge.vouch("front", CAMERA.public, certificate(), 5)
    judge.vouch("front", OTHER.public, certificate(OTHER, serial="serial02"), 1)
    judge.close()
    assert KnownDevices(path).find("front") == KnownDevice(
        name="front", key=OTHER.public, version=1, serial="serial02"
    )


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (certificate(signer=OTHER), "not signed by the owner"),
        (certificate(name="back"), "made for back"),
        ("rubbish", "cannot be read"),
        ("", "nobody vouches"),
    ],
)
def test_refusal_says_what_is_wrong_with_the_certificate(path: Path, shown: str, said: str) -> None:
    denial = trust(path).vouch("front", CAMERA.public, shown, 1)
    assert denial is not None
    assert said in denial.text


def test_authority_in_the_file_counts_like_an_owner(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(f"authority {OWNER.public}\n")
    judge = trust(path, owner=None)
    assert judge.vouch("front", CAMERA.public, certificate(), 1) is None
    assert judge.vouch("back", OTHER.public, certificate(OTHER, signer=CAMERA), 1) is not None
    judge.close()
    assert path.read_text() == (
        f"authority {OWNER.public}\nfront {CAMERA.public} v=1 serial={SERIAL}\n"
    )


def test_many_cameras_at_once_are_remembered_in_two_writes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write waits for the disk, and a house of cameras comes online in one moment."""
    writes: list[Path] = []
    all_seen = threading.Event()
    write = files.write_atomically

    def count(path: Path, content: bytes) -> None:
        assert all_seen.wait(10.0)
        writes.append(path)
        write(path, content)

    monkeypatch.setattr(files, "write_atomically", count)
    names = [f"camera-{number}" for number in range(50)]
    judge = trust(path)
    for name in names:
        assert judge.vouch(name, CAMERA.public, certificate(name=name), 1) is None
    all_seen.set()
    judge.close()
    assert len(writes) <= 2
    known = KnownDevices(path)
    assert all(known.key(name) for name in names)
