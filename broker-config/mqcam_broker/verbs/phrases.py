"""What several commands of the owner's tool say in the same words.

It must not know how anything is done.
"""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from mqcam.broker import BrokerAddress

from mqcam_broker import shipped
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.mosquitto.process import Reload, listeners, running_broker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from mqcam_broker.owner.publication import Publication


def counted(number: int, what: str) -> str:
    """Return a number of ``what``, which is given in the singular."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def dir_option(options: argparse.Namespace) -> str:
    """Return what must be typed to name the same directory again."""
    if options.dir == shipped.DEFAULT_DIRECTORY:
        return ""
    return f" --dir {shlex.quote(str(options.dir))}"


def say_reload(reload: Reload, options: argparse.Namespace, *, removed: str | None = None) -> None:
    """Say what is left to do until the broker knows the members; ``removed`` is one fewer."""
    if reload is Reload.NOT_RUNNING:
        where = dir_option(options)
        print(f"The broker is not running; start it with: mqcam-broker run{where}")
    elif reload is Reload.ELSEWHERE:
        _say_elsewhere(options, removed=removed)
    elif reload is Reload.FORBIDDEN:
        pid = running_broker(BrokerDirectory(options.dir))
        print(f"The running broker belongs to another user: tell it with sudo kill -HUP {pid}")
        print("or restart it.")


def _say_elsewhere(options: argparse.Namespace, *, removed: str | None) -> None:
    """Say what is left to do at somebody else's broker."""
    where = dir_option(options)
    shared = BrokerDirectory(options.dir).read_decisions().shared_user
    if shared is None and removed is None:
        print(f"The broker does not know it yet: paste what mqcam-broker export --existing{where}")
        print("prints into its files, and let it read them again.")
    elif shared is None:
        print(f"The broker still lets {removed} in, until you take {removed}'s lines out of its")
        print(
            "files (users and rules) and let it read them again. What belongs there is printed by:"
        )
        print(f"  mqcam-broker export --existing{where}")
    elif removed is not None:
        print(f"The broker still lets {removed} in, as everybody: as {shared}. To end that, give")
        print(f"{shared} another password there, and write it into the file of everybody else.")


def say_ports(directory: BrokerDirectory, addresses: Iterable[str]) -> None:
    """Say at which ports of ``addresses`` a broker with this configuration would not listen."""
    own = [each.port for each in listeners(directory.configuration)]
    asked = dict.fromkeys(BrokerAddress.parse(url).port for url in addresses)
    deaf = [str(port) for port in asked if port not in own]
    if not deaf:
        return
    lines = " and ".join(f"'listener {port}'" for port in own)
    print(f"mosquitto.conf says {lines}: nothing listens on port {', '.join(deaf)}.")
    print("Unless a router leads to it from there, change that line at the new place before the")
    print(f"broker starts: {directory.configuration}")


def say_publication(
    publication: Publication, options: argparse.Namespace, *, what: str = "revocation"
) -> bool:
    """Say who has heard of a change; return False when the owner has to do something."""
    if publication.is_done:
        print(f"The {what} is published: cameras and viewers obey as soon as they are online.")
        return True
    if not publication.problem:
        print(f"The {what} is signed; the broker publishes it when it starts.")
        return True
    print(
        f"mqcam-broker: the {what} is signed but not published, so that cameras and viewers do "
        f"not know it yet: {publication.problem}; try again with: mqcam-broker publish"
        + dir_option(options),
        file=sys.stderr,
    )
    return False
