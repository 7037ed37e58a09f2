"""The credentials file of one device or viewer: who it is and how it reaches the broker.

It must not know how the broker is spoken to, nor load paho: ``mqcam.broker`` is plain values.
"""
# No ``from __future__ import annotations``: mqcam.config reads these annotations at run time.

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import yaml

from mqcam import files
from mqcam.broker import BrokerAddress, BrokerSettings
from mqcam.config import Matches, Range, Secret, decode, top_keys
from mqcam.errors import BrokerAddressError, ConfigError, CredentialsError
from mqcam.protocol.fields import INTEGER_MAX
from mqcam.servers import ServerUrl
from mqcam.trust import papers

_CERTIFICATES = re.compile(
    r"\s*(-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+"
)

Kind: TypeAlias = Literal["device", "viewer"]

_Id = Annotated[str, Matches("[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, - and _")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What ``mqcam-broker add-device`` and ``add-viewer`` hand out."""

    kind: Kind
    name: _Id
    broker: Annotated[tuple[Annotated[str, Secret()], ...], Range(1, 16, "addresses")]
    """URLs, tried together: ``mqtts://host:8883``, also ``mqtt``, ``ws``, ``wss``."""
    namespace: _Id = "mqcam"
    server_name: str | None = "mqcam-broker"
    """The name in the broker's certificate, whatever its address; None: the address's own host."""
    ca: Annotated[str | None, Secret()] = None
    """The certificates (PEM) that may vouch for the broker; None trusts the system's."""
    username: str | None = None
    password: Annotated[str | None, Secret()] = field(default=None, repr=False)
    identity: Annotated[str | None, Secret()] = field(default=None, repr=False)
    """The private signing key as one word; None: it is kept elsewhere on this machine."""
    owner: str | None = None
    """The public key of the owner whose word counts; None: only pins count."""
    owner_number: Annotated[int, Range(0, INTEGER_MAX)] = 0
    """The number of the owner's state when this was written: an older state is no news."""
    certificate: str | None = None
    """What the owner says of this device."""
    grant: str | None = None
    """What the owner says of this viewer."""
    turn: Annotated[tuple[str, ...], Range(0, 8, "addresses")] = ()
    """The relay beside the broker, for a device: ``turn:host:3478``, also ``stun``, ``turns``."""
    turn_secret: Annotated[str | None, Secret()] = field(default=None, repr=False)
    """What the relay knows too: a device makes accounts from it, for itself and its viewers."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield the rules that types cannot express."""
        for url in self.broker:
            try:
                BrokerAddress.parse(url)
            except BrokerAddressError as error:
                yield "broker", str(error)
        if self.ca is not None and not _CERTIFICATES.fullmatch(self.ca):
            yield "ca", "expected PEM certificates and nothing else"
        if self.password is not None and self.username is None:
            yield "password", "needs a username beside it"
        for url in self.turn:
            try:
                ServerUrl.from_text(url)
            except ValueError as error:
                yield "turn", str(error)
        if bool(self.turn) != bool(self.turn_secret):
            yield ("turn_secret" if self.turn else "turn"), "is missing: one wants the other"
        yield from papers.mistakes(self)

    def broker_settings(self) -> BrokerSettings:
        """Return what ``mqcam.mqtt.MqttSession`` needs to reach the broker."""
        return BrokerSettings(
            addresses=tuple(BrokerAddress.parse(url) for url in self.broker),
            username=self.username,
            password=self.password,
            ca_pem=self.ca,
            server_name=self.server_name or "",
        )


def load_credentials(path: Path | str, *, has_mode: bool = True) -> Credentials:
    """Read a credentials file; raise CredentialsError when it is open to others or damaged.

    Without ``has_mode`` its mode is not judged: on a partition that knows none, nobody can set it.
    """
    keys = top_keys(path)
    if "credentials" in keys and "broker" not in keys:  # else its mode would be blamed
        text = "this is a camera's configuration, not a credentials file: those are written by"
        raise CredentialsError(str(path), f"{text} 'mqcam-broker add-device' and 'add-viewer'")
    try:
        content = files.read_private(path) if has_mode else files.read_bounded(path)
        return decode(content, Credentials, file=str(path))
    except OSError as error:
        raise CredentialsError(str(path), files.reason(error)) from error
    except ConfigError as error:
        raise CredentialsError(str(path), _joined(error)) from None  # its cause may hold secrets


def credentials_of(
    kind: Kind, given: Credentials | Path | str, *, has_mode: bool = True
) -> Credentials:
    """Return the credentials of a device or a viewer, given as such or as the name of their file.

    Raises CredentialsError as ``load_credentials`` does, for credentials of the other kind, and for
    a file that says of nobody who he is.
    """
    if isinstance(given, Credentials):
        credentials = given
    else:
        credentials = load_credentials(given, has_mode=has_mode)
    if credentials.kind != kind:
        raise CredentialsError(
            credentials.name if isinstance(given, Credentials) else str(given),
            f"these are a {credentials.kind}'s credentials: "
            f"use the file that 'mqcam-broker add-{kind}' wrote",
        )
    is_file = not isinstance(given, Credentials)
    if is_file and not (credentials.identity or credentials.certificate or credentials.grant):
        raise CredentialsError(
            str(given),
            "names no identity, as in files of earlier releases: have it made anew with "
            f"'mqcam-broker add-{kind} {credentials.name} --replace'",
        )
    return credentials


def write_credentials(
    path: Path | str, credentials: Credentials, *, owner: tuple[int, int] | None = None
) -> None:
    """Write a credentials file in one step, readable by its owner only; raise CredentialsError.

    ``owner`` is the user and group whose it is, if root writes it for somebody.
    """
    values = {
        each.name: _plain(getattr(credentials, each.name))
        for each in dataclasses.fields(credentials)
        if getattr(credentials, each.name) not in (None, ()) or each.default not in (None, ())
    }
    text = "# mqcam credentials: whoever has this file is this device or viewer. Keep it private.\n"
    text += yaml.dump(values, Dumper=_Dumper, sort_keys=False, width=1000)
    try:
        files.write_atomically(path, text.encode(), mode=0o600, owner=owner)
    except OSError as error:
        raise CredentialsError(str(path), files.reason(error)) from error


def read_password(path: Path | str) -> str:
    """Return what a file holds that is nothing but one password; raise CredentialsError."""
    try:
        text = files.read_private(path).decode("utf-8").strip()
    except OSError as error:
        raise CredentialsError(str(path), files.reason(error)) from error
    except UnicodeDecodeError as error:
        raise CredentialsError(str(path), "holds no text") from error
    if not text or not text.isprintable():
        raise CredentialsError(str(path), "expected one line, the password and nothing else")
    return text


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


class _Dumper(yaml.SafeDumper):
    """Writes certificates as a person would, line by line."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if text.startswith("-----BEGIN ") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _joined(error: ConfigError) -> str:
    problems = error.problems
    if len(problems) == 1 and not problems[0].key:
        whole = {"is empty": "is empty; ask the owner of the broker for a new one"}
        return whole.get(problems[0].message, problems[0].message)
    return "; ".join(
        ": ".join(part for part in (f"line {each.line}", each.key, each.message) if part)
        for each in problems
    )
