"""What those who are in a broker can say and hear there, judged by what is delivered.

It must not know TLS or passwords. A broker may confirm a subscription and deliver nothing, so
connections of their own listen while others speak. Nothing stays behind: no letter is retained.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mqcam_broker.audit import packets
from mqcam_broker.audit.caller import Caller, calling
from mqcam_broker.audit.door import new_client_id
from mqcam_broker.audit.findings import Finding, Verdict, found
from mqcam_broker.audit.guests import (
    AS_DEVICE,
    AS_VIEWER,
    DEEPER,
    LETTER,
    OUTSIDE,
    OWNER_STATE,
    STATUS,
    WILL,
    Ghosts,
    Guest,
    Trial,
    filters,
    may_hear,
    outside_topic,
    trials,
    will_topic,
)
from mqcam_broker.audit.packets import Letter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from mqcam.protocol.topics import Namespace

SETTLE_S = 1.0
"""How long a broker gets to deliver what it has already confirmed."""
_REFUSED_STATE = (
    "cameras and viewers that are online have refused it, and their logs say 'owner's state "
    "refused': that was this audit"
)
MAIL = "mail of its own"
FORBIDDEN = (STATUS, OWNER_STATE, AS_VIEWER, AS_DEVICE, DEEPER, WILL)


@dataclass(frozen=True, slots=True)
class Ear:
    """One connection that listens to one filter for one guest."""

    guest: Guest
    topic_filter: str
    caller: Caller


@dataclass(frozen=True, slots=True)
class Said:
    """One trial of a guest and the broker's answer: a reason code, None if it hung up."""

    guest: Guest
    trial: Trial
    reason: int | None

    @property
    def is_taken(self) -> bool:
        """Tell whether the broker has said yes."""
        return self.reason is not None and self.reason < packets.FAILURE


async def judge_rooms(
    guests: Sequence[Guest], topics: Namespace, ghosts: Ghosts, *, settle_s: float = SETTLE_S
) -> list[Finding]:
    """Let every guest try everything and return what came through."""
    async with contextlib.AsyncExitStack() as stack:
        ears = [
            await stack.enter_async_context(ear)
            for guest in guests
            for ear in _ears(guest, topics, ghosts)
        ]
        await _settle(ears, settle_s)
        said = [each for guest in guests for each in await _speak(guest, guests, topics, ghosts)]
        said += [await _die(guest, topics, ghosts) for guest in guests]
        await _settle(ears, settle_s)
    ears = [ear for ear in ears if ear.caller.is_in]
    findings = [finding for guest in guests for finding in _judge_speech(guest, said, ears)]
    for guest in guests:
        findings += _judge_hearing(
            guest, [ear for ear in ears if ear.guest is guest], said, topics, ghosts
        )
    return findings


def _ears(
    guest: Guest, topics: Namespace, ghosts: Ghosts
) -> Iterator[contextlib.AbstractAsyncContextManager[Ear]]:
    return (_ear(guest, each) for each in filters(topics, share=ghosts.device))


@contextlib.asynccontextmanager
async def _ear(guest: Guest, topic_filter: str) -> AsyncIterator[Ear]:
    async with calling(guest.door, guest.account, client_id=new_client_id()) as caller:
        if caller.is_in:
            await caller.subscribe(topic_filter)  # yes or no: only what is heard counts
        yield Ear(guest, topic_filter, caller)


async def _settle(ears: Sequence[Ear], settle_s: float) -> None:
    await asyncio.gather(*(ear.caller.catch_up() for ear in ears))
    await asyncio.sleep(settle_s)
    await asyncio.gather(*(ear.caller.catch_up() for ear in ears))


async def _speak(
    guest: Guest, everybody: Sequence[Guest], topics: Namespace, ghosts: Ghosts
) -> list[Said]:
    """Try to say everything, each on a connection of its own: brokers may hang up on a no."""
    said = []
    for number, trial in enumerate(trials(guest, everybody, topics, ghosts)):
        marked = Trial(
            check=trial.check, topic=trial.topic, payload=_mark(ghosts, guest, str(number))
        )
        async with calling(guest.door, guest.account, client_id=new_client_id()) as caller:
            letter = Letter(topic=marked.topic, payload=marked.payload)
            reason = await caller.publish(letter) if caller.is_in else None
        said.append(Said(guest, marked, reason))
    return said


async def _die(guest: Guest, topics: Namespace, ghosts: Ghosts) -> Said:
    """Leave without a goodbye, so that the broker publishes the will."""
    trial = Trial(
        check=WILL, topic=will_topic(guest, topics, ghosts), payload=_mark(ghosts, guest, "will")
    )
    will = Letter(topic=trial.topic, payload=trial.payload)
    async with calling(guest.door, guest.account, client_id=new_client_id(), will=will) as caller:
        await caller.leave(politely=False)
    return Said(guest, trial, None)


def _mark(ghosts: Ghosts, guest: Guest, trial: str) -> bytes:
    return f"mqcam-broker audit {ghosts.session} {guest.who} {trial}".encode()


def _judge_speech(guest: Guest, said: Sequence[Said], ears: Sequence[Ear]) -> Iterator[Finding]:
    hearers: dict[bytes, set[str]] = {}
    for ear in ears:
        for letter in ear.caller.heard:
            hearers.setdefault(letter.payload, set()).add(ear.guest.who)
    for check in FORBIDDEN:
        tried = [each for each in said if each.guest is guest and each.trial.check == check]
        if tried:
            finding = _judge_check(check, guest.who, tried, hearers)
            if check == OWNER_STATE and finding.verdict is Verdict.BAD:
                finding = replace(finding, text=f"{finding.text}; {_REFUSED_STATE}")
            yield finding


def _judge_check(
    check: str, who: str, tried: Sequence[Said], hearers: Mapping[bytes, set[str]]
) -> Finding:
    for each in tried:
        heard_by = hearers.get(each.trial.payload)
        if heard_by:
            text = f"it was delivered, on {each.trial.topic} to {', '.join(sorted(heard_by))}"
            return found(check, who, Verdict.BAD, text)
    if any(each.is_taken for each in tried):
        text = "the broker said yes; none of those who listened may read it"
        return found(check, who, Verdict.BAD, text)
    return found(check, who, Verdict.OK, "it did not come through")


def _judge_hearing(
    guest: Guest,
    ears: Sequence[Ear],
    said: Sequence[Said],
    topics: Namespace,
    ghosts: Ghosts,
) -> Iterator[Finding]:
    if not ears:
        yield found("listen", guest.who, Verdict.UNKNOWN, "the broker let no listener in")
        return
    shared = {ear.topic_filter for ear in ears if ear.topic_filter.startswith("$share")}
    heard = {
        is_shared: {
            letter.topic
            for ear in ears
            if (ear.topic_filter in shared) is is_shared
            for letter in ear.caller.heard
        }
        for is_shared in (False, True)
    }
    foreign = {
        key: {topic for topic in value if not may_hear(guest, topic, topics)}
        for key, value in heard.items()
    }
    is_proven = any(
        each.is_taken
        and each.trial.check == LETTER
        and not may_hear(guest, each.trial.topic, topics)
        for each in said
    )
    yield _judge_mail(guest, heard[False] | heard[True], topics)
    tree = f"{topics.name}/v1/"
    system = {topic for topic in foreign[False] if topic.startswith("$SYS/")}
    mailboxes = {topic for topic in foreign[False] if topic.startswith(tree)}
    yield _judge_topics("read $SYS", guest.who, system, is_proven=True)
    yield _judge_topics("read others' letters", guest.who, mailboxes, is_proven=is_proven)
    yield _judge_topics("the same by $share", guest.who, foreign[True], is_proven=is_proven)
    rest = foreign[False] - system - mailboxes
    yield _judge_outside(guest.who, rest, outside_topic(ghosts))


def _judge_mail(guest: Guest, heard: set[str], topics: Namespace) -> Finding:
    """Return whether it hears anything, without which its silence proves little."""
    if any(may_hear(guest, topic, topics) for topic in heard):
        return found(MAIL, guest.who, Verdict.OK, "is heard")
    text = "none came while the audit ran; what follows rests on what this account subscribed to"
    return found(MAIL, guest.who, Verdict.NOTE, text)


def _judge_outside(who: str, topics: set[str], ours: str) -> Finding:
    """Return whether what is none of mqcam's is heard, by way of # for example."""
    if ours in topics and len(topics) == 1:
        text = "# is open: whatever anybody says here is heard"
        return found(OUTSIDE, who, Verdict.BAD, text)
    if topics:
        return _judge_topics(OUTSIDE, who, topics - {ours}, is_proven=True)
    text = "nothing was heard with # beside mqcam's topics, which have their own lines"
    return found(OUTSIDE, who, Verdict.OK, text)


def _judge_topics(check: str, who: str, topics: set[str], *, is_proven: bool) -> Finding:
    if topics:
        others = f" and {len(topics) - 1} more" if len(topics) > 1 else ""
        return found(check, who, Verdict.BAD, f"{_shown(min(topics))}{others}")
    if not is_proven:
        text = "nothing was heard, but nobody of those given may write such a letter (more --as)"
        return found(check, who, Verdict.UNKNOWN, text)
    return found(check, who, Verdict.OK, "nothing was heard")


def _shown(topic: str) -> str:
    """Return a topic without what could move the cursor of a terminal: anybody may have made it."""
    return "".join(letter if letter.isprintable() else "?" for letter in topic)
