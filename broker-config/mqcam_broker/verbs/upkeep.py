"""The commands ``renew`` and ``move``.

It must not know how anything is done: it reads options, calls and says what happened.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.credentials import load_credentials
from mqcam.errors import UsageError
from mqcam.exits import FAILURE, OK
from mqcam.files import read_bounded

from mqcam_broker.certificates.authority import Identity
from mqcam_broker.certificates.freshness import stale_listeners
from mqcam_broker.certificates.renewal import Renewal, install, renew
from mqcam_broker.changes.regrant import regrant
from mqcam_broker.changes.relocation import move
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.mosquitto.process import Reload, reload_broker
from mqcam_broker.owner.publication import publish_state
from mqcam_broker.verbs.lifetime import last_second
from mqcam_broker.verbs.phrases import dir_option, say_ports, say_reload
from mqcam_broker.verbs.roster import add_owner_key

if TYPE_CHECKING:
    import argparse

    from mqcam.commandline import Commands, Parser

RESTART_TIMEOUT_S = 60.0


def add_upkeep(commands: Commands, common: Parser) -> None:
    """Add the commands to the parser."""
    _add_renew(commands, common)
    _add_move(commands, common)


def _add_renew(commands: Commands, common: Parser) -> None:
    renewed = commands.add_parser(
        "renew",
        parents=[common],
        help="new certificates in time, or a new end for a viewer's grant",
        description="Without NAME: renew the broker's certificate when two thirds of its life are "
        "over, and the authority as well; for a timer. With NAME: let a viewer watch longer, or "
        "shorter, with the key that it has.",
    )
    renewed.add_argument("name", nargs="?", metavar="NAME", help="a viewer")
    end = renewed.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="DATE", help="NAME's last day, for example 2027-03-31")
    end.add_argument("--days", type=int, metavar="N", help="the same as days from now")
    renewed.add_argument(
        "--old",
        type=Path,
        metavar="FILE",
        help="NAME's credentials file: the new one gets its key and password",
    )
    renewed.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="NAME's new file (default: --old is replaced; without it NAME.viewer.yaml)",
    )
    renewed.add_argument(
        "--force", action="store_true", help="a new certificate, although the old one is good"
    )
    renewed.add_argument(
        "--new-authority",
        action="store_true",
        help="make the next authority now, because a key was stolen; it signs after 90 days",
    )
    renewed.add_argument(
        "--certificate", type=Path, metavar="FILE", help="a public authority's new certificate"
    )
    renewed.add_argument("--key", type=Path, metavar="FILE", help="the key of --certificate")
    renewed.add_argument(
        "--restart",
        metavar="COMMAND",
        help="what restarts the broker; run only if a listener still shows the old certificate",
    )
    add_owner_key(renewed)
    renewed.set_defaults(command=_renew)


def _add_move(commands: Commands, common: Parser) -> None:
    moved = commands.add_parser(
        "move",
        parents=[common],
        help="tell everybody where the broker will be",
        description="Tell cameras and viewers, signed by the owner, where the broker is from now "
        "on. What they do not find there within a minute, they look for at the old place.",
    )
    moved.add_argument(
        "address", nargs="+", metavar="ADDRESS", help="host, host:port or URL, tried together"
    )
    add_owner_key(moved)
    moved.set_defaults(command=_move)


def _renew(options: argparse.Namespace) -> int:
    if options.name is not None:
        return _regrant(options)
    if options.until or options.days or options.old or options.output:
        raise UsageError("--until, --days, --old and --output are about a viewer", "name it")
    directory = BrokerDirectory(options.dir)
    done = _renewed(directory, options)
    if done.is_server_new:
        print(f"The broker has a new certificate, until {done.server_end:%Y-%m-%d}.")
    else:
        print(f"The broker's certificate is good until {done.server_end:%Y-%m-%d}.")
    if done.is_authority_coming:
        print("The next authority is made and announced: leave the old one 90 days, so that")
        print("everybody hears of it; later renewals sign with the next one.")
    if done.is_authority_changed:
        print("The next authority has taken over; new credentials name it.")
    if done.problem:
        print(
            f"mqcam-broker: the owner's word could not be signed: {done.problem}", file=sys.stderr
        )
    is_served = _serve(directory, options) if done.is_server_new else True
    is_told = _publish(directory) if done.is_state_new else True
    return OK if is_served and is_told and not done.problem else FAILURE


def _renewed(directory: BrokerDirectory, options: argparse.Namespace) -> Renewal:
    now = datetime.now(UTC)
    if options.certificate is None and options.key is None:
        return renew(
            directory,
            now=now,
            is_forced=options.force,
            wants_authority=options.new_authority,
            owner_key=options.owner_key,
        )
    if options.certificate is None or options.key is None:
        raise UsageError("--certificate and --key belong together", "give both, or none")
    given = Identity(certificate=read_bounded(options.certificate), key=read_bounded(options.key))
    return install(directory, given, now=now)


def _serve(directory: BrokerDirectory, options: argparse.Namespace) -> bool:
    """Make the running broker show its new certificate; return whether it does."""
    reload = reload_broker(directory)
    if reload is not Reload.DONE:
        say_reload(reload, options)
        return reload is Reload.NOT_RUNNING
    stale = stale_listeners(directory)
    if not stale:
        print("The running broker shows it.")
        return True
    if options.restart is None:
        ports = ", ".join(str(listener) for listener in stale)
        print(f"Restart the broker: {ports} shows the old certificate until then.")
        return True
    done = subprocess.run(  # noqa: S603 - what the owner of the directory typed
        shlex.split(options.restart), check=False, timeout=RESTART_TIMEOUT_S
    )
    print(f"The broker was restarted with {options.restart!r} (exit code {done.returncode}).")
    return done.returncode == 0


def _publish(directory: BrokerDirectory) -> bool:
    publication = publish_state(directory)
    if publication.is_done:
        print("It is published: cameras and viewers hear of it as soon as they are online.")
        return True
    if publication.problem:
        print(f"mqcam-broker: signed but not published: {publication.problem}", file=sys.stderr)
        return False
    print("It is signed; the broker publishes it when it starts.")
    return True


def _regrant(options: argparse.Namespace) -> int:
    if options.until is None and options.days is None:
        raise UsageError(
            f"until when may {options.name} watch", "say it with --until DATE or --days N"
        )
    old = load_credentials(options.old) if options.old is not None else None
    output = options.output or options.old or Path(f"{options.name}.viewer.yaml")
    directory = BrokerDirectory(options.dir)
    end = last_second(options.until, options.days, now=datetime.now().astimezone())
    done = regrant(
        directory, options.name, expires=end, output=output, old=old, owner_key=options.owner_key
    )
    last = datetime.fromtimestamp(end or 0, tz=UTC).astimezone()
    print(f"{options.name} may watch until {last:%Y-%m-%d %H:%M}; the grant is in {output}.")
    if old is None:
        print("It holds no secret, so it may go by mail. In the credentials file that")
        print(f"{options.name} has, replace the line 'grant:' by the one in it.")
    if not done.is_revoked:
        return OK
    print("The longer grant of before is revoked.")
    return OK if _publish(directory) else FAILURE


def _move(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    done = move(directory, options.address, owner_key=options.owner_key)
    print("Cameras and viewers will look for the broker at " + ", ".join(done.addresses) + ".")
    is_told = _publish(directory)
    where = dir_option(options)
    if done.existing:
        print(f"Next: give the new broker what mqcam-broker export --existing{where} prints.")
    else:
        print(f"Next: here                mqcam-broker backup FILE{where}")
        print("      on the new machine  mqcam-broker restore FILE, then mqcam-broker run")
        print("      and from then on add and remove there, not here.")
        say_ports(directory, done.addresses)
    print("Whoever finds nobody at the new place for a minute comes back here, and goes there once")
    print("it lets him in. Leave this one running until every camera has changed over, a week or")
    print("more: who has not heard of the move can hear of it here only. Then switch it off.")
    return OK if is_told else FAILURE
