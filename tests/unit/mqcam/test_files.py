"""Small files are replaced in one step and read only when they are what they should be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from mqcam import files


def test_written_file_is_private_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_atomically(path, b"one")
    files.write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_written_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "a", b"", mode=0o644)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


@pytest.mark.root
def test_a_file_for_another_user_is_his_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where he may write into the folder too, a link in its place must give nothing else away."""
    secret, path = tmp_path / "secret", tmp_path / "a"
    secret.write_bytes(b"of root")

    def put_link(self: Path, target: Path) -> None:
        assert self.stat().st_uid == 4242
        self.unlink()
        target.symlink_to(secret)

    monkeypatch.setattr(Path, "replace", put_link)
    files.write_atomically(path, b"his", owner=(4242, 4343))
    assert path.is_symlink()
    assert (secret.stat().st_uid, secret.stat().st_gid) == (0, 0)


def test_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    files.write_atomically(path, b"old")

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space") as caught:
        files.write_atomically(path, b"new")
    assert files.reason(caught.value) == "cannot be written: the disk is full"
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_at_the_limit_is_read_and_a_longer_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert files.read_bounded(tmp_path / "a", limit_bytes=5) == b"12345"
    with pytest.raises(OSError, match="bigger than 4 bytes"):
        files.read_bounded(tmp_path / "a", limit_bytes=4)


def test_named_pipe_in_the_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is not a regular file"):
        files.read_bounded(tmp_path / "pipe")


def test_missing_file_and_folder_have_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as missing:
        files.read_bounded(tmp_path / "none")
    with pytest.raises(OSError, match="directory") as folder:
        files.read_bounded(tmp_path)
    assert files.reason(missing.value) == "does not exist"
    assert files.reason(folder.value) == "is a folder, not a file"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_private_file_is_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    path.chmod(mode)
    assert files.read_private(path) == b"x"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602, 0o660])
def test_file_open_to_others_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    path.chmod(mode)
    with pytest.raises(PermissionError) as caught:
        files.read_private(path)
    assert f"run chmod 600 {path}" in files.reason(caught.value)
    assert f"{mode:04o}" in files.reason(caught.value)


@pytest.mark.root
def test_root_may_let_a_group_read(tmp_path: Path) -> None:
    """0640 root:mqcam is how a package would install credentials; 0640 of a user is a slip."""
    path = tmp_path / "a"
    path.write_bytes(b"x")
    path.chmod(0o640)
    assert files.read_private(path) == b"x"
    os.chown(path, 12345, -1)
    with pytest.raises(PermissionError):
        files.read_private(path)


def test_file_that_systemd_hands_over_is_not_judged_by_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    path.chmod(0o644)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert files.read_private(path) == b"x"
