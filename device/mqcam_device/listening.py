"""Claim a name and a socket file for one agent, and give both back.

It must not know what is said over the socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import socket
from typing import TYPE_CHECKING

from mqcam.errors import ControlError

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "mqcam"
MAX_PATH_BYTES = 107
"""What ``sun_path`` of unix(7) holds besides its NUL."""


class ListeningPlace:
    """A listening, non-blocking socket at ``path`` that nobody else holds, until ``release``.

    Raises ControlError when another agent of this name runs or the place cannot be used.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._lock: int | None = None
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._lock = _lock(path.with_suffix(".lock"), name)
            self.listener = _listen(path)
        except OSError as error:
            self._unlock()
            raise _cannot_listen(path, error) from error

    def release(self) -> None:
        """Close and remove the socket and let others have the name."""
        self.listener.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)  # the file stays: unlinked, two agents could lock two files
            self._lock = None


def _lock(path: Path, name: str) -> int:
    """Return a descriptor that holds the name until it is closed, even by a crash."""
    # Read-only for all, so that a file which `sudo mqcam-device run` left stops no service.
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        text = f"an agent named '{name}' is already running; stop it first, or give this one"
        raise ControlError("already-running", f"{text} its own credentials") from error
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _listen(path: Path) -> socket.socket:
    """Put a fresh socket in the place of whatever a crashed agent left behind."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Bound under another name and renamed: nobody can connect before the rights are right.
    temporary = path.with_name(f".{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        listener.bind(str(temporary))
        temporary.chmod(0o660)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(temporary, -1, grp.getgrnam(GROUP).gr_gid)
        listener.listen()
        listener.setblocking(False)
        temporary.replace(path)
    except BaseException:
        listener.close()
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return listener


def _cannot_listen(path: Path, error: OSError) -> ControlError:
    text = f"cannot make the control socket {path}: {error.strerror or error}"
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        text = f"the control socket's path is longer than {MAX_PATH_BYTES} bytes: {path}"
    return ControlError("no-socket", f"{text}; choose another runtime_dir in the configuration")
