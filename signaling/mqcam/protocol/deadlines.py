"""Every timer of the protocol in one value, so that tests run them all at a tenth.

It must not know who waits: the numbers are facts of the wire, explained in docs/protocol.md.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Hold every timer of the protocol in seconds."""

    offer_resend_s: tuple[float, ...] = (3.0, 7.0)
    """An offer without an answer goes out again this long after the first time."""
    offer_unheard_s: tuple[float, ...] = (0.25, 0.5, 1.0)
    """An offer of which the broker says that nobody listens goes out again after these waits, the
    last of them from then on."""
    offer_give_up_s: float = 10.0
    """The viewer stops waiting for an answer this long after its first offer."""
    answer_s: float = 10.0
    """The device's own shell answers or refuses an offer within this."""
    connect_s: float = 10.0
    """From the answer to the connection, at both ends."""
    candidate_wait_s: float = 10.0
    """Candidates wait this long for the SDP that they belong to."""
    candidate_batch_s: float = 0.02
    """Local candidates found within this share one message."""
    silence_s: float = 8.0
    """A connected session ends this long after its last authenticated packet."""
    silence_after_gone_s: float = 3.0
    """The same, after the broker said that the other side is gone."""
    status_refresh_s: float = 300.0
    """A device signs and sends its status again this often."""
    status_ttl_s: float = 900.0
    """A status that was not renewed for this long says nothing any more."""
    status_repair_s: float = 5.0
    """A device overwrites a foreign status of itself at most this often."""
    nonce_rotate_s: float = 3600.0
    """A device takes a new nonce at least this often."""
    nonce_grace_s: float = 60.0
    """The nonce before the current one is accepted for this long."""
    unauthorized_interval_s: float = 5.0
    """A refused sender without a session is told at most this often, per name and code."""
    keyframe_interval_s: float = 0.3
    """Requests for a keyframe are coalesced to one per interval."""
    message_ttl_s: float = 20.0
    """The broker forgets an undelivered message of a session after this."""

    def scaled(self, factor: float) -> Deadlines:
        """Return the same timers, each multiplied by ``factor``."""
        values: dict[str, float | tuple[float, ...]] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            values[field.name] = (
                tuple(part * factor for part in value)
                if isinstance(value, tuple)
                else value * factor
            )
        return Deadlines(**values)  # type: ignore[arg-type]  # names come from the fields
