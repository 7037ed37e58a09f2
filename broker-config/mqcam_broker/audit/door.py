"""The door of a broker: encryption, certificate, and whom it lets in without being known.

It must not know topics. A password is said only where the door shows the certificate that its
credentials ask for, or where they ask for none.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from mqcam.errors import UNKNOWN_NAME, BrokerTooOld, BrokerUnreachable

from mqcam_broker.audit import packets
from mqcam_broker.audit.caller import TIMEOUT_S, Account, Door, calling
from mqcam_broker.audit.findings import ANYBODY, Finding, Verdict, found

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mqcam.broker import BrokerAddress
    from mqcam.credentials import Credentials

SOON = timedelta(days=30)
UNSUPPORTED_VERSION_3 = 1
"""What brokers that know MQTT 3 only say in their own CONNACK."""


def new_client_id() -> str:
    """Return a client id that nobody has."""
    return f"mqcam-audit-{secrets.token_hex(8)}"


def open_door(address: BrokerAddress) -> Door:
    """Return the way in for somebody who has no secret to lose: no certificate is checked."""
    return Door(address=address, tls=_unchecked() if address.scheme.is_encrypted else None)


def checked_door(address: BrokerAddress, credentials: Credentials) -> Door:
    """Return the way in for somebody with a password, who checks as the product does."""
    if not address.scheme.is_encrypted:
        return Door(address=address)
    if credentials.ca is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=credentials.ca)
    return Door(address=address, tls=context, server_name=credentials.server_name or "")


async def judge_encryption(address: BrokerAddress) -> AsyncIterator[Finding]:
    """Yield what an outsider sees of TLS; raises BrokerUnreachable."""
    if not address.scheme.is_encrypted:
        await _knock(address, None)
        text = "no TLS: whoever is on the way reads passwords, and who watches whom"
        yield found("encryption", ANYBODY, Verdict.BAD, text)
        return
    version, certificate = await _knock(address, _unchecked())
    yield found("encryption", ANYBODY, Verdict.OK, version)
    yield await _judge_old_tls(address)
    yield _judge_dates(certificate)


async def judge_certificate(door: Door, who: str) -> Finding:
    """Return whether the certificate is the one that these credentials ask for."""
    try:
        await _knock(door.address, door.tls, door.server_name)
    except ssl.SSLCertVerificationError as error:
        text = f"not accepted ({error.verify_message}): the password is not tried"
        return found("certificate", who, Verdict.BAD, text)
    return found("certificate", who, Verdict.OK, "as the credentials ask for")


async def judge_anonymous(door: Door) -> Finding:
    """Return whether somebody without a name gets in; raises BrokerTooOld."""
    reason = await _try(door, Account())
    if reason in {packets.UNSUPPORTED_VERSION, UNSUPPORTED_VERSION_3}:
        raise BrokerTooOld(
            "it speaks no MQTT 5, which mqcam needs: install a newer one", address=str(door.address)
        )
    if reason == packets.SUCCESS:
        return found("anonymous", ANYBODY, Verdict.BAD, "is let in without a password")
    return found("anonymous", ANYBODY, Verdict.OK, "is not let in")


async def judge_passwords(door: Door, user: str | None) -> Finding:
    """Return whether ``user``, or an unknown one, gets in with a wrong password."""
    name = user or f"mqcam-audit-{secrets.token_hex(8)}"
    check, who = ("wrong password", name) if user else ("unknown user", ANYBODY)
    if await _try(door, Account(name=name, password=secrets.token_hex(16))) == packets.SUCCESS:
        return found(check, who, Verdict.BAD, "is let in")
    return found(check, who, Verdict.OK, "is not let in")


async def _try(door: Door, account: Account) -> int | None:
    async with calling(door, account, client_id=new_client_id()) as caller:
        return caller.welcome.reason if caller.welcome is not None else None


async def _judge_old_tls(address: BrokerAddress) -> Finding:
    if not ssl.HAS_TLSv1_1:
        text = "cannot be tried: this machine's OpenSSL does not know it any more"
        return found("TLS 1.1", ANYBODY, Verdict.UNKNOWN, text)
    context = _unchecked()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what is old is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL 3 refuses before the broker can
    try:
        version, _ = await _knock(address, context)
    except BrokerUnreachable:
        return found("TLS 1.1", ANYBODY, Verdict.OK, "is refused")
    return found("TLS 1.1", ANYBODY, Verdict.BAD, f"{version} is accepted, which can be broken")


def _judge_dates(certificate: bytes) -> Finding:
    try:
        end = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        return found("certificate", ANYBODY, Verdict.BAD, "cannot be read")
    left = end - datetime.now(UTC)
    if left < timedelta(0):
        return found("certificate", ANYBODY, Verdict.BAD, f"has ended on {end:%Y-%m-%d}")
    text = f"ends on {end:%Y-%m-%d}; whether it is the right one, only credentials can tell (--as)"
    return found("certificate", ANYBODY, Verdict.BAD if left < SOON else Verdict.OK, text)


async def _knock(
    address: BrokerAddress, tls: ssl.SSLContext | None, server_name: str = ""
) -> tuple[str, bytes]:
    """Return TLS version and certificate; raises BrokerUnreachable, SSLCertVerificationError."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(
                address.host,
                address.port,
                ssl=tls,
                server_hostname=server_name or address.host if tls else None,
            )
    except ssl.SSLCertVerificationError:
        raise
    except OSError as error:
        raise _unreachable(error, address) from error
    secured = writer.get_extra_info("ssl_object")
    shown = (secured.version(), secured.getpeercert(binary_form=True)) if secured else ("", b"")
    writer.close()
    with contextlib.suppress(OSError):
        async with asyncio.timeout(TIMEOUT_S):
            await writer.wait_closed()
    return shown


def _unreachable(error: OSError, address: BrokerAddress) -> BrokerUnreachable:
    if isinstance(error, ssl.SSLError):
        text = f"no TLS session was agreed ({error.reason or 'handshake failed'})"
        return BrokerUnreachable(text, address=str(address))
    if isinstance(error, socket.gaierror):
        return BrokerUnreachable(UNKNOWN_NAME, address=str(address))
    return BrokerUnreachable.because(error, address=str(address))


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
