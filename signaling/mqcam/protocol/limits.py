"""Every bound of a table of the protocol in one value, each with what happens when it is full.

It must not know the tables themselves.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hold every bound of the protocol."""

    bucket_burst: float = 60.0
    """Messages of one sender that may arrive at once; more are dropped unread."""
    bucket_per_s: float = 20.0
    """Messages of one sender per second that may arrive for ever."""
    bucket_names: int = 256
    """Senders with a bucket of their own; the rest share one."""
    doubt_burst: float = 100.0
    """Messages at once from viewers who never proved a right; a device drops more unread."""
    doubt_per_s: float = 50.0
    """The same, per second for ever."""
    doubt_name_burst: float = 20.0
    """Of these, messages at once under one name: few accounts must not keep all newcomers out."""
    doubt_name_per_s: float = 2.0
    """The same, per second for ever."""
    quota_names: int = 64
    """Refused senders that are remembered; the rest are refused without a word."""
    graves: int = 1024
    """Ended sessions remembered per nonce; a full table rotates the nonce."""
    held_messages: int = 32
    """Candidate messages held for one SDP; later ones are dropped."""
    held_candidates: int = 32
    """Candidates held for one SDP; later ones are dropped."""
    waiting_sessions: int = 64
    """Sessions whose candidates came before their offer; later ones are dropped."""
    waiting_per_key: int = 4
    """The same, of one sender: of one key, and of one name."""
    session_candidates: int = 128
    """Candidates that one session may bring, or find; later ones are dropped."""
    devices: int = 1024
    """Devices whose status a viewer remembers; one that never said anything makes room, else the
    status of a further one is dropped."""
    stale_retries: int = 2
    """How often a viewer offers again with a new nonce before it gives up."""
