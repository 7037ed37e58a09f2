"""Codes of squares: what is drawn can be read again, and what cannot is said."""

from __future__ import annotations

import re
import struct
import sys
import zlib
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import pytest
from mqcam.credentials import Credentials
from mqcam.errors import CredentialsError, UsageError
from mqcam.exits import exit_code
from mqcam.qr import read_qr, terminal_qr, write_qr
from mqcam.trust.documents import Grant
from mqcam.trust.keys import SigningKey
from mqcam.uri import credentials_uri
from support.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

KEY = SigningKey(bytes(range(32)))
SQUARES = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
WIDE = 200


def whole_credentials() -> str:
    """Return the line of a viewer of an ordinary home: two addresses, a CA, a grant."""
    grant = Grant(name="anna-laptop", key=KEY.public, serial="abcdefgh", cameras=("*",))
    return credentials_uri(
        Credentials(
            kind="viewer",
            name="anna-laptop",
            broker=("mqtts://192.168.178.20:8883", "mqtts://raspberrypi.local:8883"),
            ca=Authority().pem,
            username="anna-laptop",
            password="n4hH8ZtLGZ0pPfVYt1mZbRZrJrX2N6Qm7rR0cWkT3uE",
            identity=KEY.secret_text(),
            owner=KEY.public,
            grant=grant.issue(KEY, "mqcam"),
        )
    )


def png(width: int, height: int, rows: bytes) -> bytes:
    """Write a grey PNG by hand, its rows each with their filter byte."""
    head = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def photograph(drawn: str, path: Path, *, scale: int = 4) -> Path:
    """Save what a terminal would show as a picture."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    rows = []
    for line in plain.split("\n"):
        for half in (0, 1):
            row = b"".join((b"\0" if SQUARES[each][half] else b"\xff") * scale for each in line)
            rows += [b"\0" + row] * scale
    path.write_bytes(png(len(rows[0]) - 1, len(rows), b"".join(rows)))
    return path


def test_a_whole_account_fits_a_code_that_scans_from_a_terminal(tmp_path: Path) -> None:
    line = whole_credentials()
    drawn = terminal_qr(line, WIDE)
    assert len(re.sub(r"\x1b\[[0-9;]*m", "", drawn.split("\n")[0])) <= 113
    assert read_qr(photograph(drawn, tmp_path / "screen.png")) == (line,)


def test_the_colours_are_said_so_that_a_dark_terminal_shows_dark_on_light() -> None:
    lines = terminal_qr("MQCAM:ABC", WIDE).split("\n")
    assert all(each.startswith("\x1b[30;47m") and each.endswith("\x1b[0m") for each in lines)


def test_a_terminal_that_is_barely_wide_enough_gets_a_narrow_margin(tmp_path: Path) -> None:
    drawn = terminal_qr("MQCAM:ABC", 25)
    assert read_qr(photograph(drawn, tmp_path / "screen.png")) == ("MQCAM:ABC",)


def test_a_terminal_that_is_too_narrow_is_told_how_wide_it_must_be() -> None:
    with pytest.raises(UsageError, match="needs a terminal of 25 columns, this one has 24"):
        terminal_qr("MQCAM:ABC", 24)


def test_a_text_that_no_code_can_hold_is_said_without_repeating_it() -> None:
    with pytest.raises(UsageError, match="4400 characters are too long") as caught:
        terminal_qr("MQCAM:" + "A" * 4394, WIDE)
    assert "AAA" not in str(caught.value)


def test_a_written_picture_is_its_owners_alone_and_can_be_read(tmp_path: Path) -> None:
    line = whole_credentials()
    file = tmp_path / "anna.png"
    write_qr(file, line)
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_qr(file) == (line,)


def test_a_drawing_can_be_had_for_paper(tmp_path: Path) -> None:
    file = tmp_path / "anna.svg"
    write_qr(file, "MQCAM:ABC")
    assert file.read_bytes().startswith(b"<?xml")
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_picture_of_another_kind_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        write_qr(tmp_path / "anna.gif", "MQCAM:ABC")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="does not exist"):
        write_qr(tmp_path / "no" / "anna.png", "MQCAM:ABC")


@pytest.mark.parametrize("side", [300, 1000])
def test_a_photograph_as_jpeg_is_read(tmp_path: Path, side: int) -> None:
    line = whole_credentials()
    write_qr(tmp_path / "a.png", line)
    with av.open(str(tmp_path / "a.png")) as container:
        frame = next(container.decode(video=0))
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width = encoder.height = side
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1)
    scaled = frame.reformat(width=side, height=side, format="yuvj420p")
    data = b"".join(bytes(each) for each in (*encoder.encode(scaled), *encoder.encode(None)))
    (tmp_path / "a.jpg").write_bytes(data)
    assert read_qr(tmp_path / "a.jpg") == (line,)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no picture"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "is no picture"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0", "damaged"),
        (b"RIFF", "damaged"),
        (png(8, 8, (b"\0" + b"\xff" * 8) * 8), "shows no code"),
        (png(100_000, 100_000, b""), "damaged picture, or one too big"),
        (png(30_000, 30_000, b""), "damaged picture, or one too big"),
    ],
)
def test_a_picture_that_shows_no_code_is_said(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(content)
    with pytest.raises(CredentialsError, match=why):
        read_qr(file)


def test_a_picture_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="does not exist"):
        read_qr(tmp_path / "a.png")


def test_without_the_library_its_installation_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    with pytest.raises(UsageError, match=r"pip install 'mqcam\[viewer\]'") as caught:
        read_qr(tmp_path / "a.png")
    assert exit_code(caught.value) == 2
