"""Where a viewer keeps what it has learnt: one folder per identity.

It must not know what lies there.
"""

from __future__ import annotations

import os
from pathlib import Path

from mqcam.errors import CredentialsError
from mqcam.trust.keys import fingerprint

KNOWN_DEVICES = "known_devices"
OWNER_STATE = "owner_state"
_DIGITS = 12


def viewer_folder(name: str, public: str) -> Path:
    """Return the folder of the viewer ``name`` with the public key ``public``."""
    digits = fingerprint(public).replace(" ", "")[:_DIGITS]
    return state_home() / f"{name}-{digits}"


def state_home() -> Path:
    """Return where this user's programs keep what outlives them (XDG base directories).

    Raises CredentialsError for a user without a home who names no place either.
    """
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path(os.path.expanduser("~/.local/state"))  # noqa: PTH111 - it never raises
    if not base.is_absolute():
        raise CredentialsError(str(base), "is no place: this user has no home; set XDG_STATE_HOME")
    return base / "mqcam"
