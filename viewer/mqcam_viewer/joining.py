"""The verbs ``pair`` and ``key``: from one line of text to a file that opens cameras.

It must not know what is said on the wire: ``pairing`` does. The line comes from standard input, a
file or a picture, never from the command line, which every program on the machine can read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import os
import re
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam import exits, files, log
from mqcam.credentials import Credentials, load_credentials, write_credentials
from mqcam.errors import CredentialsError, UriUnusable, UsageError
from mqcam.protocol.topics import is_id
from mqcam.qr import read_qr
from mqcam.trust.keys import SigningKey, fingerprint, is_signing_key
from mqcam.trust.keystore import keep_secrets, load_identity, make_identity, with_password
from mqcam.trust.pins import KnownDevices
from mqcam.trust.places import KNOWN_DEVICES, state_home, viewer_folder
from mqcam.uri import URI_MAX_CHARS, Invitation, is_uri, read_uri

from mqcam_viewer.pairing import Pairing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mqcam.commandline import Commands

VERB = "pair"
KEY_VERB = "key"
VERBS = frozenset({VERB, KEY_VERB})
"""Those that need no account to begin with."""
STDIN = "-"
DEFAULT_FILE = "{name}.viewer.yaml"


def add_verbs(verbs: Commands, *, variable: str) -> None:
    """Add the verb's arguments to the command line."""
    verb = verbs.add_parser(
        VERB,
        help="store an account, or accept a camera's invitation, from one mqcam: line",
        description="Read one mqcam: line, from standard input if nothing else is named: a whole "
        "account as 'mqcam-broker add-viewer' prints it, or the invitation of "
        "'mqcam-device pair'.",
    )
    source = verb.add_mutually_exclusive_group()
    source.add_argument(
        "--from",
        dest="source",
        default=STDIN,
        metavar="FILE",
        help="the file with the line; - is standard input (default)",
    )
    source.add_argument(
        "--image", type=Path, metavar="FILE", help="a picture of the code: PNG, JPEG or WebP"
    )
    verb.add_argument("--name", type=_name, help="this viewer's name (default: this machine's)")
    kind = verb.add_mutually_exclusive_group()
    kind.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"the file to write (default: ${variable}, else {DEFAULT_FILE.format(name='NAME')})",
    )
    kind.add_argument(
        "--credentials",
        type=Path,
        metavar="FILE",
        help="add the camera to this account, which exists already (default: "
        f"${variable}, if there is such a file)",
    )
    verb.set_defaults(usual=os.environ.get(variable))
    verb.add_argument("--verbose", action="store_true", help="log what happens")
    verb.set_defaults(do=join)
    key = verbs.add_parser(
        KEY_VERB,
        help="make a key that never leaves this machine, for an owner to sign",
        description="Make this viewer's key, or show it again, and print its public half, for "
        "'mqcam-broker add-viewer NAME --public-key'.",
    )
    key.add_argument("name", metavar="NAME", type=_name, help="the viewer's name")
    key.set_defaults(do=make_key, credentials=None, verbose=False)


def make_key(options: argparse.Namespace) -> int:
    """Print the public half of a key that was made here; raises CredentialsError."""
    made = make_identity(options.name, folder=state_home(), use_keyring=True)
    _say(made.public)
    return exits.OK


def join(options: argparse.Namespace) -> int:
    """Carry the verb out and return the exit code; raises MqcamError."""
    line = _line(options)
    log.configure("info" if options.verbose else "error", secrets=[line])
    read = read_uri(line)
    if isinstance(read, Credentials):
        return _store(read, options)
    if options.credentials is not None:
        return _add_camera(read, options.credentials, options)
    if options.output is None and options.usual is not None and Path(options.usual).exists():
        return _add_camera(read, Path(options.usual), options)
    return _begin(read, options)


def _store(account: Credentials, options: argparse.Namespace) -> int:
    """Keep a whole account that an owner made."""
    if options.credentials is not None:
        raise UsageError(
            f"the line is a whole account, {account.name}", "name a new file for it with --output"
        )
    if options.name not in {None, account.name}:
        raise UsageError(
            f"the account's name is {account.name}, signed by its owner", "leave --name out"
        )
    if account.identity is None:  # a key of this machine was signed: is it here?
        load_identity(account, folder=state_home(), use_keyring=True)
    with _reserved(_target(options, account.name)) as target:
        kept = _write(target, account)
    _say(f"{account.name} may watch with {target}. {kept}")
    _say(f"Next: mqcam-viewer list --credentials {target}")
    return exits.OK


def _begin(invitation: Invitation, options: argparse.Namespace) -> int:
    """Make a new viewer and have it let in."""
    name = options.name or invitation.visitor or _machine_name()
    identity = SigningKey.generate()
    account = replace(invitation.way, name=name, identity=identity.secret_text())
    with _reserved(_target(options, name)) as target:
        _be_let_in(_Visitor(invitation=invitation, account=account, identity=identity))
        kept = _write(target, account)
    _say(f"It watches with {target}. {kept}")
    _say(f"Next: mqcam-viewer probe {invitation.camera} --credentials {target}")
    return exits.OK


def _add_camera(invitation: Invitation, file: Path, options: argparse.Namespace) -> int:
    """Have a viewer that exists already let in at one more camera of its broker."""
    account = with_password(load_credentials(file))
    if options.name not in {None, account.name}:
        raise UsageError(f"{file} is of {account.name}", "leave --name out, or name --output")
    way = invitation.way
    is_same = account.namespace == way.namespace and (
        set(account.broker) & set(way.broker) or (way.ca is not None and account.ca == way.ca)
    )
    if not is_same:
        raise UsageError(
            f"{invitation.camera} is at another broker, or in another namespace, than {file} opens",
            "give it a file of its own with --output",
        )
    identity = load_identity(account, folder=state_home(), use_keyring=True)
    _be_let_in(_Visitor(invitation=invitation, account=account, identity=identity))
    _say(f"Next: mqcam-viewer probe {invitation.camera} --credentials {file}")
    return exits.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visitor:
    invitation: Invitation
    account: Credentials
    identity: SigningKey


def _be_let_in(visitor: _Visitor) -> None:
    invitation, name = visitor.invitation, visitor.account.name
    # Read before anything is asked: a damaged file stops us while nothing has happened yet.
    known = KnownDevices(viewer_folder(name, visitor.identity.public) / KNOWN_DEVICES)
    pairing = Pairing(invitation, visitor.account, visitor.identity, tell=_say)
    paired = asyncio.run(pairing.run())
    camera, before = invitation.camera, known.key(invitation.camera)
    known.pin(camera, invitation.key, 1)
    _say(f"{camera} lets {name} in: {', '.join(paired.rights)}.")
    _say(f"Its fingerprint, which is known from now on: {fingerprint(invitation.key)}")
    if before not in {None, invitation.key}:
        _say(f"It takes the place of {fingerprint(before or '')}, which was known before.")


def _line(options: argparse.Namespace) -> str:
    """Return the line, wherever it is; raises CredentialsError, UsageError, UriUnusable."""
    if options.image is not None:
        lines = [each for each in read_qr(options.image) if is_uri(each)]
        if len(lines) != 1:
            many = "several codes" if lines else "a code, but none"
            raise CredentialsError(str(options.image), f"shows {many} of mqcam: show one")
        return lines[0]
    if options.source == STDIN and sys.stdin.isatty():
        return _typed()
    if options.source == STDIN:
        return sys.stdin.read(URI_MAX_CHARS + 1)
    try:
        return files.read_bounded(options.source).decode("ascii", "replace")
    except OSError as error:
        raise CredentialsError(options.source, files.reason(error)) from error


def _typed() -> str:
    """Have the line pasted, unseen: whoever looks at the screen later must not find it."""
    try:
        line = getpass.getpass("Paste the mqcam: line (it is not shown) and press Enter: ")
    except EOFError:
        line = ""
    if not line.strip():
        raise UriUnusable("was not given")
    return line


def _target(options: argparse.Namespace, name: str) -> Path:
    """Return the file to write: as named, else where the other verbs look for it."""
    return Path(options.output or options.usual or DEFAULT_FILE.format(name=name))


@contextlib.contextmanager
def _reserved(target: Path) -> Iterator[Path]:
    """Hold a new file's place meanwhile, so that nobody says yes to what cannot be written."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise UsageError(
            f"{target} exists already", "name another file with --output, or move that one away"
        ) from None
    except OSError as error:
        raise CredentialsError(str(target), files.reason(error)) from error
    try:
        yield target
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _write(target: Path, account: Credentials) -> str:
    """Write the file and return in a sentence where its secrets are."""
    try:
        left = keep_secrets(account)
    except CredentialsError as error:
        # Somebody has just said yes: a keyring's mood must not undo that.
        _say(f"{error}. Its secrets stay in the file.")
        left = account
    write_credentials(target, left)
    if left.identity is None:
        return "Its key is on this machine: the file is of no use elsewhere."
    if is_signing_key(left.identity):
        return "Its key is in the system's keyring: the file is of no use elsewhere."
    return "Its key is in that file, which only you can read."


def _machine_name() -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", socket.gethostname().partition(".")[0])
    return plain.strip("-")[:64] or "viewer"


def _name(text: str) -> str:
    if not is_id(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name: use up to 64 letters, digits, - and _"
        )
    return text


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a part of the command line
