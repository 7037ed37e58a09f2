"""The command ``mqcam-broker``: set a broker up, let devices and viewers in, run it.

It must not know how anything is done: it parses, calls and says what happened.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam import entry
from mqcam.commandline import Parser
from mqcam.errors import MqcamError
from mqcam.exits import OK, exit_code
from mqcam.files import reason
from mqcam.redaction import spoken

from mqcam_broker import shipped
from mqcam_broker.audit import cli as audit
from mqcam_broker.certificates.authority import expiry
from mqcam_broker.certificates.vigil import Vigil
from mqcam_broker.changes.membership import read_members
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.mosquitto.chatter import shown
from mqcam_broker.mosquitto.process import Listener, find_mosquitto, run_broker
from mqcam_broker.owner.publication import publish_state
from mqcam_broker.verbs import archive, foreign, founding, relay, roster, upkeep
from mqcam_broker.verbs.phrases import dir_option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

EXPIRY_WARNING_DAYS = 180


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, see ``mqcam.exits``."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return OK
    # What a broker session would log, this program says itself.
    logging.getLogger("mqcam").addHandler(logging.NullHandler())
    try:
        return int(options.command(options))
    except BrokenPipeError:
        raise
    except (MqcamError, OSError) as error:
        print(f"mqcam-broker: {spoken(_sentence(error, options))}", file=sys.stderr)
        return exit_code(error)


def _sentence(error: Exception, options: argparse.Namespace) -> str:
    if not isinstance(error, OSError):
        is_command = "with: mqcam-broker" in str(error) and "--dir" not in str(error)
        return str(error) + (dir_option(options) if is_command else "")
    remedy = "; try again with sudo" if isinstance(error, PermissionError) else ""
    return f"{error.filename or 'the system'}: {reason(error)}{remedy}"


def _parser() -> Parser:
    parser = Parser(
        prog="mqcam-broker",
        description="Set up and run the MQTT broker at which cameras and viewers meet.",
    )
    parser.add_version()
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    common = Parser(add_help=False)
    common.add_argument(
        "--dir",
        type=Path,
        default=Path(os.environ.get("MQCAM_BROKER_DIR") or shipped.DEFAULT_DIRECTORY),
        metavar="DIR",
        help="the broker's directory (default: $MQCAM_BROKER_DIR, else %(default)s)",
    )
    founding.add_init(commands, common)
    roster.add_commands(commands, common)
    upkeep.add_upkeep(commands, common)
    archive.add_archives(commands, common)
    foreign.add_foreign(commands, common)
    run = commands.add_parser(
        "run",
        parents=[common],
        help="run the broker in the foreground",
        description="Run the broker until Ctrl-C, SIGTERM, or the end of the terminal.",
    )
    run.add_argument("--verbose", action="store_true", help="show who comes and goes")
    relay.add_run_option(run)
    run.set_defaults(command=_run)
    audit.add_verbs(commands)
    return parser


def _run(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    directory.check_own()
    find_mosquitto()
    read_members(directory)
    vigil = Vigil(directory, say=lambda text: _say(f"mqcam-broker: {text}"))
    vigil.renew()
    _warn_of_expiry(directory)

    def say_ready(listener: Listener) -> None:
        problem = publish_state(directory).problem
        if problem:
            text = f"cameras and viewers do not learn who is revoked: {problem}"
            print(f"mqcam-broker: {text}", file=sys.stderr, flush=True)
        print(f"broker ready on {listener}", flush=True)

    def say_line(line: str) -> None:
        text = shown(line, is_verbose=options.verbose)
        if text is not None:
            print(text, file=sys.stderr, flush=True)

    with relay.beside(directory, options, say=_say) as look_at_relay:
        code = run_broker(
            directory,
            on_ready=say_ready,
            on_line=say_line,
            meanwhile=lambda: look_at_relay() or vigil.look(),
        )
    print("broker stopped", flush=True)
    return code


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _warn_of_expiry(directory: BrokerDirectory) -> None:
    end = expiry(directory.server_certificate.read_bytes())
    if (end - datetime.now(UTC)).days < EXPIRY_WARNING_DAYS:
        print(f"mqcam-broker: the broker's certificate ends on {end:%Y-%m-%d}", file=sys.stderr)


if __name__ == "__main__":
    entry.end_with(main)
