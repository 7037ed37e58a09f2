"""The two roles of a session as data: what each does in which state at which event.

It must not know how anything is done: `engine`, `device` and `viewer` do it. The tables in
docs/protocol.md are drawn from these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from mqcam.protocol.codes import Code


class State(Enum):
    """Where a session stands."""

    NEW = "new"
    OFFERED = "offered"
    ANSWERED = "answered"
    CONNECTED = "connected"
    ENDED = "ended"


class Event(Enum):
    """What can happen to a session."""

    OFFER = "offer arrives"
    SAME_OFFER = "same offer arrives"
    ANSWER = "answer arrives"
    STALE_NONCE = "stale-nonce arrives"
    CANDIDATES = "candidates arrive"
    BYE = "bye arrives"
    ERROR = "error arrives"
    GONE = "broker says gone"
    DISPLACED = "another viewer needs the place"
    LOCAL_OFFER = "we offer"
    LOCAL_ANSWER = "we answer"
    LOCAL_REFUSAL = "we refuse"
    LOCAL_CANDIDATES = "we find candidates"
    BATCH = "batch time is over"
    CONNECTED = "we are connected"
    LOCAL_END = "we end"
    RESEND = "time to repeat"
    TIMEOUT = "time is up"
    TOO_LARGE = "our SDP is too large"


class Action(Enum):
    """What an endpoint does about it."""

    START = "tell: started"
    TELL_ANSWER = "tell: answered"
    TELL_ENDED = "tell: ended"
    HOLD = "hold candidates"
    DELIVER = "tell: candidates"
    DELIVER_HELD = "tell: held candidates"
    QUEUE = "queue candidates"
    SEND_QUEUED = "send queued candidates"
    SEND_OFFER = "send offer"
    SEND_ANSWER = "send answer"
    REPEAT = "send stored SDP again"
    RETRY = "offer under a new id"
    SEND_BYE = "send bye"
    SEND_ERROR = "send error"
    SHORTEN_SILENCE = "shorten silence"
    END_REPLACED = "end the replaced session"


@dataclass(frozen=True, slots=True)
class Transition:
    """Name the next state and what is done on the way, in this order."""

    target: State
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Timer:
    """Name the field of `Deadlines` that limits a state, and the code when it runs out."""

    field: str
    code: Code


Transitions: TypeAlias = Mapping[tuple[State, Event], Transition]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """Hold one side's rules; what is not listed is ignored."""

    name: str
    transitions: Transitions
    timers: Mapping[State, Timer]


_LIVE = (State.OFFERED, State.ANSWERED, State.CONNECTED)
_ENDINGS: Transitions = {
    (state, event): Transition(State.ENDED, actions)
    for state in _LIVE
    for event, actions in (
        (Event.BYE, (Action.TELL_ENDED,)),
        (Event.ERROR, (Action.TELL_ENDED,)),
        (Event.LOCAL_END, (Action.SEND_BYE,)),
        (Event.TIMEOUT, (Action.SEND_ERROR, Action.TELL_ENDED)),
    )
}
_CANDIDATES: Transitions = {
    (state, event): Transition(state, actions)
    for state in (State.ANSWERED, State.CONNECTED)
    for event, actions in (
        (Event.CANDIDATES, (Action.DELIVER,)),
        (Event.LOCAL_CANDIDATES, (Action.QUEUE,)),
        (Event.BATCH, (Action.SEND_QUEUED,)),
    )
}

DEVICE = Role(
    name="device",
    transitions={
        (State.NEW, Event.OFFER): Transition(State.OFFERED, (Action.START,)),
        (State.OFFERED, Event.SAME_OFFER): Transition(State.OFFERED),
        (State.OFFERED, Event.CANDIDATES): Transition(State.OFFERED, (Action.HOLD,)),
        (State.OFFERED, Event.LOCAL_CANDIDATES): Transition(State.OFFERED, (Action.QUEUE,)),
        (State.OFFERED, Event.LOCAL_ANSWER): Transition(
            State.ANSWERED, (Action.SEND_ANSWER, Action.SEND_QUEUED, Action.DELIVER_HELD)
        ),
        (State.OFFERED, Event.LOCAL_REFUSAL): Transition(State.ENDED, (Action.SEND_ERROR,)),
        (State.OFFERED, Event.TOO_LARGE): Transition(
            State.ENDED, (Action.SEND_ERROR, Action.TELL_ENDED)
        ),
        (State.OFFERED, Event.GONE): Transition(State.ENDED, (Action.TELL_ENDED,)),
        (State.OFFERED, Event.DISPLACED): Transition(
            State.ENDED, (Action.SEND_ERROR, Action.TELL_ENDED)
        ),
        (State.ANSWERED, Event.DISPLACED): Transition(
            State.ENDED, (Action.SEND_ERROR, Action.TELL_ENDED)
        ),
        (State.ANSWERED, Event.SAME_OFFER): Transition(State.ANSWERED, (Action.REPEAT,)),
        (State.ANSWERED, Event.CONNECTED): Transition(State.CONNECTED, (Action.END_REPLACED,)),
        (State.ANSWERED, Event.GONE): Transition(State.ENDED, (Action.TELL_ENDED,)),
        (State.CONNECTED, Event.SAME_OFFER): Transition(State.CONNECTED, (Action.REPEAT,)),
        (State.CONNECTED, Event.GONE): Transition(State.CONNECTED, (Action.SHORTEN_SILENCE,)),
        **_CANDIDATES,
        **_ENDINGS,
    },
    timers={
        State.OFFERED: Timer("answer_s", Code.NO_ANSWER),
        State.ANSWERED: Timer("connect_s", Code.CONNECT_TIMEOUT),
        State.CONNECTED: Timer("silence_s", Code.SILENCE),
    },
)
"""The device's rules."""

VIEWER = Role(
    name="viewer",
    transitions={
        (State.NEW, Event.LOCAL_OFFER): Transition(State.OFFERED, (Action.SEND_OFFER,)),
        (State.NEW, Event.TOO_LARGE): Transition(State.ENDED, (Action.TELL_ENDED,)),
        (State.OFFERED, Event.RESEND): Transition(State.OFFERED, (Action.REPEAT,)),
        (State.OFFERED, Event.CANDIDATES): Transition(State.OFFERED, (Action.HOLD,)),
        (State.OFFERED, Event.LOCAL_CANDIDATES): Transition(State.OFFERED, (Action.QUEUE,)),
        (State.OFFERED, Event.BATCH): Transition(State.OFFERED, (Action.SEND_QUEUED,)),
        (State.OFFERED, Event.STALE_NONCE): Transition(State.ENDED, (Action.RETRY,)),
        (State.OFFERED, Event.ANSWER): Transition(
            State.ANSWERED, (Action.TELL_ANSWER, Action.DELIVER_HELD)
        ),
        (State.ANSWERED, Event.ANSWER): Transition(State.ANSWERED),
        (State.ANSWERED, Event.CONNECTED): Transition(State.CONNECTED),
        (State.CONNECTED, Event.ANSWER): Transition(State.CONNECTED),
        **_CANDIDATES,
        **_ENDINGS,
    },
    timers={
        State.OFFERED: Timer("offer_give_up_s", Code.NO_ANSWER),
        State.ANSWERED: Timer("connect_s", Code.CONNECT_TIMEOUT),
        State.CONNECTED: Timer("silence_s", Code.SILENCE),
    },
)
"""The viewer's rules."""
