"""The ``mqcam-device`` command: run the agent, check its configuration, ask a running one.

It must not hold logic of the agent: it reads arguments, prints, and turns errors into exit codes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam import entry, exits, log
from mqcam.commandline import Parser
from mqcam.credentials import credentials_of
from mqcam.errors import ConfigError, CredentialsError, MqcamError, UsageError
from mqcam.private import check_libraries
from mqcam.protocol.topics import is_id
from mqcam.redaction import spoken

from mqcam_device import cameraverbs, folders
from mqcam_device.asking import whom_to_ask
from mqcam_device.board import check_board
from mqcam_device.briefing import password_of
from mqcam_device.control import ask
from mqcam_device.inspection import inspect
from mqcam_device.servers import read_servers, secrets_of
from mqcam_device.settings import DEFAULT_CONFIG, load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def parser() -> Parser:
    """Return the description of the command line."""
    main_parser = Parser(
        prog="mqcam-device",
        description="The camera agent of mqcam: one agent is one camera.",
        file_option="--config",
    )
    main_parser.add_version()
    verbs = main_parser.add_subparsers(dest="verb", metavar="COMMAND", title="commands")
    common = Parser(add_help=False)
    common.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help="the agent's configuration (default: %(default)s)",
    )
    for verb, text in (
        ("run", "serve the camera until stopped"),
        (
            "check",
            "look for mistakes in configuration, credentials, camera and folders; start nothing",
        ),
        ("status", "ask the running agent how it is"),
        ("viewers", "ask the running agent who is watching, and whom this camera lets in"),
        ("pair", "let a viewer in who has no grant of an owner: an invitation, then a y here"),
        ("key", "show the public half of this camera's key; with NAME make one, here, first"),
        ("revoke", "shut a viewer out of this camera; one that watches is cut off at once"),
        ("import", "put a credentials file into place, and a configuration where there is none"),
    ):
        verb_parser = verbs.add_parser(
            verb, parents=[common], help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        if verb in {"status", "viewers"}:
            verb_parser.add_argument("--json", action="store_true", help="print one JSON object")
        if verb == "pair":
            _add_pairing(verb_parser)
        if verb == "revoke":
            verb_parser.add_argument("viewer", metavar="NAME", help="as 'viewers' shows it")
            verb_parser.add_argument(
                "--key",
                metavar="KEY",
                help="also this public key (ed25519:..., see 'mqcam-broker list --json'): of one "
                "who has an owner's grant and is not watching",
            )
        if verb == "import":
            _add_importing(verb_parser)
        if verb == "key":
            verb_parser.add_argument(
                "name", nargs="?", metavar="NAME", help="a camera that has no key yet"
            )
    cameraverbs.add_verbs(verbs, common)
    return main_parser


def _add_importing(parser_: Parser) -> None:
    parser_.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="CREDENTIALS",
        help="what 'mqcam-broker add-device' wrote; it stays. Left out: the one that lies on the "
        "boot partition, which is erased there",
    )
    parser_.add_argument(
        "--replace", action="store_true", help="also if it makes this machine another camera"
    )


def _add_pairing(parser_: Parser) -> None:
    parser_.add_argument(
        "--name", default="", help="the name that the viewer shall have (default: it chooses)"
    )
    parser_.add_argument(
        "--right",
        default="view",
        metavar="RIGHTS",
        help="what it may do: some of view,talk,control (default: %(default)s)",
    )
    parser_.add_argument(
        "--share-account",
        action="store_true",
        help="put this camera's own account at the broker into the invitation. For brokers with "
        "one account for all; where each has its own, the broker would take the viewer for the "
        "camera, and 'mqcam-broker add-viewer' makes it one. Brokers without accounts need none",
    )
    parser_.add_argument(
        "--qr",
        type=Path,
        metavar="FILE",
        help="write the invitation as a picture too, .png or .svg, which only you can read",
    )


def run(config: Path) -> None:
    """Run the agent until it is told to stop."""
    settings = load_settings(config)
    credentials = credentials_of("device", settings.credentials)
    secrets = [
        credentials.password or "",
        password_of(settings.source),
        *secrets_of(read_servers(settings, credentials)),
    ]
    folders.prepare(
        runtime=folders.runtime_folder(settings.runtime_dir),
        state=folders.state_folder(settings.state_dir),
        file=str(config),
    )
    check_board(folders.state_folder(settings.state_dir), credentials.name)
    log.configure(settings.log.level, settings.log.format, secrets=secrets)
    check_libraries()
    # Imported late, so that `check` and `status` answer at once on a small machine.
    with entry.loading():
        from mqcam_device.app import App  # noqa: PLC0415

    app = App(settings, credentials)
    with log.context(device=credentials.name):
        asyncio.run(app.run())


def check(config: Path) -> int:
    """Tell every mistake that can be known before the agent starts."""
    settings = load_settings(config)
    credentials, mistakes = inspect(settings, file=str(config))
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    if mistakes or credentials is None:
        return exits.CONFIGURATION
    print(f"{config}: good; {credentials.name} at {', '.join(credentials.broker)}")
    return exits.OK


def ask_agent(config: Path, verb: str, *, as_json: bool) -> None:
    """Print what the running agent says."""
    name, folder = whom_to_ask(load_settings(config))
    reply = ask(name, verb, folder)
    if as_json:
        print(json.dumps(reply))
    elif verb == "viewers":
        print_viewers(reply)
        print_allowed(reply)
    else:
        print_status(reply)


def print_status(reply: dict[str, object]) -> None:
    """Print one line per field that says something."""
    for key, value in reply.items():
        text = value
        if isinstance(value, dict):
            text = ", ".join(f"{name} {part}" for name, part in value.items())
        if text not in {"", None}:
            print(f"{key:12} {text}")


def print_viewers(reply: dict[str, object]) -> None:
    """Print one line per viewer."""
    viewers = reply.get("viewers")
    if not isinstance(viewers, list) or not viewers:
        print("nobody is watching")
        return
    for viewer in viewers:
        state = "connecting" if viewer["connected_s"] is None else f"{viewer['connected_s']} s"
        print(f"{viewer['viewer']:20} {state:>12}  {viewer['path'] or ''}")


def print_allowed(reply: dict[str, object]) -> None:
    """Print one line per viewer that was let in or shut out here."""
    allowed = reply.get("allowed")
    if not isinstance(allowed, list) or not allowed:
        return
    print("\nlet in at this camera:")
    for each in allowed:
        rights = "shut out" if each["revoked"] else ",".join(each["rights"])
        print(f"{each['viewer']:20} {rights:>12}  {each['fingerprint']}")


def pair(options: argparse.Namespace) -> int:
    """Let a viewer in, with a person at this terminal."""
    from mqcam_device import doorstep  # noqa: PLC0415 - `status` need not wait for it

    terminal = doorstep.Terminal()
    name, folder = whom_to_ask(load_settings(options.config))
    return doorstep.pair(
        lambda verb, args=None: ask(name, verb, folder, args),
        terminal,
        rights=options.right.split(","),
        name=options.name,
        is_account_shared=options.share_account,
        picture=options.qr,
    )


def make_key(config: Path, name: str | None) -> None:
    """Print the public half of the camera's key; that of ``name`` is made if there is none."""
    if name is not None and not is_id(name):
        raise UsageError(f"{name!r} is no name", "use up to 64 letters, digits, - and _")
    from mqcam.trust.keystore import load_identity, make_identity  # noqa: PLC0415 - as above

    settings = load_settings(config)
    folder = folders.state_folder(settings.state_dir)
    if name is not None:
        print(make_identity(name, folder=folder, use_keyring=False).public)
        return
    credentials = credentials_of("device", settings.credentials)
    print(load_identity(credentials, folder=folder, use_keyring=False).public)


def import_credentials(config: Path, file: Path | None, *, is_replacing: bool) -> None:
    """Put a credentials file into place, given or from the boot partition."""
    from mqcam_device import importing  # noqa: PLC0415 - nobody else needs it

    sight = importing.Sight(patience_s=0 if file else importing.CAMERA_PATIENCE_S)
    importer = importing.Importer(config=config, is_replacing=is_replacing, sight=sight)
    done = importer.import_card() if file is None else importer.import_file(file)
    for sentence in done.said:
        print(sentence)


def revoke(config: Path, viewer: str, key: str | None) -> None:
    """Shut a viewer out."""
    name, folder = whom_to_ask(load_settings(config))
    known = {} if key is None else {"key": key}
    reply = ask(name, "revoke", folder, {"viewer": viewer, **known})
    cut = f"; {reply['sessions']} of its sessions ended" if reply["sessions"] else ""
    print(f"{viewer} is shut out of {name}{cut}")


def obey(options: argparse.Namespace) -> int:
    """Do what one verb asks for; returns the exit code, raises MqcamError."""
    if "act" in options:  # a verb with a module of its own
        return int(options.act(options))
    if options.verb == "check":
        return check(options.config)
    if options.verb == "pair":
        return pair(options)
    if options.verb == "run":
        run(options.config)
    elif options.verb == "import":
        import_credentials(options.config, options.file, is_replacing=options.replace)
    elif options.verb == "key":
        make_key(options.config, options.name)
    elif options.verb == "revoke":
        revoke(options.config, options.viewer, options.key)
    else:
        ask_agent(options.config, options.verb, as_json=options.json)
    return exits.OK


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    main_parser = parser()
    options = main_parser.parse_args(arguments)
    if options.verb is None:
        main_parser.print_help()
        return exits.OK
    try:
        return obey(options)
    except (ConfigError, CredentialsError) as error:
        print(spoken(str(error)), file=sys.stderr)
        return exits.exit_code(error)
    except MqcamError as error:
        print(f"mqcam-device: {spoken(str(error))}", file=sys.stderr)
        return exits.exit_code(error)


if __name__ == "__main__":
    entry.end_with(main)
