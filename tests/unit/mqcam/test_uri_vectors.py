"""The examples of lines that open an account, which a second implementation can run, run here."""

from __future__ import annotations

import pytest
from mqcam.errors import UriUnusable
from mqcam.uri import Invitation, read_uri
from support.vectors import Vector, load, name_of

LINES = load("pairing.json")
WAY = ("namespace", "server_name", "ca", "username", "password")
OWN = ("name", "identity", "owner", "grant")


@pytest.mark.parametrize("vector", LINES["lines"], ids=name_of)
def test_a_line(vector: Vector) -> None:
    found = read_uri(vector["line"])
    if isinstance(found, Invitation):
        way = found.way
        holds = {
            "t": "pair",
            "camera": found.camera,
            "key": found.key,
            "secret_hex": found.secret.hex(),
            "visitor": found.visitor or None,
        }
    else:
        way = found
        holds = {"t": "viewer", **{name: getattr(found, name) for name in OWN}}
    said = {name: getattr(way, name) for name in WAY}

    assert {**holds, **said, "broker": list(way.broker)} == vector["holds"]


@pytest.mark.parametrize("vector", LINES["lines_refused"], ids=name_of)
def test_a_line_that_is_refused(vector: Vector) -> None:
    with pytest.raises(UriUnusable):
        read_uri(vector["line"])
