"""The two files that mqcam ships for mosquitto, and the few places that ``init`` fills in.

It must not know where they are installed to: it returns text.
"""

from __future__ import annotations

import re
from pathlib import Path

from mqcam.errors import MissingRequirement
from mqcam.protocol.topics import DEFAULT_NAMESPACE

CONFIGURATION = "mosquitto.conf"
RULES = "fleet.acl"
MEMBER_RULES = "members.acl"
DEFAULT_DIRECTORY = Path("/etc/mqcam-broker")
DEFAULT_PORT = 8883
DEFAULT_WS_PORT = 8084

_OWN_CHAIN = f"cafile {DEFAULT_DIRECTORY}/server.crt"
"""mosquitto wants some authority beside a certificate, and asks it nothing."""


def shipped_file(name: str) -> Path:
    """Return the shipped file: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package, package.parent):
        if (folder / name).is_file():
            return folder / name
    raise MissingRequirement(f"mqcam was installed without its {name}", "install it again")


def configuration(
    *,
    directory: Path,
    user: str,
    port: int = DEFAULT_PORT,
    ws_port: int | None = None,
    bind: str | None = None,
    is_fleet: bool = False,
    is_public: bool = False,
) -> str:
    """Return the shipped mosquitto.conf for one directory, user and set of listeners.

    ``is_fleet``: one set of rules for all users; ``is_public``: no authority of our own.
    """
    text = shipped_file(CONFIGURATION).read_text("utf-8")
    if not is_fleet:
        rules = f"acl_file {DEFAULT_DIRECTORY}/"
        text = _fill(text, f"{rules}{RULES}", f"{rules}{MEMBER_RULES}")
    if is_public:
        text = text.replace(f"cafile {DEFAULT_DIRECTORY}/ca.crt", _OWN_CHAIN)
    text = text.replace(f"{DEFAULT_DIRECTORY}/", f"{directory}/")
    text = _fill(text, "user mosquitto", f"user {user}")
    at = f" {bind}" if bind else ""
    text = _fill(text, f"listener {DEFAULT_PORT}", f"listener {port}{at}")
    if ws_port is None:
        return text
    text = _fill(text, f"#listener {DEFAULT_WS_PORT}", f"#listener {ws_port}{at}")
    # A setting that is switched off has its '#' right in front of it; a comment has a space.
    return re.sub(r"^#(?=[a-z])", "", text, flags=re.MULTILINE)


def rules(namespace: str = DEFAULT_NAMESPACE) -> str:
    """Return the shipped access rules for one namespace."""
    text = shipped_file(RULES).read_text("utf-8")
    return text.replace(f" {DEFAULT_NAMESPACE}/v1/", f" {namespace}/v1/")


def _fill(text: str, line: str, replacement: str) -> str:
    pattern = re.compile(rf"^{re.escape(line)}$", re.MULTILINE)
    filled, count = pattern.subn(lambda _match: replacement, text)
    if count != 1:
        raise MissingRequirement(
            f"the shipped {CONFIGURATION} has no line {line!r}", "install mqcam again"
        )
    return filled
