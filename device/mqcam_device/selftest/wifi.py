"""Which network the video leaves by, and whether its radio sleeps between packets.

It must not know cameras. The kernel is asked with netlink(7): nothing has to be installed.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROC: Final = Path("/proc")
SYS: Final = Path("/sys")
NETLINK_S: Final = 1.0

_NO_DESTINATION: Final = "00000000"
_GENERIC: Final = 16
"""NETLINK_GENERIC of linux/netlink.h, which Python has no name for."""
_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_COMMAND: Final = struct.Struct("=BBH")
_ATTRIBUTE: Final = struct.Struct("=HH")
_REQUEST: Final = 1
_ERROR: Final = 2
_CONTROLLER, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
"""linux/genetlink.h."""
_GET_POWER_SAVE, _INTERFACE_INDEX, _POWER_SAVE = 62, 3, 93
"""NL80211_CMD_GET_POWER_SAVE, NL80211_ATTR_IFINDEX, NL80211_ATTR_PS_STATE of linux/nl80211.h."""
_TYPE_MASK: Final = 0x3FFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The interface of the default route; ``power_save`` is None where nobody can tell."""

    interface: str
    is_wireless: bool
    power_save: bool | None = None


def read_network(
    *,
    proc: Path = PROC,
    sys: Path = SYS,
    power_save: Callable[[str], bool | None] | None = None,
) -> Network | None:
    """Return the network that leads out; None where there is no default route."""
    try:
        interface = default_interface((proc / "net/route").read_text("ascii", "replace"))
    except OSError:
        interface = None
    if interface is None:
        return None
    place = sys / "class/net" / interface
    if not (place / "phy80211").exists() and not (place / "wireless").exists():
        return Network(interface=interface, is_wireless=False)
    return Network(
        interface=interface,
        is_wireless=True,
        power_save=(power_save or ask_power_save)(interface),
    )


def default_interface(routes: str) -> str | None:
    """Return the interface of the best default route in the text of ``/proc/net/route``."""
    found = []
    for line in routes.splitlines()[1:]:
        words = line.split()
        with contextlib.suppress(ValueError, IndexError):
            if words[1] == words[7] == _NO_DESTINATION:
                found.append((int(words[6]), words[0]))
    return min(found)[1] if found else None


def ask_power_save(interface: str) -> bool | None:
    """Ask the kernel whether a radio sleeps between packets; None where it does not say."""
    try:
        index = socket.if_nametoindex(interface)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC) as link:
            link.settimeout(NETLINK_S)
            link.bind((0, 0))
            family = _ask(
                link, _CONTROLLER, _GET_FAMILY, {_FAMILY_NAME: b"nl80211\0"}, wanted=_FAMILY_ID
            )
            if family is None:
                return None
            (number,) = struct.unpack("=H", family)
            state = _ask(
                link,
                number,
                _GET_POWER_SAVE,
                {_INTERFACE_INDEX: struct.pack("=I", index)},
                wanted=_POWER_SAVE,
            )
    except (OSError, AttributeError, struct.error):  # AttributeError: no Linux
        return None
    return None if state is None else state != bytes(len(state))


def _ask(
    link: socket.socket, family: int, command: int, attributes: dict[int, bytes], *, wanted: int
) -> bytes | None:
    link.send(request(family, command, attributes))
    return attribute(link.recv(65_536), wanted)


def request(family: int, command: int, attributes: dict[int, bytes]) -> bytes:
    """Return one generic netlink request."""
    body = _COMMAND.pack(command, 1, 0)
    for number, value in attributes.items():
        length = _ATTRIBUTE.size + len(value)
        body += _ATTRIBUTE.pack(length, number) + value + bytes(-length % 4)
    return _HEADER.pack(_HEADER.size + len(body), family, _REQUEST, 1, 0) + body


def attribute(answer: bytes, wanted: int) -> bytes | None:
    """Return one attribute of an answer; None for an error, or where it is not in there."""
    if len(answer) < _HEADER.size or _HEADER.unpack_from(answer)[1] == _ERROR:
        return None
    return dict(_attributes(answer[_HEADER.size + _COMMAND.size :])).get(wanted)


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    while len(body) >= _ATTRIBUTE.size:
        length, number = _ATTRIBUTE.unpack_from(body)
        if length < _ATTRIBUTE.size:
            return
        yield number & _TYPE_MASK, body[_ATTRIBUTE.size : length]
        body = body[length + -length % 4 :]
