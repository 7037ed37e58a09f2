from __future__ import annotations

import base64

from mqcam_broker.folder.passwords import new_password, password_hash

VECTOR = (
    "$7$101$/4MNboT5qAdkDin7$"
    "RDOSMsY0/q1tw4tAfjvdMHwD0mn0HqkobLedp9ZQA5K/cWLrhKbxJd3ZN4J4lK08wO/7AuedgHG6DUCsD1MoZg=="
)


def test_a_hash_is_what_mosquitto_writes() -> None:
    """Made with mosquitto_passwd 2.0.11, with its salt."""
    _, kind, rounds, salt, _ = VECTOR.split("$")
    assert (kind, rounds) == ("7", "101")
    assert password_hash("pass word", salt=base64.b64decode(salt)) == VECTOR


def test_two_hashes_of_one_password_differ() -> None:
    assert password_hash("x") != password_hash("x")


def test_a_password_has_at_least_128_random_bits() -> None:
    passwords = {new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(len(password) * 6 >= 128 for password in passwords)
    assert all(password.isascii() and ":" not in password for password in passwords)
