"""What a person at the camera sees and types."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.errors import ControlError, UsageError
from mqcam_device import doorstep
from mqcam_device.doorstep import Terminal, pair

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

URI = "MQCAM:ABCDEFGHIJKLMNOP"
VISITOR = {
    "number": 3,
    "viewer": "laptop",
    "fingerprint": "f8fa f251",
    "known_as": "",
    "was_shut_out": False,
}
WHO = {name: VISITOR[name] for name in ("number", "fingerprint")}


class FakeTerminal(Terminal):
    """Types prepared answers; None is a person who thinks."""

    def __init__(self, *answers: str | None, width: int = 80) -> None:
        self.shown = ""
        self._answers = list(answers)
        self._width = width

    @property
    def columns(self) -> int:
        return self._width

    def say(self, text: str) -> None:
        self.shown += text + "\n"

    def prompt(self, text: str) -> None:
        self.shown += text

    def answer(self, wait_s: float) -> str | None:
        if not self._answers:
            raise KeyboardInterrupt
        return self._answers.pop(0)

    def wait(self, wait_s: float) -> None:
        pass


class FakeAgent:
    """Shows visitors in turn, then closes."""

    def __init__(self, *states: list[dict[str, Any]], account: bool = False) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._states = list(states)
        self._account = account

    def __call__(self, verb: str, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.asked.append((verb, dict(args or {})))
        if verb == "pair":
            return {
                "uri": URI,
                "camera": "front",
                "fingerprint": "aaaa bbbb",
                "remaining_s": 600,
                "account": self._account,
            }
        if verb == "pairing":
            waiting = self._states.pop(0) if self._states else None
            return {"open": waiting is not None, "waiting": waiting or []}
        if verb == "pair-decide":
            return {"viewer": "laptop", "rights": ["view"] if (args or {})["accept"] else []}
        return {}

    def said(self, verb: str) -> list[dict[str, Any]]:
        return [args for said, args in self.asked if said == verb]


def run(agent: FakeAgent, terminal: FakeTerminal, picture: Path | None = None) -> int:
    return pair(
        agent,
        terminal,
        rights=["view"],
        name="",
        is_account_shared=False,
        picture=picture,
    )


def test_a_yes_lets_in_and_leaves_the_window_to_the_agent() -> None:
    agent, terminal = FakeAgent([], [VISITOR]), FakeTerminal("y")
    assert run(agent, terminal) == 0
    assert agent.said("pair-decide") == [{**WHO, "accept": True}]
    assert agent.said("pair-close") == []
    for part in (URI, "aaaa bbbb", "f8fa f251", "within 10 minutes", "is let in: view"):
        assert part in terminal.shown
    assert "█" in terminal.shown


@pytest.mark.parametrize("typed", ["n", "", "no", "yess", "j"])
def test_everything_else_is_a_no(typed: str) -> None:
    agent = FakeAgent([VISITOR])
    with pytest.raises(ControlError, match="nobody was let in"):
        run(agent, FakeTerminal(typed))
    assert agent.said("pair-decide") == [{**WHO, "accept": False}]
    assert len(agent.said("pair-close")) == 1


def test_another_visitor_with_the_same_number_is_not_the_one_who_was_shown() -> None:
    """A second terminal has opened a window of its own, which took the place of this one."""
    other = {**VISITOR, "viewer": "mallory", "fingerprint": "0000 1111"}
    agent, terminal = FakeAgent([VISITOR], [other]), FakeTerminal(None, "y")
    with pytest.raises(ControlError):
        run(agent, terminal)
    assert agent.said("pair-decide") == []


def test_a_visitor_who_goes_away_meanwhile_is_asked_about_no_longer() -> None:
    agent, terminal = FakeAgent([VISITOR], [VISITOR], []), FakeTerminal(None, None)
    with pytest.raises(ControlError):
        run(agent, terminal)
    assert "has gone away" in terminal.shown
    assert agent.said("pair-decide") == []


@pytest.mark.parametrize("answers", [(), (None,)])
def test_ctrl_c_closes_the_window(answers: tuple[None, ...]) -> None:
    agent = FakeAgent([VISITOR], [VISITOR], [VISITOR])
    with pytest.raises(KeyboardInterrupt):
        run(agent, FakeTerminal(*answers))
    assert len(agent.said("pair-close")) == 1


def test_another_key_under_a_known_name_is_pointed_out() -> None:
    terminal = FakeTerminal("y")
    run(FakeAgent([{**VISITOR, "known_as": "dead beef"}]), terminal)
    assert "let in before with another key, dead beef" in terminal.shown


def test_a_viewer_that_was_shut_out_is_pointed_out() -> None:
    terminal = FakeTerminal("y")
    run(FakeAgent([{**VISITOR, "was_shut_out": True}]), terminal)
    assert "was shut out of this camera before" in terminal.shown


def test_a_narrow_terminal_is_told_how_to_get_a_code() -> None:
    terminal = FakeTerminal("y", width=20)
    run(FakeAgent([VISITOR]), terminal)
    assert "--qr FILE.png" in terminal.shown
    assert "█" not in terminal.shown


def test_the_code_can_be_had_as_a_picture(tmp_path: Path) -> None:
    terminal = FakeTerminal("y")
    run(FakeAgent([VISITOR]), terminal, tmp_path / "door.png")
    assert (tmp_path / "door.png").stat().st_mode & 0o777 == 0o600
    assert "delete that" in terminal.shown


def test_an_invitation_without_the_account_that_the_broker_wants_says_so() -> None:
    terminal = FakeTerminal("y")
    run(FakeAgent([VISITOR], account=True), terminal)
    assert "--share-account" in terminal.shown


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="no terminal"):
        doorstep.Terminal()
