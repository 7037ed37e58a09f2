"""Encrypt RTP packets where they lie, many in a row: the fast half of SRTP.

It must not know what packets carry or where they go. Each sequence number is protected once:
whoever numbers packets sees to that (docs/decisions/sending.md).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]  # compiled

from mqcam.ciphers import COUNTER, GCM
from mqcam.errors import LocalProtocolError
from mqcam.private import PrivateName

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRATCH_BYTES: Final = 65_536
"""What one system call can send."""

TAG_BYTES: Final = {
    b"SRTP_AES128_CM_SHA1_80": 10,
    b"SRTP_AEAD_AES_128_GCM": 16,
    b"SRTP_AEAD_AES_256_GCM": 16,
}
"""By how much encryption lengthens a packet, by OpenSSL's name of the profile (RFC 7714, 3711)."""

_POLICIES: Final = {
    COUNTER: (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    GCM: (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
}
"""libsrtp's name of the profile, and how many bytes of key and salt it takes."""

PRIVATE_NAMES: Final = (
    PrivateName(
        module="pylibsrtp._binding",
        path="lib",
        reason="the public way copies each packet three times and costs as much as it encrypts",
    ),
    PrivateName(
        module="pylibsrtp._binding",
        path="ffi",
        reason="hands our memory to libsrtp",
    ),
    PrivateName(
        module="pylibsrtp",
        path="Session._srtp",
        reason="the keys of a connection, as libsrtp has them",
    ),
)


class Scratch:
    """Memory in which one run of packets at a time is encrypted; all viewers share one."""

    def __init__(self) -> None:
        self.buffer = bytearray(SCRATCH_BYTES)
        self.view = memoryview(self.buffer)
        self.pointer = ffi.from_buffer("char[]", self.buffer)


class Sealer:
    """Encrypts with the keys of one connection; ``tag_bytes`` is what that adds to a packet."""

    def __init__(self, session: Session, profile: bytes, scratch: Scratch) -> None:
        self.tag_bytes = TAG_BYTES[profile]
        self.scratch = scratch
        self._session = session  # keeps the memory of the keys
        self._srtp = session._srtp[0]  # noqa: SLF001 - declared above
        self._length = ffi.new("int *")

    def seal(self, offsets: Sequence[int], lengths: Sequence[int]) -> None:
        """Encrypt the packets at these places of the scratch memory, each ``tag_bytes`` longer.

        Raises LocalProtocolError when libsrtp refuses one: nothing of the run may then be sent.
        """
        protect, srtp, pointer, length = (
            lib.srtp_protect,
            self._srtp,
            self.scratch.pointer,
            self._length,
        )
        for offset, size in zip(offsets, lengths, strict=True):
            length[0] = size
            if protect(srtp, pointer + offset, length):
                raise LocalProtocolError("a packet could not be encrypted")


def lone_sealer(profile: bytes, scratch: Scratch) -> Sealer:
    """Return one with random keys that nobody else has: to find out how long encryption takes."""
    number, size = _POLICIES[profile]
    policy = Policy(key=os.urandom(size), ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=number)
    return Sealer(Session(policy), profile, scratch)
