"""The verb ``audit``: try out a broker that somebody else has set up.

It must not know what is tried.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.broker import BrokerAddress
from mqcam.credentials import load_credentials
from mqcam.errors import BrokerAddressError, UsageError
from mqcam.exits import FAILURE, OK
from mqcam.trust.keystore import with_password

from mqcam_broker.audit.findings import as_json, has_bad, table
from mqcam_broker.audit.inspection import inspect
from mqcam_broker.folder.names import check_name

if TYPE_CHECKING:
    import argparse

    from mqcam.commandline import Commands


def add_verbs(commands: Commands) -> None:
    """Add the verb to the command line."""
    audit = commands.add_parser(
        "audit",
        help="try what strangers and guests can do at a broker",
        description="Connect to a broker as a stranger, and with every credentials file given, "
        "and report what could be read and written there that should not. Nothing stays behind.",
        epilog="Exit code 0: nothing bad was found; 1: something was.",
    )
    audit.add_argument("url", metavar="URL", help="mqtts://host:8883, or mqtt://host:1883")
    audit.add_argument(
        "--as",
        dest="files",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="credentials files to try: a viewer's, better a device's too",
    )
    audit.add_argument(
        "--namespace", metavar="NAME", help="the first level of every topic (default: the files')"
    )
    audit.add_argument("--json", action="store_true", help="print one JSON object")
    audit.set_defaults(command=_audit)


def _audit(options: argparse.Namespace) -> int:
    address = _address(options.url)
    accounts = [with_password(load_credentials(file)) for file in options.files]
    if options.namespace is not None:
        check_name(options.namespace, what="a namespace")
    findings = asyncio.run(inspect(address, accounts, namespace=options.namespace))
    if options.json:
        print(as_json(str(address), findings))
        return FAILURE if has_bad(findings) else OK
    for line in table(findings):
        print(line)
    if not accounts:
        print("Only a stranger's view; give credentials files with --as to see a guest's.")
    print("Something bad was found." if has_bad(findings) else "Nothing bad was found.")
    return FAILURE if has_bad(findings) else OK


def _address(url: str) -> BrokerAddress:
    try:
        address = BrokerAddress.parse(url)
    except BrokerAddressError as error:
        raise UsageError(str(error), "give mqtts://host:port or mqtt://host:port") from error
    if address.scheme.is_websocket:
        raise UsageError(
            f"{url}: an audit speaks no WebSocket", "give the address of an mqtts or mqtt listener"
        )
    return address
