"""Certificates before they end: a new one for the broker, in time also a new authority.

It must not know the command line, nor the running broker (``refresh`` tells it).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.errors import CredentialsError, SetupError
from mqcam.files import read_bounded, write_atomically

from mqcam_broker.certificates import authority, lifespan
from mqcam_broker.certificates.authority import Identity
from mqcam_broker.folder.addresses import hosts_of
from mqcam_broker.owner.decree import change_state, read_state

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from mqcam.trust.keys import SigningKey

    from mqcam_broker.certificates.lifespan import Authorities
    from mqcam_broker.folder.directory import BrokerDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What was renewed, and until when what there is now will do."""

    is_server_new: bool
    is_authority_coming: bool = False
    """A coming authority was made and is announced in the owner's state."""
    is_authority_changed: bool = False
    """What was the coming authority signs from now on."""
    is_state_new: bool = False
    """The owner's state has changed and is to be published."""
    problem: str = ""
    """Why the owner's key, which is wanted for what the owner has to say, cannot be used."""
    server_end: datetime

    @property
    def is_anything_new(self) -> bool:
        """Tell whether a file has changed."""
        return self.is_server_new or self.is_authority_changed or self.is_state_new


def renew(
    directory: BrokerDirectory,
    *,
    now: datetime,
    is_forced: bool = False,
    wants_authority: bool = False,
    owner_key: Path | None = None,
) -> Renewal:
    """Renew what is past two thirds of its life, or the broker's certificate if ``is_forced``.

    ``wants_authority`` makes the coming authority now. Raises SetupError for files that do not
    belong together, CredentialsError if the owner's key is wanted and not there.
    """
    with directory.locked():
        if directory.check_own().public_certificate:
            end = authority.expiry(directory.server_certificate.read_bytes())
            return Renewal(is_server_new=False, server_end=end)
        return _renew(directory, now, is_forced, wants_authority, owner_key)


def install(directory: BrokerDirectory, given: Identity, *, now: datetime) -> Renewal:
    """Put a public authority's new certificate into place; raise UsageError if it cannot serve."""
    with directory.locked():
        decisions = directory.read_decisions()
        if not decisions.public_certificate:
            raise SetupError(
                "this broker has an authority of its own, which everybody's credentials name",
                "renew without --certificate and --key",
            )
        authority.check_public(given, hosts_of(decisions.addresses), now=now)
        _write_server(directory, given)
    return Renewal(is_server_new=True, server_end=authority.expiry(given.certificate))


def _renew(
    directory: BrokerDirectory,
    now: datetime,
    is_forced: bool,
    wants_authority: bool,
    owner_key: Path | None,
) -> Renewal:
    authorities, server = _read(directory)
    number = read_state(directory).number
    owner, problem = _owner(directory, owner_key)
    is_coming = authorities.coming is None and (wants_authority or authorities.needs_coming(now))
    if is_coming and owner is not None:
        authorities = _announce(directory, authorities, now)
    elif is_coming and wants_authority and problem is not None:
        raise problem
    is_new = is_forced or lifespan.is_due(server, now) or not lifespan.is_pair(server)
    if is_new:
        server = _issue(directory, authorities, server, now)
    is_changed = _finish_change(directory, authorities, server)
    is_told = _tell(directory, owner)
    return Renewal(
        is_server_new=is_new,
        is_authority_coming=is_coming and owner is not None,
        is_authority_changed=is_changed,
        is_state_new=read_state(directory).number != number,
        problem="" if is_told and (owner is not None or not is_coming) else str(problem),
        server_end=authority.expiry(server.certificate),
    )


def _owner(
    directory: BrokerDirectory, owner_key: Path | None
) -> tuple[SigningKey | None, CredentialsError | None]:
    """Return the owner's key, or why it is not there: the daily timer has years to wait for it."""
    try:
        return directory.read_owner_key(owner_key), None
    except CredentialsError as error:
        return None, error


def _read(directory: BrokerDirectory) -> tuple[Authorities, Identity]:
    server = Identity(
        certificate=read_bounded(directory.server_certificate),
        key=read_bounded(directory.server_key),
    )
    keys = [read_bounded(directory.ca_key)]
    if directory.coming_ca_key.exists():
        keys.append(read_bounded(directory.coming_ca_key))
    try:
        authorities = lifespan.read_authorities(read_bounded(directory.ca_certificate), keys)
        lifespan.is_pair(server)  # raises if they cannot be read; that they differ is mended later
    except (ValueError, TypeError):
        raise SetupError(  # without its cause, which has seen a key
            f"the certificates and keys in {directory.path} do not belong together",
            "take ca.crt, ca.key, server.crt and server.key from one backup",
        ) from None
    return authorities, server


def _announce(directory: BrokerDirectory, authorities: Authorities, now: datetime) -> Authorities:
    """Make the coming authority."""
    both = dataclasses.replace(authorities, coming=authority.create_authority(now=now))
    # The key first: a certificate without its key would be announced and could never sign.
    write_atomically(directory.coming_ca_key, both.coming.key if both.coming else b"")
    write_atomically(directory.ca_certificate, both.bundle, mode=0o644)
    return both


def _issue(
    directory: BrokerDirectory, authorities: Authorities, server: Identity, now: datetime
) -> Identity:
    signer = authorities.signer(now)
    # The old key as long as the authority stays: so one file changes, in one step. A new one would
    # protect nothing, because the old certificate stays as good as it was until it ends.
    is_same = signer is authorities.current
    hosts = hosts_of(directory.read_decisions().addresses)
    key = server.key if is_same else None
    new = authority.issue_server_certificate(signer, hosts, now=now, key=key)
    _write_server(directory, new)
    return new


def _write_server(directory: BrokerDirectory, server: Identity) -> None:
    if read_bounded(directory.server_key) != server.key:
        # Between these two steps a start of the broker would fail; the next renewal mends it.
        write_atomically(directory.server_key, server.key, owner=directory.user())
    write_atomically(directory.server_certificate, server.certificate, mode=0o644)


def _finish_change(directory: BrokerDirectory, authorities: Authorities, server: Identity) -> bool:
    """Forget the old authority once the coming one has signed; an interruption does no harm."""
    coming = authorities.coming
    if coming is None or not lifespan.is_signed_by(server.certificate, coming):
        if read_bounded(directory.ca_certificate) != authorities.bundle:
            write_atomically(directory.ca_certificate, authorities.bundle, mode=0o644)
        return False
    directory.coming_ca_key.replace(directory.ca_key)
    write_atomically(directory.ca_certificate, coming.certificate, mode=0o644)
    return True


def _tell(directory: BrokerDirectory, owner: SigningKey | None) -> bool:
    """Let the owner's state carry what ``ca.crt`` holds, if it has to; False if it could not."""
    bundle = directory.ca_certificate.read_text("ascii")
    # As long as there is but the first authority, everybody's credentials say it.
    is_needed = directory.coming_ca_key.exists() or read_state(directory).ca
    if not is_needed or read_state(directory).ca == bundle:
        return True
    if owner is None:
        return False
    change_state(directory, owner, lambda state: dataclasses.replace(state, ca=bundle))
    return True
