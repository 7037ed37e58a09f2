"""How the command line says by which paths a camera may be reached.

It must not know what is watched, nor ask a server itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mqcam.credentials import read_password
from mqcam.errors import UsageError
from mqcam.ice import IceSettings
from mqcam.protocol.topics import is_id
from mqcam.servers import IceServer, ServerUrl


def camera_name(text: str) -> str:
    """Read the name of a camera."""
    if not is_id(text):
        raise argparse.ArgumentTypeError(
            f"a camera's name is 1 to 64 of the characters A-Z a-z 0-9 _ -, not {text!r}"
        )
    return text


def server(text: str) -> ServerUrl:
    """Read the address of a STUN or TURN server."""
    try:
        return ServerUrl.from_text(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; ``settings`` reads them."""
    group = parser.add_argument_group(
        "paths", "Cameras lend their servers, so that these are seldom needed (docs/away.md)."
    )
    group.add_argument(
        "--loopback", action="store_true", help="camera and viewer run on this one machine"
    )
    group.add_argument(
        "--ice-server",
        metavar="URL",
        action="append",
        default=[],
        type=server,
        help="a STUN or TURN server of your own, such as turn:relay.example.org; may be repeated",
    )
    group.add_argument("--ice-username", metavar="NAME", default="", help="for the TURN servers")
    group.add_argument(
        "--ice-credential-file",
        metavar="FILE",
        type=Path,
        help="holds the password for the TURN servers; chmod 600",
    )
    group.add_argument(
        "--ice-policy",
        choices=["all", "relay"],
        default="all",
        help="relay: only through a TURN server (default: %(default)s)",
    )


def settings(options: argparse.Namespace) -> IceSettings:
    """Return what was asked for; raises UsageError and CredentialsError."""
    urls: list[ServerUrl] = options.ice_server
    needs_account = any(url.is_relay for url in urls)
    if needs_account and not (options.ice_username and options.ice_credential_file):
        raise UsageError(
            "a TURN server wants an account",
            "name it with --ice-username and --ice-credential-file",
        )
    credential = read_password(options.ice_credential_file) if needs_account else ""
    servers = tuple(
        IceServer(urls=(str(url),), username=options.ice_username, credential=credential)
        for url in urls
    )
    return IceSettings(servers=servers, policy=options.ice_policy, loopback=options.loopback)
