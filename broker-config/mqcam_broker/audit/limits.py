"""The limits of a broker: how big a letter may be, and whether a mailbox keeps one.

It must not know who may read. What it makes the broker keep ends after seconds, and is erased.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam_broker.audit import packets
from mqcam_broker.audit.caller import calling
from mqcam_broker.audit.door import new_client_id
from mqcam_broker.audit.findings import Finding, Verdict, found
from mqcam_broker.audit.packets import Letter

if TYPE_CHECKING:
    from mqcam_broker.audit.guests import Guest

LARGE_BYTES = 256 * 1024
"""Sixteen times what any message of ours has."""
KEPT_S = 30


async def judge_size(guest: Guest, topic: str) -> Finding:
    """Return whether the broker takes a letter that fills memories."""
    check = "a very large letter"
    async with calling(guest.door, guest.account, client_id=new_client_id()) as caller:
        limit = caller.welcome.largest_packet_bytes if caller.welcome is not None else None
        if limit is not None and limit <= LARGE_BYTES:
            return found(check, guest.who, Verdict.OK, f"{limit} bytes at most, the broker says")
        reason = await caller.publish(Letter(topic=topic, payload=bytes(LARGE_BYTES)))
    if reason is not None and reason < packets.FAILURE:
        text = f"{LARGE_BYTES // 1024} KiB are taken: limit them (mosquitto: max_packet_size)"
        return found(check, guest.who, Verdict.BAD, text)
    if reason == packets.NOT_AUTHORIZED:
        return found(check, guest.who, Verdict.UNKNOWN, "was refused for another reason")
    return found(check, guest.who, Verdict.OK, "is refused")


async def judge_retained(guest: Guest, topic: str) -> Finding:
    """Return whether a mailbox can be made to keep a letter for whoever reads it next."""
    check = "a letter that is kept"
    kept = Letter(topic=topic, payload=b"mqcam-broker audit", retain=True, expiry_s=KEPT_S)
    async with calling(guest.door, guest.account, client_id=new_client_id()) as caller:
        try:
            reason = await caller.publish(kept)
        finally:
            await caller.publish(Letter(topic=topic, payload=b"", retain=True))
    if reason is not None and reason < packets.FAILURE:
        text = "is taken (mosquitto cannot forbid it); cameras and viewers drop such letters"
        return found(check, guest.who, Verdict.NOTE, text)
    return found(check, guest.who, Verdict.OK, "is refused")
