"""The owner's latest word: obeyed if it is newer, kept over restarts, never taken back.

It must not know what follows from it: whoever makes it is called with each new state.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from mqcam import files
from mqcam.errors import DocumentRefused
from mqcam.log import fields
from mqcam.protocol.bucket import Buckets
from mqcam.trust.ownerstate import PAYLOAD_MAX_BYTES, OwnerState, read_owner_state
from mqcam.trust.scribe import Scribe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

CHECKS_BURST = 10.0
CHECKS_PER_S = 5.0
"""Payloads on the owner's topic that are looked at; more are dropped unread."""
COPY = ".copy"
"""What the second file of the same content has at the end of its name."""

_TELL_S = 1.0


class OwnerWord:
    """Hold the owner's state with the highest number that was ever seen.

    It is obeyed at once and written beside the event loop, into two files one after the other: of
    what can be read and verified at the next start the highest number counts. If neither can, the
    broker is asked as at the first start; a number in a file that nobody signed counts for nothing,
    as one flipped bit could raise it above all that the owner will ever say. A state below
    ``lowest``, the number when the credentials were written, is never news. Without an ``owner``
    nothing is obeyed.
    """

    def __init__(
        self,
        *,
        topic: str,
        owner: str | None,
        path: Path,
        on_state: Callable[[OwnerState], None],
        lowest: int = 0,
    ) -> None:
        self.topic = topic
        self._owner = owner
        self._paths = (path, path.with_name(path.name + COPY))
        self._on_state = on_state
        self._lowest = lowest
        self._checks = Buckets(burst=CHECKS_BURST, per_s=CHECKS_PER_S, names_max=1)
        self._told_at = -math.inf
        self._payload = b""
        self._scribe = Scribe(self._save, name="owner state")
        self.state = self._load()

    @property
    def is_wanted(self) -> bool:
        """Return whether there is an owner whose word counts."""
        return self._owner is not None

    def receive(self, payload: bytes, now: float) -> bool:
        """Obey a newer state; refuse anything else, with at most one line in the log a second.

        False for what is no word of the owner, or an older one.
        """
        if self._owner is None or not self._checks.take("", now):
            return False
        try:
            state = read_owner_state(payload, self.topic, owner=self._owner)
        except DocumentRefused as error:
            self._refuse(error.text, now)
            return False
        known = max(self.state.number, self._lowest)
        if state.number < known:
            self._refuse(
                f"state {state.number} came after state {known}: somebody holds back "
                "or replays the owner's word",
                now,
            )
            return False
        if state.number > self.state.number:
            self._obey(state, payload)
        elif state != self.state:
            self._refuse(
                f"there are two different states {state.number}: the owner's folder was restored "
                "from an old backup; any change that the owner makes next ends this",
                now,
            )
        return True

    def close(self) -> None:
        """Wait until the state is written."""
        self._scribe.close()

    def _refuse(self, why: str, now: float) -> None:
        if now - self._told_at >= _TELL_S:
            self._told_at = now
            logger.warning("owner's state refused", extra=fields(reason=why))

    def _obey(self, state: OwnerState, payload: bytes) -> None:
        self.state, self._payload = state, payload
        self._scribe.request()
        logger.info("owner's state", extra=fields(number=state.number, revoked=len(state.revoked)))
        self._on_state(state)

    def _load(self) -> OwnerState:
        if self._owner is None:
            return OwnerState()
        found = [each for each in map(self._read, self._paths) if each is not None]
        if not found:
            return OwnerState()
        state, self._payload = max(found, key=lambda each: each[0].number)
        if len(set(found)) > 1 or len(found) < len(self._paths):
            self._scribe.request()  # a power cut came between the two, or a disk lost one
        return state

    def _read(self, path: Path) -> tuple[OwnerState, bytes] | None:
        try:
            payload = files.read_bounded(path, limit_bytes=PAYLOAD_MAX_BYTES)
            return read_owner_state(payload, self.topic, owner=self._owner or ""), payload
        except FileNotFoundError:
            return None
        except (OSError, DocumentRefused) as error:
            reason = files.reason(error) if isinstance(error, OSError) else error.text
            logger.warning(
                "a remembered owner's state cannot be used: its copy or the broker has it too",
                extra=fields(file=str(path), reason=reason),
            )
            return None

    def _save(self) -> None:
        payload = self._payload
        for path in self._paths:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                files.write_atomically(path, payload)
            except OSError as error:
                logger.warning(
                    "the owner's state cannot be remembered",
                    extra=fields(file=str(path), reason=files.reason(error)),
                )
                return
