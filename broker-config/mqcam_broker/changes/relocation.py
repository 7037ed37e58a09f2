"""Another place for the broker: decided, signed by the owner, told to everybody.

It must not know the command line, nor who publishes what was signed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mqcam.errors import UsageError
from mqcam.files import write_atomically
from mqcam.trust.ownerstate import BROKERS_MAX

from mqcam_broker.folder.addresses import broker_address, existing_addresses
from mqcam_broker.mosquitto.process import listeners
from mqcam_broker.owner.decree import change_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mqcam_broker.folder.directory import BrokerDirectory
    from mqcam_broker.folder.settings import BrokerDecisions


def move(
    directory: BrokerDirectory, places: Sequence[str], *, owner_key: Path | None = None
) -> BrokerDecisions:
    """Decide and sign that the broker is reached at ``places``; return the decisions.

    Raises UsageError for what no client could use, CredentialsError for the owner's key.
    """
    with directory.locked():
        decisions = directory.read_decisions()
        addresses = _addresses(directory, decisions, places)
        if len(addresses) > BROKERS_MAX:
            raise UsageError(f"{len(addresses)} addresses", f"give at most {BROKERS_MAX}")
        owner = directory.read_owner_key(owner_key)
        moved = dataclasses.replace(decisions, addresses=addresses)
        # The state first: if we are interrupted, typing the same again does the rest.
        change_state(directory, owner, lambda state: dataclasses.replace(state, brokers=addresses))
        write_atomically(directory.decisions, moved.text().encode(), mode=0o644)
    return moved


def _addresses(
    directory: BrokerDirectory, decisions: BrokerDecisions, places: Sequence[str]
) -> tuple[str, ...]:
    if decisions.existing:
        return existing_addresses(places)
    ports = [each.port for each in listeners(directory.configuration)]
    ws_port = ports[1] if len(ports) > 1 else None
    urls = (str(broker_address(place, port=ports[0], ws_port=ws_port)) for place in places)
    return tuple(dict.fromkeys(urls))
