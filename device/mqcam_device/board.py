"""Which board this is, and on which one this agent began.

A copied SD card must not bring a second camera of one name. It must not know identities: it tells
one board from another, and only where boards have serials.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from mqcam.errors import CredentialsError
from mqcam.files import read_bounded, reason, write_atomically

SERIAL_PATHS: Final = (
    Path("/proc/device-tree/serial-number"),
    Path("/sys/firmware/devicetree/base/serial-number"),
)
"""What a Raspberry Pi's firmware tells Linux; other machines have no such file."""
SERIAL_LIMIT_BYTES: Final = 256
MODEL_PATH: Final = Path("/proc/device-tree/model")
BOARD_FILE: Final = "{name}.board"


def check_board(
    state_dir: Path,
    name: str,
    *,
    is_start: bool = True,
    serial_paths: tuple[Path, ...] = SERIAL_PATHS,
) -> None:
    """Remember the board at the first start; raise CredentialsError on another one.

    Does nothing on a machine without a serial number. Only a hash is kept, because a serial number
    is nobody's business. Without ``is_start`` nothing is written.
    """
    serial = _serial(serial_paths)
    if serial is None:
        return
    path = state_dir / BOARD_FILE.format(name=name)
    board = hashlib.sha256(b"mqcam board\0" + serial).hexdigest()
    try:
        known = read_bounded(path).decode("ascii", "replace").strip()
    except FileNotFoundError:
        if is_start:
            _remember(path, board)
        return
    except OSError as error:
        raise CredentialsError(str(path), reason(error)) from error
    if known != board:
        raise CredentialsError(
            str(path),
            f"the camera {name} began on another board. If this is a copy of its SD card, give "
            "this one an identity of its own: have the owner run 'mqcam-broker add-device "
            "ANOTHER-NAME' and use that file. If the board was replaced, delete the file that "
            "this line begins with",
        )


def read_model(path: Path = MODEL_PATH) -> str:
    """Return what the firmware calls this board, empty where it does not say, as on a PC."""
    try:
        return path.read_text("utf-8", "replace").strip("\0 \n")
    except OSError:
        return ""


def _serial(paths: tuple[Path, ...]) -> bytes | None:
    for path in paths:
        try:
            serial = read_bounded(path, limit_bytes=SERIAL_LIMIT_BYTES).strip(b"\0 \t\r\n")
        except OSError:
            continue
        if serial.strip(b"0"):  # all zeros: a board that nobody numbered
            return serial
    return None


def _remember(path: Path, board: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, f"{board}\n".encode())
    except OSError as error:
        raise CredentialsError(str(path), reason(error)) from error
