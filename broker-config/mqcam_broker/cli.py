"""The command ``mqcam-broker``: set a broker up, let devices and viewers in, run it.

It must not know how anything is done: it parses, calls and says what happened.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mqcam.errors import ConfigError, CredentialsError, MqcamError, NotSetUp, UsageError
from mqcam.files import reason

from mqcam_broker import shipped
from mqcam_broker.addresses import broker_address, own_hosts
from mqcam_broker.authority import expiry
from mqcam_broker.directory import BrokerDirectory, Plan, default_user
from mqcam_broker.members import KINDS
from mqcam_broker.membership import add_member, read_members, remove_member
from mqcam_broker.names import check_name
from mqcam_broker.process import Listener, Reload, find_mosquitto, run_broker
from mqcam_broker.settings import BrokerDecisions

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_OK, EXIT_FAILURE, EXIT_USAGE, EXIT_CONFIGURATION = 0, 1, 2, 78
HIGHEST_PORT = 65535
EXPIRY_WARNING_DAYS = 180


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 ok, 2 usage, 78 configuration, 1 the rest."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (MqcamError, OSError) as error:
        print(f"mqcam-broker: {_sentence(error)}", file=sys.stderr)
        return _exit_code(error)


def _sentence(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    remedy = "; try again with sudo" if isinstance(error, PermissionError) else ""
    return f"{error.filename or 'the system'}: {reason(error)}{remedy}"


def _exit_code(error: Exception) -> int:
    if isinstance(error, UsageError):
        return EXIT_USAGE
    return (
        EXIT_CONFIGURATION
        if isinstance(error, ConfigError | CredentialsError | NotSetUp)
        else EXIT_FAILURE
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mqcam-broker",
        description="Set up and run the MQTT broker at which cameras and viewers meet.",
        epilog="Exit codes: 0 ok, 1 it failed, 2 wrong usage, 78 the directory is damaged or "
        "missing.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--dir",
        type=Path,
        default=Path(os.environ.get("MQCAM_BROKER_DIR") or shipped.DEFAULT_DIRECTORY),
        metavar="D",
        help="the broker's directory (default: $MQCAM_BROKER_DIR, else %(default)s)",
    )
    _add_init(commands, common)
    for kind in KINDS:
        add = commands.add_parser(
            f"add-{kind}", parents=[common], help=f"let a {kind} in: writes its credentials file"
        )
        add.add_argument("name", metavar="NAME")
        add.add_argument(
            "--output",
            type=Path,
            metavar="FILE",
            help=f"the file to write (default: NAME.{kind}.yaml in the current folder)",
        )
        add.set_defaults(command=_add, kind=kind)
    remove = commands.add_parser(
        "remove", parents=[common], help="shut a device or viewer out, at once"
    )
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(command=_remove)
    listing = commands.add_parser("list", parents=[common], help="who may come in")
    listing.set_defaults(command=_list)
    run = commands.add_parser("run", parents=[common], help="run the broker in the foreground")
    run.set_defaults(command=_run)
    return parser


def _add_init(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",  # noqa: UP037 - no such class at run time
    common: argparse.ArgumentParser,
) -> None:
    init = commands.add_parser(
        "init", parents=[common], help="make the directory: certificates, rules, configuration"
    )
    init.add_argument(
        "--address",
        nargs="+",
        action="extend",
        default=[],
        metavar="A",
        help="where devices and viewers reach the broker: host, host:port or URL; several are "
        "tried together (default: the addresses of this machine)",
    )
    init.add_argument("--port", type=_port, default=shipped.DEFAULT_PORT, metavar="N")
    init.add_argument(
        "--ws-port",
        type=_port,
        metavar="N",
        help=f"also listen for browsers (usually {shipped.DEFAULT_WS_PORT}; default: do not)",
    )
    init.add_argument("--bind", metavar="IP", help="listen on this address only (default: on all)")
    init.add_argument("--namespace", default=shipped.DEFAULT_NAMESPACE, metavar="NAME")
    init.add_argument(
        "--user", metavar="USER", help="who runs the broker (default: mosquitto's own, if root)"
    )
    init.set_defaults(command=_init)


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= HIGHEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 1 to {HIGHEST_PORT}")


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
    return EXIT_OK


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
    added = add_member(BrokerDirectory(options.dir), options.kind, options.name, output=output)
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
    return EXIT_OK


def _remove(options: argparse.Namespace) -> int:
    member, reload = remove_member(BrokerDirectory(options.dir), options.name)
    print(f"The {member.kind} {member.name} is shut out.")
    if reload is Reload.DONE:
        print("If it was connected, the broker has ended its connection.")
        print("A video that is running ends with its session: the broker is not part of it.")
    _say_reload(reload, options)
    return EXIT_OK


def _list(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    members = directory.read_members()
    for kind in KINDS:
        for member in members.of_kind(kind):
            print(f"{kind:<7} {member.name}")
    if not members.by_name:
        print("Nobody yet; begin with: mqcam-broker add-device front-door" + _dir_option(options))
    return EXIT_OK


def _run(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    find_mosquitto()
    read_members(directory)
    _warn_of_expiry(directory)

    def say_ready(listener: Listener) -> None:
        print(f"broker ready on {listener}", flush=True)

    return run_broker(directory, on_ready=say_ready)


def _warn_of_expiry(directory: BrokerDirectory) -> None:
    end = expiry(directory.server_certificate.read_bytes())
    if (end - datetime.now(UTC)).days < EXPIRY_WARNING_DAYS:
        print(f"mqcam-broker: the broker's certificate ends on {end:%Y-%m-%d}", file=sys.stderr)


def _say_reload(reload: Reload, options: argparse.Namespace) -> None:
    if reload is Reload.NOT_RUNNING:
        where = _dir_option(options)
        print(f"The broker is not running; start it with: mqcam-broker run{where}")
    elif reload is Reload.FORBIDDEN:
        print("The running broker belongs to another user: tell it with sudo kill -HUP")
        print("and its process id, or restart it.")


def _dir_option(options: argparse.Namespace) -> str:
    return "" if options.dir == shipped.DEFAULT_DIRECTORY else f" --dir {options.dir}"


def run_and_exit() -> NoReturn:
    """Run the command as a program."""
    sys.exit(main())


if __name__ == "__main__":
    run_and_exit()
