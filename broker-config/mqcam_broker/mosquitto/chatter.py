"""What mosquitto says about itself: which lines a person wants to see, and with a readable time.

It must not know processes: lines are arguments.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_STAMPED = re.compile(r"(\d{9,11}): (.*)")
# Whatever is not here is shown: errors are not foreseen one by one.
_NOISE = re.compile(
    r"New connection from .*"
    r"|New client connected from .*"
    r"|Client \S+ (closed its connection|disconnected)\."
    r"|Client \S+ has exceeded timeout, disconnecting\."
    r"|Client \S+ already connected, closing old connection\."
    # In a fleet the status of all cameras is for every viewer, and the owner's word for everybody.
    r"|Warning: ACL pattern '\S+/v1/(d/\+/status|owner/state)' does not contain '%c' or '%u'\."
    r"|mosquitto version \S+ (starting|running|terminating)"
    r"|(Config loaded from|Opening ipv[46] (listen|websockets) socket) .*"
    r"|(Saving in-memory|Reloading) .*"
)


def shown(line: str, *, is_verbose: bool) -> str | None:
    """Return a line as a person reads it, None for one that tells only who comes and goes."""
    text = line.rstrip()
    stamped = _STAMPED.fullmatch(text)
    if stamped is None:
        return text or None
    if not is_verbose and _NOISE.fullmatch(stamped[2]):
        return None
    at = datetime.fromtimestamp(int(stamped[1]), tz=UTC).astimezone()
    return f"{at:%H:%M:%S} {stamped[2]}"
