"""The command line of ``./install-device``."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .commands import RealCommands
from .machine import look
from .outcome import Outcome
from .plan import Wish, make_plan
from .refusal import Refused
from .site import Site
from .work import Removal, Work, missing_packages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .commands import Commands

FAILURE = 1
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "http_proxy", "https_proxy", "no_proxy", "TMPDIR")
"""Of the environment, together with pip's own variables; nothing else reaches apt and pip."""


def parser() -> argparse.ArgumentParser:
    """Return the description of the command line."""
    made = argparse.ArgumentParser(
        prog="install-device",
        description="Make this machine a camera: program, user, service and configuration, from "
        "the one file that 'mqcam-broker add-device' wrote. Typed again, it brings the program up "
        "to date and keeps the configuration.",
        epilog="Exit codes: 0 the camera is online; 1 it is not, or nothing was done, and why; "
        "2 the command cannot be meant so.",
        allow_abbrev=False,
    )
    made.add_argument(
        "file", nargs="?", type=Path, metavar="CREDENTIALS", help="front.mqcam, front.device.yaml"
    )
    made.add_argument(
        "--instance", action="store_true", help="one of several cameras on this machine"
    )
    made.add_argument(
        "--replace", action="store_true", help="also if this machine was another camera before"
    )
    made.add_argument(
        "--prepare",
        action="store_true",
        help="install all but the credentials: they come on the boot partition, and are erased "
        "there at the next boot. For a card that is copied",
    )
    made.add_argument("--uninstall", action="store_true", help="remove program and services again")
    made.add_argument(
        "--purge", action="store_true", help="with --uninstall: credentials and state too"
    )
    made.add_argument("--yes", action="store_true", help="with --uninstall: do not ask")
    made.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="FOLDER",
        help="put everything below this folder and start nothing (to try it out)",
    )
    return made


def install(options: argparse.Namespace, commands: Commands) -> None:
    """Plan, say it, do it, and wait until the camera is online."""
    machine = look(options.root)
    wish = Wish(
        file=options.file,
        root=options.root,
        is_instance=options.instance,
        is_prepared=options.prepare,
        is_replacing=options.replace,
        user=_caller(),
    )
    plan = make_plan(wish, machine, missing=lambda names: missing_packages(commands, names))
    _announce("this installs", plan.sentences())
    Work(plan=plan, commands=commands, say=functools.partial(print, flush=True)).do_all()
    if plan.paper is None:
        print(
            "mqcam: prepared. Shut down, copy the card as often as you like, and put one "
            "NAME.mqcam on the boot partition of each copy."
        )
    elif plan.is_elsewhere:
        print(f"mqcam: installed below {options.root}; nothing was started.")
    else:
        place = Outcome(site=plan.site, commands=commands).wait_until_online()
        option = f" --config {plan.site.config}" if plan.site.instance else ""
        print(
            f"mqcam: {plan.paper.name} is online at {place}. How good it is: "
            f"sudo mqcam-device selftest{option}"
        )


def uninstall(options: argparse.Namespace, commands: Commands) -> None:
    """Say what will be removed, ask, remove it."""
    is_elsewhere = options.root != Path("/")
    look(options.root).refuse_unfit(is_elsewhere=is_elsewhere)
    removal = Removal(
        site=Site(root=options.root),
        commands=commands,
        is_purging=options.purge,
        is_elsewhere=is_elsewhere,
    )
    _announce("this removes", removal.sentences())
    if not options.yes:
        if not sys.stdin.isatty():
            raise Refused("nobody is at a terminal to say yes: add --yes")
        if input("mqcam: go on? [y/N] ").strip().lower() != "y":
            raise Refused("nothing was removed")
    removal.do_all()
    print("mqcam: removed.")


def _announce(what: str, sentences: Sequence[str]) -> None:
    print(f"mqcam: {what}:")
    for sentence in sentences:
        print(f"  * {sentence}")
    sys.stdout.flush()


def _caller() -> str | None:
    name = os.environ.get("SUDO_USER", "")
    return None if name in {"", "root"} else name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    made = parser()
    options = made.parse_args(arguments)
    if options.purge and not options.uninstall:
        made.error("--purge goes with --uninstall")
    options.root = options.root.absolute()
    site = Site(root=options.root)
    os.umask(0o022)  # root's own may be stricter, and the user mqcam must read the program
    kept = {k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith("PIP_")}
    try:
        commands = RealCommands(log=site.log, environ=kept)
        (uninstall if options.uninstall else install)(options, commands)
    except Refused as refused:
        print(f"install-device: {refused}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        print("install-device: interrupted; typed again, it goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
