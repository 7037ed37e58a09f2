"""The commands ``add-device``, ``add-viewer``, ``remove``, ``list`` and ``publish``.

It must not know how anything is done: it reads options, calls and says what happened.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from fnmatch import filter as matching
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.errors import UsageError
from mqcam.exits import FAILURE, OK
from mqcam.files import read_bounded
from mqcam.trust.documents import CAMERAS_MAX, RIGHTS, is_pattern
from mqcam.trust.keys import fingerprint, is_signing_key

from mqcam_broker.changes.membership import Admission, add_member, remove_member
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.members import KINDS
from mqcam_broker.folder.ownerkey import VARIABLE
from mqcam_broker.folder.rules import EVERY_CAMERA
from mqcam_broker.mosquitto.process import Reload
from mqcam_broker.owner.decree import read_state
from mqcam_broker.owner.publication import publish_state
from mqcam_broker.verbs import listing
from mqcam_broker.verbs.handover import Forms, show, wanted_forms
from mqcam_broker.verbs.lifetime import last_second
from mqcam_broker.verbs.phrases import dir_option, say_publication, say_reload

if TYPE_CHECKING:
    import argparse

    from mqcam.commandline import Commands, Parser
    from mqcam.credentials import Kind


def add_owner_key(parser: Parser) -> None:
    """Add ``--owner-key``, for a command that signs something."""
    parser.add_argument(
        "--owner-key",
        type=Path,
        default=Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None,
        metavar="FILE",
        help=f"the owner's key, if it is not in DIR (default: ${VARIABLE}, else DIR/owner.key)",
    )


def add_commands(commands: Commands, common: Parser) -> None:
    """Add the commands to the parser."""
    for kind in KINDS:
        _add_admission(commands, common, kind)
    remove = commands.add_parser(
        "remove",
        parents=[common],
        help="shut a device or viewer out, at once",
        description="Shut a device or viewer out: the running broker ends its connection, and "
        "cameras and viewers are told that its key no longer counts.",
    )
    remove.add_argument("name", metavar="NAME", help="as 'mqcam-broker list' shows it")
    add_owner_key(remove)
    remove.set_defaults(command=_remove)
    members = commands.add_parser(
        "list", parents=[common], help="who may come in", description="Show who may come in."
    )
    members.add_argument("--json", action="store_true", help="for programs")
    members.set_defaults(command=_list)
    publish = commands.add_parser(
        "publish",
        parents=[common],
        help="tell the running broker again who is revoked",
        description="Publish the owner's signed state, as 'remove' and 'run' do by themselves.",
    )
    publish.set_defaults(command=_publish)


def _add_admission(commands: Commands, common: Parser, kind: Kind) -> None:
    add = commands.add_parser(
        f"add-{kind}",
        parents=[common],
        help=f"let a {kind} in: writes its credentials file",
        description=f"Let a {kind} in and write the credentials file with its key and password.",
    )
    add.add_argument("name", metavar="NAME", help="1 to 64 letters (A-Z, a-z), digits, '-' and '_'")
    add.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"the file to write (default: NAME.{kind}.yaml in the current folder)",
    )
    add.add_argument(
        "--replace",
        action="store_true",
        help=f"NAME is there already: it gets a new key and password, the {kind} that had them "
        "is shut out",
    )
    add_owner_key(add)
    public = add.add_mutually_exclusive_group()
    public.add_argument(
        "--public-key",
        metavar="KEY",
        help="sign this key (ed25519:...): the private half stays where it was made",
    )
    public.add_argument("--public-key-file", type=Path, metavar="FILE", help="the same from a file")
    add.set_defaults(command=_add, kind=kind, camera=[], right=[], until=None, days=None)
    if kind == "viewer":
        _add_grant(add)


def _add_grant(add: Parser) -> None:
    add.add_argument(
        "--camera",
        action="append",
        metavar="NAME",
        help="a camera, or several with commas between, or the option again; * and ? stand for "
        "other letters, in quotes (default: '*', all)",
    )
    add.add_argument(
        "--right",
        action="append",
        metavar="RIGHTS",
        help=f"what is allowed there: {', '.join(RIGHTS)}, with commas between (default: view)",
    )
    end = add.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="DATE", help="the last day, for example 2027-03-31")
    end.add_argument("--days", type=int, metavar="N", help="the same as days from now")
    add.add_argument("--qr", action="store_true", help="show the QR code, not only in a terminal")
    add.add_argument(
        "--uri", action="store_true", help="show the same as one line, for mqcam-viewer pair"
    )
    add.add_argument(
        "--qr-file", type=Path, metavar="FILE", help="write the QR code as a picture, .png or .svg"
    )


def _add(options: argparse.Namespace) -> int:
    forms = Forms()
    if options.kind == "viewer":
        forms = wanted_forms(qr=options.qr, uri=options.uri, picture=options.qr_file)
    added = add_member(
        BrokerDirectory(options.dir), _admission(options), owner_key=options.owner_key
    )
    holds = "its password" if added.credentials.identity is None else "its key and password"
    print(f"{options.name} may come in with {added.file}, which holds {holds}.")
    is_known = added.publication is None or say_publication(added.publication, options)
    say_reload(added.reload, options)
    if options.kind == "device":
        print(
            f"Next: copy it to the camera (scp {added.file} CAMERA:) and type there, in the clone"
        )
        print(f"      of mqcam: sudo ./install-device {added.file.name}; then delete both copies.")
    else:
        print("Next: hand it to that person in a safe way (scp or a USB stick, not by mail);")
        print(f"      there: mqcam-viewer list --credentials {added.file.name}")
        for pattern in _unmatched(options):
            print(f"Note: {pattern} matches none of the cameras yet; it will when one is added.")
        show(added.credentials, added.file, forms)
    return OK if is_known else FAILURE


def _admission(options: argparse.Namespace) -> Admission:
    return Admission(
        kind=options.kind,
        name=options.name,
        output=options.output or Path(f"{options.name}.{options.kind}.yaml"),
        is_replacement=options.replace,
        public_key=_public_key(options),
        cameras=_cameras(options.camera),
        rights=_rights(options.right),
        expires=last_second(options.until, options.days, now=datetime.now(UTC)),
    )


def _public_key(options: argparse.Namespace) -> str | None:
    if options.public_key_file is not None:
        text = read_bounded(options.public_key_file).decode("utf-8", "replace").strip()
        given = f"what {options.public_key_file} holds"
    else:
        text, given = options.public_key, "what --public-key was given"
    if text is None or is_signing_key(text):
        return text
    if "secret" in text:  # not repeated: it may be one
        raise UsageError(
            f"{given} is a private key, which now too many have seen",
            "make a new one, and give its public half, which begins with ed25519:",
        )
    raise UsageError(
        f"{given} is no public key", "it begins with ed25519: and has 43 characters after it"
    )


def _cameras(given: list[str]) -> tuple[str, ...]:
    words = (word.strip() for text in given for word in text.split(","))
    cameras = tuple(dict.fromkeys(words)) or (EVERY_CAMERA,)
    for camera in cameras:
        if not is_pattern(camera):
            raise UsageError(
                f"{camera!r} stands for no camera",
                "use letters (A-Z), digits, '-' and '_', and * or ? for other letters",
            )
    if len(cameras) > CAMERAS_MAX:
        raise UsageError(f"{len(cameras)} times --camera", "use * and ?, for example 'house-*'")
    return cameras


def _unmatched(options: argparse.Namespace) -> list[str]:
    """Return the cameras asked for by name or pattern that nobody has yet."""
    devices = [each.name for each in BrokerDirectory(options.dir).read_members().of_kind("device")]
    return [
        each for each in _cameras(options.camera) if options.camera and not matching(devices, each)
    ]


def _rights(given: list[str]) -> tuple[str, ...]:
    words = {word.strip() for text in given for word in text.split(",")} or {RIGHTS[0]}
    unknown = sorted(words - set(RIGHTS))
    if unknown:
        raise UsageError(f"there is no right {unknown[0]!r}", f"there are {', '.join(RIGHTS)}")
    return tuple(right for right in RIGHTS if right in words)


def _remove(options: argparse.Namespace) -> int:
    removed = remove_member(BrokerDirectory(options.dir), options.name, owner_key=options.owner_key)
    if removed.reload is Reload.ELSEWHERE:
        print(f"The {removed.member.kind} {removed.member.name} is no member any more.")
    else:
        print(f"The {removed.member.kind} {removed.member.name} is shut out.")
    if removed.reload is Reload.DONE:
        print("If it was connected, the broker has ended its connection.")
    is_known = say_publication(removed.publication, options)
    say_reload(removed.reload, options, removed=removed.member.name)
    return OK if is_known else FAILURE


def _list(options: argparse.Namespace) -> int:
    directory = BrokerDirectory(options.dir)
    members = directory.read_members()
    owner = directory.read_owner()
    if options.json:
        revoked = list(read_state(directory).revoked)
        shown = {"owner": owner, "members": listing.values(members), "revoked": revoked}
        json.dump(shown, sys.stdout, indent=2)
        print()
        return OK
    for line in listing.lines(members, now=datetime.now().astimezone()):
        print(line)
    if not members.by_name:
        print("Nobody yet; begin with: mqcam-broker add-device front-door" + dir_option(options))
    print(f"owner {fingerprint(owner)}")
    return OK


def _publish(options: argparse.Namespace) -> int:
    publication = publish_state(BrokerDirectory(options.dir))
    is_known = say_publication(publication, options, what="owner's state")
    return OK if is_known else FAILURE
