"""The terminal's side of pairing: show the invitation, wait, ask a person y or n.

It must not know the desk's rules: the running agent has them, and is asked over its socket.
"""

from __future__ import annotations

import contextlib
import select
import shutil
import sys
import termios
import time
from typing import TYPE_CHECKING, Any, Protocol

from mqcam import exits
from mqcam.errors import ControlError, UsageError
from mqcam.qr import terminal_qr, write_qr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

POLL_S = 0.5

_NO_ACCOUNT = (
    "It holds no account at the broker. A viewer that has none needs one of its own from the "
    "broker's\nowner, or this camera's: --share-account.\n"
)


class Ask(Protocol):
    """Asks the running agent; raises ControlError."""

    def __call__(self, verb: str, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the agent's reply to a verb."""


class Terminal:
    """A person at standard input and output."""

    def __init__(self) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError(
                "pairing shows a secret to a person and waits for a y, and this is no terminal",
                "run it in one (ssh -t); viewers are added without a person by "
                "'mqcam-broker add-viewer'",
            )

    @property
    def columns(self) -> int:
        """Return how wide it is."""
        return shutil.get_terminal_size().columns

    def say(self, text: str) -> None:
        """Show a line."""
        print(text, flush=True)  # noqa: T201 - a part of the command line

    def prompt(self, text: str) -> None:
        """Show a question; the answer comes behind it, and what was typed before is no answer."""
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
        print(text, end=" ", flush=True)  # noqa: T201 - a part of the command line

    def answer(self, wait_s: float) -> str | None:
        """Return the line that was typed, None if none came in time; raises EOFError at the end."""
        if not select.select([sys.stdin], [], [], wait_s)[0]:
            return None
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.strip().lower()

    def wait(self, wait_s: float) -> None:
        """Let time pass."""
        time.sleep(wait_s)


def pair(
    ask: Ask,
    terminal: Terminal,
    *,
    rights: Sequence[str],
    name: str,
    is_account_shared: bool,
    picture: Path | None,
) -> int:
    """Invite one viewer and return the exit code; however it ends, the window is closed then."""
    opened = ask("pair", {"rights": list(rights), "name": name, "share_account": is_account_shared})
    is_settled = False
    try:
        _show(opened, terminal, picture)
        if opened["account"] and not is_account_shared:
            terminal.say(_NO_ACCOUNT)
        terminal.say(f"The fingerprint of {opened['camera']}: {opened['fingerprint']}")
        terminal.say("Waiting for the viewer; Ctrl-C ends it.\n")
        is_settled = _receive(ask, terminal)
    finally:
        if not is_settled:
            with contextlib.suppress(ControlError):  # gone, and its window with it
                ask("pair-close")
    return exits.OK


def _show(opened: Mapping[str, Any], terminal: Terminal, picture: Path | None) -> None:
    camera, uri = opened["camera"], str(opened["uri"])
    minutes = round(float(opened["remaining_s"]) / 60)
    terminal.say(
        f"Whoever has this line may ask to watch {camera}, once, within {minutes} minutes. Give it "
        "to 'mqcam-viewer pair':\n"
    )
    terminal.say(f"{uri}\n")
    if picture is not None:
        write_qr(picture, uri)
        terminal.say(f"It is in {picture} too: delete that when you are done.\n")
    else:
        try:
            terminal.say(f"{terminal_qr(uri, terminal.columns)}\n")
        except UsageError as error:
            terminal.say(f"(No code of squares here: {error} with --qr FILE.png.)\n")


def _receive(ask: Ask, terminal: Terminal) -> bool:
    """Ask about each who comes until one is let in; raises ControlError when the time is over."""
    while True:
        state = ask("pairing")
        if not state["open"]:
            raise ControlError("expired", "the time is over and nobody was let in; begin anew")
        if not state["waiting"]:
            terminal.wait(POLL_S)
            continue
        visitor = state["waiting"][0]
        is_yes = _asked(ask, terminal, visitor)
        if is_yes is None:
            terminal.say(f"\n{visitor['viewer']} has gone away.")
            continue
        answer = {name: visitor[name] for name in ("number", "fingerprint")}
        decided = ask("pair-decide", {**answer, "accept": is_yes})
        if is_yes:
            terminal.say(f"{decided['viewer']} is let in: {', '.join(decided['rights'])}.")
            return True
        terminal.say(f"{decided['viewer']} is turned away. Waiting for another; Ctrl-C ends it.")


def _asked(ask: Ask, terminal: Terminal, visitor: Mapping[str, Any]) -> bool | None:
    """Return a person's yes or no; None if the visitor waits no longer.

    The agent is asked meanwhile: a terminal that has died must not keep its window open.
    """
    terminal.say(f"{visitor['viewer']} asks to be let in. Its fingerprint, to be compared there:")
    terminal.say(f"    {visitor['fingerprint']}")
    if visitor["known_as"]:
        terminal.say(
            f"A viewer of this name was let in before with another key, {visitor['known_as']}: "
            "a yes takes its place."
        )
    if visitor["was_shut_out"]:
        terminal.say("This viewer was shut out of this camera before: a yes lets it in again.")
    terminal.prompt("Let it in? [y/N]")
    while (typed := terminal.answer(POLL_S)) is None:
        waiting = ask("pairing")["waiting"]
        if not any(each["fingerprint"] == visitor["fingerprint"] for each in waiting):
            return None
    return typed in {"y", "yes"}
