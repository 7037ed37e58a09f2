"""The command ``mqcam-broker``: set a broker up, let devices and viewers in, run it.

It must not know how anything is done: it parses, calls and says what happened.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam import entry
from mqcam.commandline import Parser
from mqcam.errors import MqcamError, UsageError
from mqcam.exits import OK, exit_code
from mqcam.files import reason

from mqcam_broker import shipped
from mqcam_broker.addresses import broker_address, own_hosts
from mqcam_broker.authority import expiry
from mqcam_broker.chatter import shown
from mqcam_broker.directory import BrokerDirectory, Plan, default_user
from mqcam_broker.members import KINDS
from mqcam_broker.membership import Admission, add_member, read_members, remove_member
from mqcam_broker.names import check_name
from mqcam_broker.process import Listener, Reload, find_mosquitto, run_broker, running_broker
from mqcam_broker.settings import BrokerDecisions

if TYPE_CHECKING:
    from collections.abc import Sequence

HIGHEST_PORT = 65535
EXPIRY_WARNING_DAYS = 180


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, see ``mqcam.exits``."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return OK
    try:
        return int(options.command(options))
    except BrokenPipeError:
        raise
    except (MqcamError, OSError) as error:
        print(f"mqcam-broker: {_sentence(error, options)}", file=sys.stderr)
        return exit_code(error)


def _sentence(error: Exception, options: argparse.Namespace) -> str:
    if not isinstance(error, OSError):
        is_command = "with: mqcam-broker" in str(error) and "--dir" not in str(error)
        return str(error) + (_dir_option(options) if is_command else "")
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
    _add_init(commands, common)
    for kind in KINDS:
        add = commands.add_parser(
            f"add-{kind}",
            parents=[common],
            help=f"let a {kind} in: writes its credentials file",
            description=f"Let a {kind} in and write the credentials file with its password.",
        )
        add.add_argument(
            "name", metavar="NAME", help="1 to 64 letters (A-Z, a-z), digits, '-' and '_'"
        )
        add.add_argument(
            "--output",
            type=Path,
            metavar="FILE",
            help=f"the file to write (default: NAME.{kind}.yaml in the current folder)",
        )
        add.set_defaults(command=_add, kind=kind)
    remove = commands.add_parser(
        "remove",
        parents=[common],
        help="shut a device or viewer out, at once",
        description="Shut a device or viewer out; the running broker ends its connection.",
    )
    remove.add_argument("name", metavar="NAME", help="as 'mqcam-broker list' shows it")
    remove.set_defaults(command=_remove)
    listing = commands.add_parser(
        "list", parents=[common], help="who may come in", description="Show who may come in."
    )
    listing.set_defaults(command=_list)
    run = commands.add_parser(
        "run",
        parents=[common],
        help="run the broker in the foreground",
        description="Run the broker until Ctrl-C, SIGTERM, or the end of the terminal.",
    )
    run.add_argument("--verbose", action="store_true", help="show who comes and goes")
    run.set_defaults(command=_run)
    return parser


def _add_init(
    commands: "argparse._SubParsersAction[Parser]",  # noqa: UP037 - no such class at run time
    common: Parser,
) -> None:
    init = commands.add_parser(
        "init",
        parents=[common],
        help="make the directory: certificates, rules, configuration",
        description="Make the broker's directory: certificates, rules, configuration.",
    )
    init.add_argument(
        "--address",
        nargs="+",
        action="extend",
        default=[],
        metavar="ADDRESS",
        help="where devices and viewers reach the broker: host, host:port or URL; several are "
        "tried together (default: the addresses of this machine)",
    )
    init.add_argument(
        "--port",
        type=_port,
        default=shipped.DEFAULT_PORT,
        metavar="N",
        help="listen on this port (default: %(default)s)",
    )
    init.add_argument(
        "--ws-port",
        type=_port,
        metavar="N",
        help=f"also listen for browsers (usually {shipped.DEFAULT_WS_PORT}; default: do not)",
    )
    init.add_argument(
        "--bind", type=_ip, metavar="IP", help="listen on this address only (default: on all)"
    )
    init.add_argument(
        "--namespace",
        default=shipped.DEFAULT_NAMESPACE,
        metavar="NAME",
        help="the first level of every topic (default: %(default)s)",
    )
    init.add_argument(
        "--user", metavar="USER", help="who runs the broker (default: mosquitto's own, if root)"
    )
    init.set_defaults(command=_init)


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= HIGHEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 1 to {HIGHEST_PORT}")


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        hint = "give one of this machine (names go to --address)"
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address: {hint}") from error


def _init(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    directory.create(_plan(options))
    decisions = directory.read_decisions()
    print(f"The broker is set up in {directory.path}.")
    print("Devices and viewers will look for it at " + ", ".join(decisions.addresses) + ".")
    where = _dir_option(options)
    print(f"Next: mqcam-broker run{where}")
    print(f"and:  mqcam-broker add-device front-door{where}")
    print(f"Keep a copy of {directory.path}: without ca.key everybody needs new credentials.")
    return OK


def _plan(options: argparse.Namespace) -> Plan:
    if options.user is None and os.geteuid() == 0:
        find_mosquitto()  # its package makes the user; without it the broker would run as root
    if options.ws_port == options.port:
        raise UsageError("--port and --ws-port are the same", "give two different ports")
    hosts = options.address or ([options.bind] if options.bind else own_hosts())
    addresses = (
        str(broker_address(host, port=options.port, ws_port=options.ws_port)) for host in hosts
    )
    return Plan(
        decisions=BrokerDecisions(
            addresses=tuple(dict.fromkeys(addresses)),
            namespace=check_name(options.namespace, what="a namespace"),
        ),
        user=options.user or default_user(),
        port=options.port,
        ws_port=options.ws_port,
        bind=options.bind,
    )


def _add(options: argparse.Namespace) -> int:
    output = options.output or Path(f"{options.name}.{options.kind}.yaml")
    admission = Admission(kind=options.kind, name=options.name, output=output)
    added = add_member(BrokerDirectory(options.dir), admission)
    print(f"{options.name} may come in with {added.file}, which holds its password.")
    _say_reload(added.reload, options)
    if options.kind == "device":
        print(f"Next: copy it to the camera (scp {added.file} CAMERA:), name it in the agent's")
        print(
            "      configuration under 'credentials', try mqcam-device check, and delete this copy."
        )
    else:
        print("Next: hand it to that person in a safe way (scp or a USB stick, not by mail);")
        print(f"      there: mqcam-viewer list --credentials {added.file.name}")
    return OK


def _remove(options: argparse.Namespace) -> int:
    member, reload = remove_member(BrokerDirectory(options.dir), options.name)
    print(f"The {member.kind} {member.name} is shut out.")
    if reload is Reload.DONE:
        print("If it was connected, the broker has ended its connection.")
        print("A video that is running ends with its session: the broker is not part of it.")
    _say_reload(reload, options)
    return OK


def _list(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    members = directory.read_members()
    for kind in KINDS:
        for member in members.of_kind(kind):
            print(f"{kind:<7} {member.name}")
    if not members.by_name:
        print("Nobody yet; begin with: mqcam-broker add-device front-door" + _dir_option(options))
    return OK


def _run(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    find_mosquitto()
    read_members(directory)
    _warn_of_expiry(directory)

    def say_ready(listener: Listener) -> None:
        print(f"broker ready on {listener}", flush=True)

    def say_line(line: str) -> None:
        text = shown(line, is_verbose=options.verbose)
        if text is not None:
            print(text, file=sys.stderr, flush=True)

    code = run_broker(directory, on_ready=say_ready, on_line=say_line)
    print("broker stopped", flush=True)
    return code


def _warn_of_expiry(directory: BrokerDirectory) -> None:
    end = expiry(directory.server_certificate.read_bytes())
    if (end - datetime.now(UTC)).days < EXPIRY_WARNING_DAYS:
        print(f"mqcam-broker: the broker's certificate ends on {end:%Y-%m-%d}", file=sys.stderr)


def _say_reload(reload: Reload, options: argparse.Namespace) -> None:
    if reload is Reload.NOT_RUNNING:
        where = _dir_option(options)
        print(f"The broker is not running; start it with: mqcam-broker run{where}")
    elif reload is Reload.FORBIDDEN:
        pid = running_broker(BrokerDirectory(options.dir))
        print(f"The running broker belongs to another user: tell it with sudo kill -HUP {pid}")
        print("or restart it.")


def _dir_option(options: argparse.Namespace) -> str:
    return (
        ""
        if options.dir == shipped.DEFAULT_DIRECTORY
        else f" --dir {shlex.quote(str(options.dir))}"
    )


if __name__ == "__main__":
    entry.end_with(main)
