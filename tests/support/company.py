"""Two cameras and two viewers at one broker, as tests of its rules need them, and an owner.

It must not know what is forbidden. Alice was granted every camera, Bob only ``cam2``.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, TypeAlias

from mqcam.credentials import Kind, load_credentials
from mqcam.protocol.topics import Namespace
from support.broker import ShippedBroker
from support.client import BareClient, Will

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mqcam.credentials import Credentials

Connect: TypeAlias = "Callable[..., BareClient]"
"""Connects as one of the company."""

TOPICS = Namespace()
KINDS: dict[str, Kind] = {"cam1": "device", "cam2": "device", "alice": "viewer", "bob": "viewer"}
USER_BY_USER, FLEET = "rules for each user", "rules for the fleet"
RULES = (USER_BY_USER, FLEET)
"""The two forms in which `mqcam-broker init` writes its rules."""


class RuledBroker(ShippedBroker):
    """A shipped broker with one of the two forms of rules."""

    def __init__(self, rules: str) -> None:
        self.rules = rules
        super().__init__()

    def command(self, name: str, *arguments: str) -> str:
        """Run a command of the owner's tool, ``init`` for these rules."""
        more = ("--fleet",) if name == "init" and self.rules == FLEET else ()
        return super().command(name, *arguments, *more)

    def as_user(self, name: str) -> Credentials:
        """Return the credentials of one of the company."""
        return load_credentials(self.credentials(KINDS[name], name))


@contextlib.contextmanager
def company(rules: str) -> Iterator[RuledBroker]:
    """Run a broker at which everybody is known."""
    broker = RuledBroker(rules)
    bobs = broker.root / "bob.viewer.yaml"
    try:
        for name in ("cam1", "cam2", "alice"):
            broker.credentials(KINDS[name], name)
        broker.command("add-viewer", "bob", "--camera", "cam2", "--output", str(bobs))
        yield broker.start()
    finally:
        broker.close()


@contextlib.contextmanager
def connections(broker: RuledBroker) -> Iterator[Connect]:
    """Yield what connects as somebody, by default with the subscriptions that his program makes."""
    numbers = itertools.count()
    with contextlib.ExitStack() as stack:

        def connect(
            name: str, *, suffix: str = "", will: Will | None = None, retain_handling: int = 0
        ) -> BareClient:
            client_id = f"{name}-{suffix or next(numbers)}"
            client = BareClient(broker.as_user(name), client_id=client_id, will=will)
            stack.enter_context(client)
            client.subscribe(own_filter(name), retain_handling=retain_handling)
            return client

        yield connect


def own_filter(name: str) -> str:
    """Return the filter for everything that is written to somebody."""
    own = TOPICS.device_filter if KINDS[name] == "device" else TOPICS.viewer_filter
    return own(name)


def mailbox(reader: str, writer: str, session: str = "s1") -> str:
    """Return the topic on which ``writer`` reaches ``reader``."""
    to = TOPICS.to_device if KINDS[reader] == "device" else TOPICS.to_viewer
    return to(reader, writer, session)


def lose_and_return(connect: Connect, name: str, will: Will) -> None:
    """Lose a client with a will; its return under the same id proves that the will is done."""
    connect(name, suffix="lost", will=will).drop()
    connect(name, suffix="lost")
