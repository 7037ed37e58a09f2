"""The agent's two folders: where they are when the configuration names none, and making them.

It must not know what lies in them.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from mqcam.errors import ConfigError, Problem
from mqcam.files import reason

SYSTEM_RUNTIME = Path("/run/mqcam")
SYSTEM_STATE = Path("/var/lib/mqcam")
NAME = "mqcam"


def runtime_folder(given: Path | None) -> Path:
    """Return where the control socket goes: as given, else where this user may write."""
    if given is not None:
        return given
    if handed_over := _handed_over("RUNTIME_DIRECTORY"):
        return handed_over
    if os.geteuid() == 0:
        return SYSTEM_RUNTIME
    session = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    # After `sudo -u` or `su` it may still be the folder of somebody else.
    if session.is_absolute() and _is_ours(session):
        return session / NAME
    return Path(tempfile.gettempdir()) / f"{NAME}-{os.geteuid()}"


def state_folder(given: Path | None) -> Path:
    """Return where the agent keeps what outlives it: as given, else where this user may write."""
    if given is not None:
        return given
    if handed_over := _handed_over("STATE_DIRECTORY"):
        return handed_over
    if os.geteuid() == 0:
        return SYSTEM_STATE
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        # Not Path.expanduser, which raises for a user without a home: `_check` tells him.
        base = Path(os.path.expanduser("~/.local/state"))  # noqa: PTH111
    return base / NAME


def places_to_ask(given: Path | None) -> tuple[Path, ...]:
    """Return where an agent that this user may ask can have its socket: his own, the service's."""
    own = runtime_folder(given)
    if given is not None or own == SYSTEM_RUNTIME:
        return (own,)
    return (own, SYSTEM_RUNTIME) if _is_trusted(own) else (SYSTEM_RUNTIME,)


def problems(*, runtime: Path, state: Path, file: str) -> list[Problem]:
    """Return what is wrong with folders that exist or could be made; makes and leaves nothing."""
    found = []
    for key, folder in (("runtime_dir", runtime), ("state_dir", state)):
        try:
            _check(folder)
        except OSError as error:
            found.append(_problem(file, key, folder, error))
    return found


def prepare(*, runtime: Path, state: Path, file: str) -> None:
    """Make both folders for this user alone where they are missing; raise ConfigError."""
    for key, folder in (("runtime_dir", runtime), ("state_dir", state)):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            _check(folder)
        except OSError as error:
            raise ConfigError([_problem(file, key, folder, error)]) from error


def _check(folder: Path) -> None:
    """Raise OSError unless this user can write into ``folder``, or make it."""
    if not folder.is_absolute():
        raise OSError(errno.EINVAL, "is no place: this user has no home")
    nearest = folder
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NotADirectoryError(errno.EEXIST, f"cannot be used: {nearest} is no folder")
    if nearest == folder and folder.parent == Path(tempfile.gettempdir()):
        _refuse_prepared_by_others(folder)
    if not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
        raise PermissionError(errno.EPERM, "cannot be written by this user")


def _is_trusted(folder: Path) -> bool:
    """Tell whether nobody else can answer there in the place of our own agent."""
    try:
        if folder.parent == Path(tempfile.gettempdir()):
            _refuse_prepared_by_others(folder)
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    return True


def _refuse_prepared_by_others(folder: Path) -> None:
    """Anybody may make folders in /tmp, also one with the name that we are going to use."""
    status = folder.lstat()
    is_private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
    if status.st_uid != os.geteuid() or not is_private:
        raise PermissionError(errno.EPERM, "belongs to another user, or others may write there")


def _problem(file: str, key: str, folder: Path, error: OSError) -> Problem:
    remedy = f"name another folder with '{key}' in the configuration"
    return Problem(file=file, key=key, message=f"{folder}: {reason(error)}; {remedy}")


def _handed_over(variable: str) -> Path | None:
    """Return what systemd has made for the service; of several folders the first is ours."""
    first = Path(os.environ.get(variable, "").partition(":")[0])
    return first if first.is_absolute() else None


def _is_ours(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.geteuid()
    except OSError:
        return False
