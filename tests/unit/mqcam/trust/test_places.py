"""Where a viewer keeps what it learnt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mqcam.errors import CredentialsError
from mqcam.trust.keys import SigningKey, fingerprint
from mqcam.trust.places import state_home, viewer_folder

ONE, TWO = SigningKey(b"1" * 32).public, SigningKey(b"2" * 32).public


def test_two_keys_of_one_name_have_two_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two owners may both have called this laptop `laptop`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    digits = fingerprint(ONE).replace(" ", "")[:12]
    assert viewer_folder("laptop", ONE) == tmp_path / "mqcam" / f"laptop-{digits}"
    assert viewer_folder("laptop", TWO) != viewer_folder("laptop", ONE)


@pytest.mark.parametrize("given", [None, "", "relative/place"])
def test_without_a_place_it_is_the_usual_one(
    monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    if given is not None:
        monkeypatch.setenv("XDG_STATE_HOME", given)
    assert state_home() == Path("/home/anna/.local/state/mqcam")


def test_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(CredentialsError, match="set XDG_STATE_HOME"):
        state_home()
