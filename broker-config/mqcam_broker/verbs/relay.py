"""The options about the relay: ``init --turn`` and ``run --turn``.

It must not know what a relay is made of.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mqcam_broker.mosquitto.process import Listener
from mqcam_broker.relay.turn import TurnDecisions, TurnFiles, checked
from mqcam_broker.relay.turnserver import Turnserver, find_turnserver
from mqcam_broker.verbs.phrases import dir_option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from mqcam.commandline import Parser

    from mqcam_broker.folder.directory import BrokerDirectory


def add_init_options(init: Parser) -> None:
    """Add what says that there is to be a relay."""
    init.add_argument(
        "--turn",
        nargs="+",
        metavar="ADDRESS",
        help="also prepare a relay (TURN) for networks without a direct path: this machine's name "
        "or address as cameras and viewers reach it from elsewhere",
    )
    init.add_argument(
        "--turn-private",
        action="store_true",
        help="let the relay reach private addresses too, for a relay inside a home or company",
    )


def planned(options: argparse.Namespace) -> TurnDecisions | None:
    """Return what ``init`` was asked for; raises UsageError."""
    if options.turn is None:
        return None
    return checked(
        TurnDecisions(
            hosts=tuple(options.turn), bind=options.bind, private_peers=options.turn_private
        )
    )


def add_run_option(run: Parser) -> None:
    """Add what says that the relay is to run too."""
    run.add_argument(
        "--turn",
        nargs="*",
        metavar="ADDRESS",
        help="also run the relay (coturn); with ADDRESS it is set up first, or its address changed",
    )


@contextlib.contextmanager
def beside(
    directory: BrokerDirectory, options: argparse.Namespace, *, say: Callable[[str], None]
) -> Iterator[Callable[[], bool]]:
    """Run the relay if it was asked for; what is returned wants to be called every second.

    It returns False: mosquitto has not to be started anew. Raises MissingRequirement, NotSetUp,
    UsageError, ConfigError and SetupError.
    """
    if options.turn is None:
        yield lambda: False
        return
    find_turnserver()
    files = TurnFiles(directory)
    files.lead_to(options.turn)
    if options.turn:
        where = dir_option(options)
        say(f"a camera learns of the relay with: mqcam-broker add-device NAME --replace{where}")
    decisions = files.read_decisions()
    listener = Listener(port=decisions.port, bind=decisions.bind)

    def show(line: str) -> None:
        if options.verbose and line:
            say(f"turnserver: {line}")

    with Turnserver(
        write_configuration=files.write_configuration,
        listens_at=(listener.reachable_host, listener.port),
        certificate=directory.server_certificate,
        user_id=directory.state.stat().st_uid,
        on_line=show,
        say=lambda text: say(f"mqcam-broker: {text}"),
    ) as server:
        say(f"relay ready on {listener}")

        def look() -> bool:
            server.look()
            return False

        yield look
