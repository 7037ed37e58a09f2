"""Which SRTP ciphers are offered, by what the processor is good at.

It must not know where the text about the processor comes from, nor who picks of what is offered.
"""

from __future__ import annotations

import re
from typing import Final

GCM: Final = b"SRTP_AEAD_AES_128_GCM"
COUNTER: Final = b"SRTP_AES128_CM_SHA1_80"
"""The one that everybody must have (RFC 8827 section 6.5)."""

_FLAGS: Final = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)


def has_aes(processor: str) -> bool:
    """Tell from the text of ``/proc/cpuinfo`` whether it has instructions for AES.

    A Raspberry Pi 4 has none, a Pi 5 and nearly every PC do.
    """
    found = _FLAGS.search(processor)
    return found is not None and "aes" in found.group(1).split()


def offered_ciphers(processor: str) -> tuple[bytes, ...]:
    """Return the OpenSSL names of what a camera offers, best first.

    The viewer picks: one of ours or aiortc's takes GCM where it is offered, Chromium the other.
    256 bits are not offered: they cost more, and the key exchange is not stronger than 128.
    """
    return (GCM, COUNTER) if has_aes(processor) else (COUNTER,)
