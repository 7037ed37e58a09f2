"""A whole audit: the door from outside, then every room with every account that was given.

It must not know how findings are shown.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from mqcam.errors import BrokerTimeout, BrokerUnreachable, UsageError
from mqcam.protocol.topics import DEFAULT_NAMESPACE, SESSION_BYTES, Namespace, new_session_id

from mqcam_broker.audit import door
from mqcam_broker.audit.caller import Account, calling
from mqcam_broker.audit.findings import Finding, Verdict, found
from mqcam_broker.audit.guests import Ghosts, Guest, guest_of, letters
from mqcam_broker.audit.limits import judge_retained, judge_size
from mqcam_broker.audit.rooms import SETTLE_S, judge_rooms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam.broker import BrokerAddress
    from mqcam.credentials import Credentials


async def inspect(
    address: BrokerAddress,
    accounts: Sequence[Credentials],
    *,
    namespace: str | None = None,
    settle_s: float = SETTLE_S,
) -> list[Finding]:
    """Return everything that was found out about the broker at ``address``.

    Raises a BrokerError if it cannot be audited at all, UsageError for accounts of two namespaces.
    """
    topics = Namespace(_namespace(accounts, namespace))
    try:
        return await _inspect(address, accounts, topics, settle_s)
    except TimeoutError as error:
        raise BrokerTimeout("it stopped answering", address=str(address)) from error
    except OSError as error:
        text = "it stopped answering: is it overloaded, or did it end?"
        raise BrokerUnreachable(text, address=str(address)) from error


async def _inspect(
    address: BrokerAddress, accounts: Sequence[Credentials], topics: Namespace, settle_s: float
) -> list[Finding]:
    outside = door.open_door(address)
    findings = [finding async for finding in door.judge_encryption(address)]
    anonymous = await door.judge_anonymous(outside)
    findings += [anonymous, await door.judge_passwords(outside, None)]
    guests = [Guest(door=outside, account=Account())] if anonymous.verdict is Verdict.BAD else []
    for credentials in accounts:
        guests += await _let_in(address, credentials, findings)
    ghosts = new_ghosts()
    findings += await judge_rooms(guests, topics, ghosts, settle_s=settle_s)
    for guest in guests:
        for topic in letters(guest, guests, topics, ghosts):
            findings += [await judge_size(guest, topic), await judge_retained(guest, topic)]
            break
    return findings


async def _let_in(
    address: BrokerAddress, credentials: Credentials, findings: list[Finding]
) -> list[Guest]:
    """Return the holder of these credentials, nobody if the door does not deserve a password."""
    who = credentials.name
    is_told_in_clear = any(url.startswith(("mqtt://", "ws://")) for url in credentials.broker)
    if not address.scheme.is_encrypted and not is_told_in_clear:
        text = "the password is not tried: these credentials know only encrypted addresses"
        findings.append(found("log in", who, Verdict.UNKNOWN, text))
        return []
    way = door.checked_door(address, credentials)
    if address.scheme.is_encrypted:
        findings.append(await door.judge_certificate(way, who))
        if findings[-1].verdict is Verdict.BAD:
            return []
    if credentials.username is not None:
        findings.append(await door.judge_passwords(way, credentials.username))
    guest = guest_of(way, credentials)
    async with calling(way, guest.account, client_id=door.new_client_id()) as caller:
        if caller.is_in:
            return [guest]
    findings.append(found("log in", who, Verdict.UNKNOWN, "the broker does not let it in"))
    return []


def new_ghosts() -> Ghosts:
    """Return names that nobody has."""
    token = secrets.token_hex(6)
    return Ghosts(
        device=f"audit-device-{token}",
        viewer=f"audit-viewer-{token}",
        session=new_session_id(secrets.token_bytes(SESSION_BYTES)),
    )


def _namespace(accounts: Sequence[Credentials], given: str | None) -> str:
    names = {credentials.namespace for credentials in accounts} | ({given} if given else set())
    if len(names) > 1:
        raise UsageError(
            f"these are accounts of different namespaces: {', '.join(sorted(names))}",
            "audit one after the other",
        )
    return names.pop() if names else DEFAULT_NAMESPACE
