"""The names that the owner gives to devices, viewers and the namespace.

It must not know where they are written down.
"""

from __future__ import annotations

from mqcam.errors import UsageError
from mqcam.protocol.topics import is_id

SERVER_NAME = "mqcam-broker"
"""What clients check instead of the address: a moved broker keeps its certificate."""
OWNER = "mqcam-owner"
"""The broker's user who alone writes the owner's state."""


def check_name(name: str, *, what: str = "a name") -> str:
    """Return ``name``; raise UsageError unless it can be a topic level and a new user's name."""
    if name == OWNER:
        raise UsageError(f"{name} is the name of the broker's own user", "choose another one")
    if not is_id(name):
        raise UsageError(
            f"{name!r} cannot be {what}",
            "use 1 to 64 letters (A-Z), digits, '-' and '_', for example front-door",
        )
    return name
