"""The commands ``adopt`` and ``export``: members of a broker that is already there.

It must not know how anything is done: it reads options, calls and says what happened.
"""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.credentials import read_password
from mqcam.errors import UsageError
from mqcam.exits import OK
from mqcam.files import read_bounded
from mqcam.protocol.topics import DEFAULT_NAMESPACE
from mqcam.trust.keys import fingerprint

from mqcam_broker.changes.adoption import Adoption, adopt, is_readable_on_the_way, lines_to_paste
from mqcam_broker.folder.addresses import existing_addresses
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.names import check_name
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.verbs.phrases import dir_option
from mqcam_broker.verbs.roster import add_owner_key

if TYPE_CHECKING:
    import argparse

    from mqcam.commandline import Commands, Parser

PEM = b"-----BEGIN CERTIFICATE-----"


def add_foreign(commands: Commands, common: Parser) -> None:
    """Add the commands to the parser."""
    adopted = commands.add_parser(
        "adopt",
        parents=[common],
        help="use a broker that is already there",
        description="Make a directory for cameras and viewers of a broker that somebody else runs. "
        "That broker is not touched: 'export --existing' prints what to paste into its files.",
    )
    adopted.add_argument("url", nargs="+", metavar="URL", help="mqtts://host:8883, mqtt://host")
    adopted.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="the authority of its certificate (default: those that every system knows)",
    )
    adopted.add_argument(
        "--shared-user", metavar="NAME", help="everybody logs in as this one, which is there"
    )
    adopted.add_argument(
        "--password-file", type=Path, metavar="FILE", help="the password of --shared-user"
    )
    adopted.add_argument(
        "--namespace",
        default=DEFAULT_NAMESPACE,
        metavar="NAME",
        help="the first level of every topic (default: %(default)s)",
    )
    add_owner_key(adopted)
    adopted.set_defaults(command=_adopt)
    export = commands.add_parser(
        "export",
        parents=[common],
        help="print what to paste into somebody else's mosquitto",
        description="Print the users and rules of all members, for a mosquitto that is already "
        "there. Nothing is edited.",
    )
    export.add_argument(
        "--existing", action="store_true", required=True, help="say that you mean it so"
    )
    export.set_defaults(command=_export)


def _adopt(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    adoption = _adoption(options)
    adopt(directory, adoption)
    where, decisions = dir_option(options), adoption.decisions
    print(
        f"Members of the broker at {', '.join(decisions.addresses)} are kept in {directory.path}."
    )
    print(f"The owner's key is {options.owner_key or directory.owner_key}, fingerprint")
    print(f"{fingerprint(directory.read_owner())}.")
    print(f"Next: mqcam-broker add-device front-door{where}")
    if decisions.shared_user is None:
        print(f"then: mqcam-broker export --existing{where}")
    reasons = []
    if is_readable_on_the_way(decisions):
        reasons.append("the way to it is not encrypted")
    if decisions.shared_user is not None:
        reasons.append("everybody has one account")
    if reasons:
        text = " and ".join(reasons)
        print(
            f"mqcam-broker: {text}: others may see who watches whom, and disturb it; pictures and "
            "addresses they do not see",
            file=sys.stderr,
        )
    return OK


def _adoption(options: argparse.Namespace) -> Adoption:
    if (options.shared_user is None) is not (options.password_file is None):
        raise UsageError("--shared-user and --password-file belong together", "give both, or none")
    ca = read_bounded(options.ca) if options.ca is not None else None
    if ca is not None and PEM not in ca:
        raise UsageError(f"{options.ca} holds no certificate", "give a PEM file")
    shared = options.shared_user
    return Adoption(
        decisions=BrokerDecisions(
            addresses=existing_addresses(options.url),
            namespace=check_name(options.namespace, what="a namespace"),
            existing=True,
            shared_user=shared,
        ),
        user=pwd.getpwuid(os.geteuid()).pw_name,
        ca=ca,
        shared_password=read_password(options.password_file) if shared is not None else None,
        owner_key=options.owner_key,
    )


def _export(options: argparse.Namespace) -> int:
    for line in lines_to_paste(BrokerDirectory(options.dir)):
        print(line)
    return OK
