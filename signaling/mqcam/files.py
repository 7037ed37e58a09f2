"""Read small files safely and replace them in one step.

It must not know what they contain. Every failure is an OSError; ``reason`` says it in words.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

MAX_BYTES = 64 * 1024
"""No configuration or credentials file of ours comes near this size."""


def read_bounded(path: Path | str, *, limit_bytes: int = MAX_BYTES) -> bytes:
    """Return what the regular file at ``path`` contains; raise OSError, also when it is too big."""
    content, _ = _read(Path(path), limit_bytes)
    return content


def read_private(path: Path | str, *, limit_bytes: int = MAX_BYTES) -> bytes:
    """Return what a file of secrets contains; raise OSError when others could read it too."""
    path = Path(path)
    content, status = _read(path, limit_bytes)
    # systemd hands credentials over in a folder only the service can enter, but with an access
    # list that shows as group-readable; judging that mode would refuse the safest way there is.
    if not _is_handed_over_by_systemd(path):
        _refuse_readable_by_others(path, status)
    return content


def read_guarded(path: Path | str, *, limit_bytes: int = MAX_BYTES) -> bytes:
    """Return what a file says whom to trust; raise OSError when others could write into it."""
    content, status = _read(Path(path), limit_bytes)
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o022:
        raise PermissionError(
            errno.EPERM,
            f"may be changed by other users (mode {mode:04o}): look through it, then run "
            f"chmod 600 {path}",
            str(path),
        )
    return content


def write_atomically(
    path: Path | str, content: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None
) -> None:
    """Replace ``path`` by ``content`` so that a power cut leaves the old file or the new one.

    ``owner`` is the user and group who get it; only root may give files away. They get it before it
    has its name: whoever may write into the folder could put a link to any file in its place.
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk names no file
        raise
    _sync_folder(path.parent)


def reason(error: OSError) -> str:
    """Return why a file could not be used, as half a sentence that follows the file's name."""
    sentences = {
        errno.ENOENT: "does not exist",
        errno.ENOTDIR: "does not exist",
        errno.EISDIR: "is a folder, not a file",
        errno.EACCES: "may not be opened by this user",
        errno.EROFS: "lies on a read-only file system",
        errno.ENOSPC: "cannot be written: the disk is full",
    }
    return sentences.get(error.errno or 0) or error.strerror or "cannot be used"


def _read(path: Path, limit_bytes: int) -> tuple[bytes, os.stat_result]:
    if "\0" in str(path):  # no file has such a name, and Python says so with a ValueError
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    with open(path, "rb", opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OSError(errno.EFBIG, f"is bigger than {limit_bytes} bytes", str(path))
    return content, status


def _open_without_waiting(path: str, flags: int) -> int:
    # Without O_NONBLOCK a named pipe in the file's place would block for ever.
    return os.open(path, flags | os.O_NONBLOCK)


def _refuse_readable_by_others(path: Path, status: os.stat_result) -> None:
    # root may let a service's group read (0640 root:mqcam); nobody gives that away by mistake.
    allowed = 0o740 if status.st_uid == 0 else 0o700
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~allowed & 0o777:
        raise PermissionError(
            errno.EPERM,
            f"is open to other users (mode {mode:04o}) and holds secrets: run chmod 600 {path}",
            str(path),
        )


def _is_handed_over_by_systemd(path: Path) -> bool:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.resolve().parent == Path(str(folder)).resolve()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)  # else a power cut may forget the rename
    finally:
        os.close(descriptor)
