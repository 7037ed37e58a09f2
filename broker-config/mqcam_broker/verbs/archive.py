"""The commands ``backup`` and ``restore``.

It must not know how anything is done: it reads options, calls and says what happened.
"""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.exits import OK
from mqcam.trust.keys import fingerprint

from mqcam_broker.changes.backup import write_backup
from mqcam_broker.changes.creation import default_user
from mqcam_broker.changes.restoration import restore
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.mosquitto.process import find_mosquitto
from mqcam_broker.owner.decree import read_state
from mqcam_broker.verbs.phrases import counted, dir_option, say_ports

if TYPE_CHECKING:
    import argparse

    from mqcam.commandline import Commands, Parser


def add_archives(commands: Commands, common: Parser) -> None:
    """Add the commands to the parser."""
    backup = commands.add_parser(
        "backup",
        parents=[common],
        help="write one archive of all that cannot be made again",
        description="Write one archive of the directory, as secret as the directory itself.",
    )
    backup.add_argument("file", type=Path, metavar="FILE", help="a new file, for example b.tar")
    backup.add_argument(
        "--without-owner-key", action="store_true", help="leave the owner's key out, if it is here"
    )
    backup.set_defaults(command=_backup)
    restored = commands.add_parser(
        "restore",
        parents=[common],
        help="make the directory of a backup",
        description="Make the directory of a backup, where there is none.",
    )
    restored.add_argument("file", type=Path, metavar="FILE", help="as 'backup' wrote it")
    restored.add_argument(
        "--user", metavar="USER", help="who runs the broker (default: mosquitto's own, if root)"
    )
    restored.add_argument(
        "--newer-state",
        type=Path,
        metavar="FILE",
        help="the file NAME.owner_state of any camera: what was revoked after the backup was made "
        "stays revoked",
    )
    restored.set_defaults(command=_restore)


def _backup(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    directory.check()
    user = pwd.getpwuid(directory.state.stat().st_uid).pw_name
    made = write_backup(
        directory,
        options.file,
        user=user,
        state_number=read_state(directory).number,
        with_owner_key=not options.without_owner_key,
    )
    what = made.contents
    print(f"{made.file} holds the broker of {directory.path}:")
    members = f"{counted(what.devices, 'device')} and {counted(what.viewers, 'viewer')}"
    print(f"  {members}, without their private keys")
    print("  the certificates with their keys, mosquitto's configuration, passwords as hashes")
    print("  who is revoked, as the owner has signed it")
    if made.has_owner_key:
        print("  the owner's key: whoever has this file can let himself in. Lock it away.")
    else:
        print("  not the owner's key: keep that too, or nobody can be added or removed again.")
    return OK


def _restore(options: argparse.Namespace) -> int:
    if options.user is None:
        find_mosquitto()  # its package makes the user; without it the broker would run as root
    directory = BrokerDirectory(options.dir)
    done = restore(
        directory,
        options.file,
        user=options.user or default_user(),
        newer_state=options.newer_state,
    )
    what, where = done.contents, dir_option(options)
    print(f"The broker of {what.made} is back in {directory.path}:")
    members = f"{counted(what.devices, 'device')}, {counted(what.viewers, 'viewer')}"
    print(f"  {members}, owner's state {done.state.number}")
    print(f"  owner {fingerprint(directory.read_owner())}")
    if done.shut_out:
        print(f"Shut out, because they were revoked since: {', '.join(done.shut_out)}.")
    if not done.has_owner_key:
        print(f"Put the owner's key at {directory.owner_key}, or name it with --owner-key.")
    if options.newer_state is None:
        print("Whoever was removed after the backup was made must be removed again:")
        print(f"  mqcam-broker list{where}, then mqcam-broker remove NAME{where}")
        print("Whoever was added after it needs new credentials.")
    say_ports(directory, directory.read_decisions().addresses)
    print(f"Next: mqcam-broker run{where}")
    return OK
