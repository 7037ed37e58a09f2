"""What the owner says to all cameras and viewers at once: the stored, signed owner state.

It must not know how it reaches them.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from mqcam.errors import DocumentRefused, SetupError
from mqcam.files import read_bounded, write_atomically
from mqcam.protocol.topics import Namespace
from mqcam.trust.ownerstate import PAYLOAD_MAX_BYTES, OwnerState, read_owner_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.trust.keys import SigningKey

    from mqcam_broker.folder.directory import BrokerDirectory


def read_state(directory: BrokerDirectory) -> OwnerState:
    """Return what the owner said last; raise SetupError when the file is damaged."""
    topic = Namespace(directory.read_decisions().namespace).owner_state()
    payload = read_payload(directory)
    try:
        return read_owner_state(payload, topic, owner=directory.read_owner())
    except DocumentRefused as error:
        raise SetupError(
            f"{directory.owner_state}: {error}",
            "take it from a backup: it says who is revoked, and a new one would forget them",
        ) from error


def read_payload(directory: BrokerDirectory) -> bytes:
    """Return the signed bytes that are published; raise OSError."""
    return read_bounded(directory.owner_state, limit_bytes=PAYLOAD_MAX_BYTES)


def change_state(
    directory: BrokerDirectory, owner: SigningKey, change: Callable[[OwnerState], OwnerState]
) -> OwnerState:
    """Sign and store what ``change`` makes of the state; the caller holds the directory's lock.

    The number is the second of today: so it is also higher than those that were given out after
    the backup was made that somebody restores.
    """
    last = read_state(directory)
    number = max(last.number + 1, int(time.time()))
    state = dataclasses.replace(change(last), number=number)
    topic = Namespace(directory.read_decisions().namespace).owner_state()
    write_atomically(directory.owner_state, state.issue(owner, topic), mode=0o644)
    return state


def revoke(directory: BrokerDirectory, owner: SigningKey, serial: str) -> OwnerState:
    """Say that what was signed under ``serial`` no longer counts; the caller holds the lock."""

    def with_serial(state: OwnerState) -> OwnerState:
        revoked = dict.fromkeys((*state.revoked, serial))
        return dataclasses.replace(state, revoked=tuple(revoked))

    return change_state(directory, owner, with_serial)


def first_state(owner: SigningKey, namespace: str) -> bytes:
    """Return the signed state of a new broker: nobody is revoked."""
    return OwnerState(number=int(time.time())).issue(owner, Namespace(namespace).owner_state())
