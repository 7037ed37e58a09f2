"""The command ``mqcam-broker init``: its options and what it says.

It must not know how a directory is made.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.errors import UsageError
from mqcam.exits import OK
from mqcam.files import read_bounded
from mqcam.protocol.topics import DEFAULT_NAMESPACE
from mqcam.trust.keys import fingerprint

from mqcam_broker import shipped
from mqcam_broker.certificates.authority import Identity, check_public
from mqcam_broker.changes.creation import Plan, create, default_user
from mqcam_broker.folder.addresses import broker_address, hosts_of, own_hosts
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.names import check_name
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.mosquitto.process import find_mosquitto
from mqcam_broker.relay.turn import TurnFiles
from mqcam_broker.verbs import relay
from mqcam_broker.verbs.phrases import dir_option

if TYPE_CHECKING:
    from mqcam.commandline import Commands, Parser

HIGHEST_PORT = 65535


def add_init(commands: Commands, common: Parser) -> None:
    """Add the command to the parser."""
    init = commands.add_parser(
        "init",
        parents=[common],
        help="make the directory: keys, certificates, rules, configuration",
        description="Make the broker's directory: the owner's key, certificates, rules, "
        "configuration.",
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
        default=DEFAULT_NAMESPACE,
        metavar="NAME",
        help="the first level of every topic (default: %(default)s)",
    )
    init.add_argument(
        "--user", metavar="USER", help="who runs the broker (default: mosquitto's own, if root)"
    )
    _add_choices(init)
    init.set_defaults(command=_init)


def _add_choices(init: Parser) -> None:
    init.add_argument(
        "--fleet",
        action="store_true",
        help="one set of rules for all, for thousands of cameras: every viewer sees every status "
        "(default: rules for each, by what a viewer was granted)",
    )
    init.add_argument(
        "--owner-key",
        type=Path,
        metavar="FILE",
        help="an owner's key that exists already (default: make one)",
    )
    init.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="a public authority's certificate for --address, chain and all: phones and browsers "
        "want one (default: make an authority for this broker)",
    )
    init.add_argument("--key", type=Path, metavar="FILE", help="the key of --certificate")
    relay.add_init_options(init)


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
    turn = relay.planned(options)
    create(directory, _plan(options))
    if turn is not None:
        TurnFiles(directory).set_up(turn)
    decisions = directory.read_decisions()
    key = options.owner_key or directory.owner_key
    print(f"The broker is set up in {directory.path}.")
    print("Devices and viewers will look for it at " + ", ".join(decisions.addresses) + ".")
    print(f"The owner's key is {key}, fingerprint {fingerprint(directory.read_owner())}.")
    where = dir_option(options)
    print(f"Next: mqcam-broker run{' --turn' if turn is not None else ''}{where}")
    print(f"and:  mqcam-broker add-device front-door{where}")
    print(f"Keep a copy of {directory.path} and of that key: without them everybody needs new")
    print("credentials, and whoever has the key lets himself in.")
    return OK


def _plan(options: argparse.Namespace) -> Plan:
    if options.user is None and os.geteuid() == 0:
        find_mosquitto()  # its package makes the user; without it the broker would run as root
    if options.ws_port == options.port:
        raise UsageError("--port and --ws-port are the same", "give two different ports")
    hosts = options.address or ([options.bind] if options.bind else own_hosts())
    urls = (str(broker_address(host, port=options.port, ws_port=options.ws_port)) for host in hosts)
    addresses = tuple(dict.fromkeys(urls))
    certificate = _certificate(options)
    if certificate is not None:
        check_public(certificate, hosts_of(addresses), now=datetime.now(UTC))
    return Plan(
        decisions=BrokerDecisions(
            addresses=addresses,
            namespace=check_name(options.namespace, what="a namespace"),
            public_certificate=certificate is not None,
        ),
        user=options.user or default_user(),
        port=options.port,
        ws_port=options.ws_port,
        bind=options.bind,
        is_fleet=options.fleet,
        owner_key=options.owner_key,
        certificate=certificate,
    )


def _certificate(options: argparse.Namespace) -> Identity | None:
    if options.certificate is None and options.key is None:
        return None
    if options.certificate is None or options.key is None:
        raise UsageError("--certificate and --key belong together", "give both, or none")
    return Identity(certificate=read_bounded(options.certificate), key=read_bounded(options.key))
