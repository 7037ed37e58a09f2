from __future__ import annotations

import struct

import pytest
from mqcam.ciphers import COUNTER, GCM
from mqcam.srtp import TAG_BYTES, Scratch, lone_sealer

HEADER = struct.pack("!BBHII", 0x80, 96, 7, 0, 1)
PAYLOAD = bytes(100)


def sealed(profile: bytes) -> bytes:
    scratch = Scratch()
    scratch.view[10 : 10 + len(HEADER)] = HEADER
    sealer = lone_sealer(profile, scratch)
    length = len(HEADER) + len(PAYLOAD)
    sealer.seal([10], [length])
    return bytes(scratch.view[10 : 10 + length + sealer.tag_bytes])


@pytest.mark.parametrize("profile", [COUNTER, GCM])
def test_a_lone_sealer_encrypts_with_keys_of_its_own(profile: bytes) -> None:
    once, again = sealed(profile), sealed(profile)
    for packet in (once, again):
        assert packet.startswith(HEADER)
        assert len(packet) == len(HEADER) + len(PAYLOAD) + TAG_BYTES[profile]
        assert PAYLOAD not in packet
    assert once != again
