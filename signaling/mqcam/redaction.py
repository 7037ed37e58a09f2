"""Take out of a text what no log may hold: SDP, network addresses, tokens, keys, passwords.

And out of a sentence for a terminal what a person typed by mistake. It must not know logging or
command lines; it works on any text, so that other people's messages are covered too.
"""

from __future__ import annotations

import ipaddress
import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "[redacted]"
MAX_LENGTH = 16 * 1024
"""Longer texts are cut before they are searched: a log line is no dump."""

_SHORTEST_SECRET = 4  # a shorter one would tear holes into ordinary words

_TELLING_WORDS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|credential|authorization|api_?key|"
    r"(?:private|seal|signing|session|peer)[_-]?key|key|grant|nonce|ice[_-]?(?:pwd|ufrag)|ufrag|sdp"
)
TELLING_NAME = re.compile(_TELLING_WORDS, re.IGNORECASE)

_BREAK = r"(?:\r?\n|\\r\\n|\\n|\\r)"  # a line break, or one that JSON or repr() has escaped
_RULES = (
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|$)", re.DOTALL), "[pem]"),
    (re.compile(rf"\bv=0{_BREAK}(?:[a-z]=.*?(?:{_BREAK}|$))*", re.MULTILINE), "[sdp]"),
    (re.compile(r"\ba=(?:candidate|ice-\w+|fingerprint|crypto|cname|ssrc):[^\r\n\"'\\]*"), "[sdp]"),
    (re.compile(r"\bcandidate:[^\r\n\"'\\]*"), "[candidate]"),
    (re.compile(r"(?<=://)[^\s/@\"']+@"), HIDDEN + "@"),
    (re.compile(r"\b(?:ed|x)25519:[A-Za-z0-9+/=_-]+"), HIDDEN),
    (re.compile(r"\bmqcam:[A-Z2-7]{16,}", re.IGNORECASE), HIDDEN),
    (re.compile(r"\b(?:Basic|Bearer) +[A-Za-z0-9+/=._~-]{6,}"), HIDDEN),
    (re.compile(r"\b(?:[0-9A-Fa-f]{2}:){15,}[0-9A-Fa-f]{2}\b"), "[fingerprint]"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.local\b"), "[address]"),
)
_NAMED = re.compile(
    rf"(?<![A-Za-z0-9])({_TELLING_WORDS})(\\?[\"']?\s*[=:]\s*)"
    r"(\\?\"[^\"]*\"|'[^']*'|[^\s,;}\])\"']+)",
    re.IGNORECASE,
)
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:%\w+)?(?![\w:])")

_SECRET = re.compile(
    r"ed25519-secret:[\w-]{8}|mqcam:\s*[a-z2-7]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|(?:^|[\n{,])\s*[\"']?(?:password|identity|turn_secret)[\"']?\s*:\s*\S",
    re.IGNORECASE,
)
_BASE32_LINE = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z2-7]{65,}|[a-z2-7]{65,})(?![A-Za-z0-9])")
"""A line of mqcam without its beginning; a name of ours has at most 64 letters."""
_LONE_43 = re.compile(r"(?:.*=)?([A-Za-z0-9_-]{43})\s*", re.DOTALL)
"""256 bits in base64url, as our keys and passwords are."""
_SPOKEN_RULES = (
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|$)", re.DOTALL), "[pem]"),
    (re.compile(r"ed25519-secret:[A-Za-z0-9+/=_-]*"), HIDDEN),
    (re.compile(r"mqcam:\s*[A-Z2-7]{16,}", re.IGNORECASE), HIDDEN),
    (re.compile(r"(?<![A-Za-z0-9_-])(?=[A-Z]*[2-7])[A-Z2-7]{26,}(?![A-Za-z0-9_-])"), HIDDEN),
    (_BASE32_LINE, HIDDEN),
)
_RUN = re.compile(r"(?<![A-Za-z0-9_:-])[A-Za-z0-9_-]{20,}")
"""Behind a colon stands a public key or a fingerprint, which people compare."""
_KINDS = (str.isupper, str.islower, str.isdigit)
_WORD = (0, 1)
"""A capital and a small letter: so begins a word."""
_CHANGES = 0.22
"""Of random base64url nearly half the letters follow one of another kind, of names a few."""


def is_secret(text: str) -> bool:
    """Tell whether ``text`` holds a secret of mqcam: a key, a password, a line or a whole file."""
    if _SECRET.search(text) is not None or _BASE32_LINE.search(text) is not None:
        return True
    lone = _LONE_43.fullmatch(text)
    return lone is not None and _is_random(lone[1])


def spoken(sentence: str) -> str:
    """Return a sentence for a person without what looks like a secret that it repeats."""
    for pattern, replacement in _SPOKEN_RULES:
        sentence = pattern.sub(replacement, sentence)
    return _RUN.sub(lambda run: HIDDEN if _is_random(run[0]) else run[0], sentence)


def _is_random(run: str) -> bool:
    """Tell random letters from words: in these few letters follow one of another kind."""
    kinds = [next((n for n, is_kind in enumerate(_KINDS) if is_kind(each)), -1) for each in run]
    steps = [step for step in pairwise(kinds) if step != _WORD and -1 not in step]
    changes = sum(one != next_ for one, next_ in steps)
    return {0, 1, 2} <= set(kinds) and changes >= _CHANGES * len(run)


class Redactor:
    """Redacts texts, and besides the general patterns the exact ``secrets`` of this process."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted(
            {each for each in secrets if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True
        )

    def text(self, text: str) -> str:
        """Return ``text`` without its secrets, at most ``MAX_LENGTH`` letters of it."""
        if len(text) > MAX_LENGTH:
            text = f"{text[:MAX_LENGTH]}... ({len(text) - MAX_LENGTH} more)"
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        text = _NAMED.sub(rf"\1\2{HIDDEN}", text)
        return _IPV4.sub(_without_address, _IPV6.sub(_without_address, text))

    def field(self, name: str, value: object) -> object:
        """Return the value of a log field without secrets; numbers and None stay themselves."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if TELLING_NAME.fullmatch(name):
            return HIDDEN
        return self.text(str(value))


def _without_address(match: re.Match[str]) -> str:
    written = match[0]
    # A colon or full stop behind an address may belong to the sentence.
    for address in (written, written[:-1], written.rstrip(".:")):
        try:
            # Loopback tells nothing about anyone and is what demos and tests run on.
            is_telling = not ipaddress.ip_address(address).is_loopback
        except ValueError:  # a time of day, a C++ name
            continue
        return f"[address]{written[len(address) :]}" if is_telling else written
    return written
