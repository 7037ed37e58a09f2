"""The owner's latest word: obeyed if it is newer, kept over restarts, never taken back.

It must not know what follows from it: whoever makes it is called with each new state.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mqcam import files
from mqcam.errors import DocumentRefused
from mqcam.log import fields
from mqcam.protocol.bucket import Buckets
from mqcam.trust.ownerstate import PAYLOAD_MAX_BYTES, OwnerState, read_owner_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

CHECKS_BURST = 10.0
CHECKS_PER_S = 5.0
"""Payloads on the owner's topic that are looked at; more are dropped unread."""


class OwnerWord:
    """Hold the owner's state with the highest number that was ever seen.

    A file that cannot be read or verified is as none: the broker keeps the state too. Without an
    ``owner`` nothing is obeyed.
    """

    def __init__(
        self,
        *,
        topic: str,
        owner: str | None,
        path: Path,
        on_state: Callable[[OwnerState], None],
    ) -> None:
        self._topic = topic
        self._owner = owner
        self._path = path
        self._on_state = on_state
        self._checks = Buckets(burst=CHECKS_BURST, per_s=CHECKS_PER_S, names_max=1)
        self._refused = ""
        self.state = self._load()

    def receive(self, payload: bytes, now: float) -> None:
        """Obey a newer state; refuse anything else, with a line in the log per new reason."""
        if self._owner is None or not self._checks.take("", now):
            return
        try:
            state = read_owner_state(payload, self._topic, owner=self._owner)
        except DocumentRefused as error:
            self._refuse(error.text)
            return
        if state.number < self.state.number:
            self._refuse(
                f"state {state.number} came after state {self.state.number}: somebody holds back "
                "or replays the owner's word"
            )
        elif state.number > self.state.number:
            self._obey(state, payload)

    def _refuse(self, why: str) -> None:
        if why != self._refused:
            self._refused = why
            logger.warning("owner's state refused", extra=fields(reason=why))

    def _obey(self, state: OwnerState, payload: bytes) -> None:
        self.state = state
        self._keep(payload)
        logger.info("owner's state", extra=fields(number=state.number, revoked=len(state.revoked)))
        self._on_state(state)

    def _load(self) -> OwnerState:
        if self._owner is None:
            return OwnerState()
        try:
            payload = files.read_bounded(self._path, limit_bytes=PAYLOAD_MAX_BYTES)
            return read_owner_state(payload, self._topic, owner=self._owner)
        except FileNotFoundError:
            return OwnerState()
        except (OSError, DocumentRefused) as error:
            logger.warning(
                "the remembered owner's state cannot be used: the broker is asked for it",
                extra=fields(file=str(self._path), reason=str(error)),
            )
            return OwnerState()

    def _keep(self, payload: bytes) -> None:
        # In the loop: it happens when an owner removes somebody, and a revocation must survive
        # the power cut that follows it.
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(self._path, payload)
        except OSError as error:
            logger.warning(
                "the owner's state cannot be remembered",
                extra=fields(file=str(self._path), reason=files.reason(error)),
            )
