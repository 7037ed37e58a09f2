"""The ``mqcam-device`` command: run the agent, check its configuration, ask a running one.

It must not hold logic of the agent: it reads arguments, prints, and turns errors into exit codes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam import log
from mqcam.credentials import credentials_of
from mqcam.errors import ConfigError, CredentialsError, MqcamError
from mqcam.private import check_libraries

from mqcam_device.control import ask, running
from mqcam_device.servers import read_servers
from mqcam_device.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam_device.settings import DeviceSettings

DEFAULT_CONFIG = Path("/etc/mqcam/device.yaml")
EXIT_FAILURE = 1
EXIT_BAD_CONFIG = 78


def parser() -> argparse.ArgumentParser:
    """Return the description of the command line."""
    main_parser = argparse.ArgumentParser(
        prog="mqcam-device", description="Camera agent of mqcam: one agent is one camera."
    )
    verbs = main_parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for verb, text in (
        ("run", "serve the camera until stopped"),
        ("check", "read configuration and credentials, tell every mistake, start nothing"),
        ("status", "ask the running agent how it is"),
        ("viewers", "ask the running agent who is watching"),
    ):
        verb_parser = verbs.add_parser(verb, help=text, description=text)
        verb_parser.add_argument(
            "--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s"
        )
        if verb in {"status", "viewers"}:
            verb_parser.add_argument("--json", action="store_true", help="print one JSON object")
    return main_parser


def run(config: Path) -> None:
    """Run the agent until it is told to stop."""
    settings = load_settings(config)
    credentials = credentials_of("device", settings.credentials)
    secrets = [credentials.password or "", *(each.credential for each in read_servers(settings))]
    log.configure(settings.log.level, settings.log.format, secrets=secrets)
    check_libraries()
    # Imported late, so that `check` and `status` answer at once on a small machine.
    from mqcam_device.app import App  # noqa: PLC0415

    app = App(settings, credentials)
    with log.context(device=credentials.name):
        asyncio.run(app.run())


def check(config: Path) -> None:
    """Tell every mistake in configuration and credentials."""
    settings = load_settings(config)
    credentials = credentials_of("device", settings.credentials)
    credentials.broker_settings()
    read_servers(settings)
    print(f"{config}: good; {credentials.name} at {', '.join(credentials.broker)}")


def agent_name(settings: DeviceSettings) -> str:
    """Return the name of the agent to ask.

    Members of the group that owns the socket may ask without reading the credentials.
    """
    try:
        return credentials_of("device", settings.credentials).name
    except CredentialsError:
        names = running(settings.runtime_dir)
        if len(names) != 1:
            raise
        return names[0]


def ask_agent(config: Path, verb: str, *, as_json: bool) -> None:
    """Print what the running agent says."""
    settings = load_settings(config)
    reply = ask(agent_name(settings), verb, settings.runtime_dir)
    if as_json:
        print(json.dumps(reply))
    elif verb == "viewers":
        print_viewers(reply)
    else:
        for key, value in reply.items():
            print(f"{key:12} {value}")


def print_viewers(reply: dict[str, object]) -> None:
    """Print one line per viewer."""
    viewers = reply.get("viewers")
    if not isinstance(viewers, list) or not viewers:
        print("nobody is watching")
        return
    for viewer in viewers:
        state = "connecting" if viewer["connected_s"] is None else f"{viewer['connected_s']} s"
        print(f"{viewer['viewer']:20} {state:>12}  {viewer['path'] or ''}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    try:
        if options.verb == "run":
            run(options.config)
        elif options.verb == "check":
            check(options.config)
        else:
            ask_agent(options.config, options.verb, as_json=options.json)
    except (ConfigError, CredentialsError) as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_CONFIG
    except MqcamError as error:
        print(f"mqcam-device: {error}", file=sys.stderr)
        return EXIT_FAILURE
    return 0


if __name__ == "__main__":
    sys.exit(main())
