"""Where a private key lies: in its credentials file, in the system's keyring, in a file of its own.

It must not know what is signed with it, nor who asks the person at the screen to unlock something.
A credentials file whose ``identity`` is the public key says that the private half is elsewhere.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from mqcam import files
from mqcam.errors import CredentialsError, KeyUnusable, UsageError
from mqcam.trust.keys import SigningKey, decode, is_signing_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyring.backend import KeyringBackend

    from mqcam.credentials import Credentials

SERVICE = "mqcam"
"""Under this name a person finds our entries in the keyring's own program."""

IDENTITY_FILE = "{name}.identity"

WAIT_S = 30.0
"""How long a locked keyring may ask a person for its password before we go on without it."""

MISSING_EXTRA = "pip install 'mqcam[viewer]'"

_PLACE = "the system's keyring"
_RESTORE = "put it back from a backup, or have the credentials made anew with --replace"
_LOWEST_PRIORITY = 1
"""What the library itself recommends; fail, null and keys in plain text are below."""

_Found = TypeVar("_Found")


class SystemKeyring:
    """The keyring of the desktop, asked in a thread so that a locked one cannot hang us.

    ``backend`` is for tests; None takes what the library finds on this machine. Every method may
    take ``wait_s`` and raises CredentialsError when the keyring does not answer or refuses.
    """

    def __init__(self, backend: KeyringBackend | None = None, *, wait_s: float = WAIT_S) -> None:
        self._given = backend
        self._wait_s = wait_s

    def is_usable(self) -> bool:
        """Tell whether there is a keyring that keeps secrets; False without the library."""
        try:
            return self._ask(lambda _: True, else_=False)
        except UsageError:
            return False

    def read(self, entry: str) -> str | None:
        """Return the secret of an entry; None if there is none. UsageError without the library."""
        return self._ask(lambda backend: backend.get_password(SERVICE, entry), else_=None)

    def write(self, entry: str, secret: str) -> bool:
        """Keep a secret and tell whether it can be read again."""

        def keep(backend: KeyringBackend) -> bool:
            backend.set_password(SERVICE, entry, secret)
            return backend.get_password(SERVICE, entry) == secret

        return self._ask(keep, else_=False)

    def _ask(self, question: Callable[[KeyringBackend], _Found], *, else_: _Found) -> _Found:
        """Return the keyring's answer, or ``else_`` where there is no keyring."""
        answer: list[_Found] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                backend = self._given or _installed()
                answer.append(else_ if backend is None else question(backend))
            except BaseException as error:  # noqa: BLE001 - backends raise whatever their bus does
                failure.append(error)

        # A daemon: whoever waits for a dialog nobody sees must still be able to end the program.
        worker = threading.Thread(target=work, name="keyring", daemon=True)
        worker.start()
        worker.join(self._wait_s)
        if answer:
            return answer[0]
        if not failure:
            raise CredentialsError(
                _PLACE,
                f"did not answer within {self._wait_s:g} s: unlock it and try again, or set "
                "PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring to do without it",
            )
        error = failure[0]
        if isinstance(error, UsageError):
            raise error
        # Not its text: nobody knows what a backend writes into an error.
        raise CredentialsError(
            _PLACE, f"refused ({type(error).__name__}): unlock it and try again"
        ) from None


def load_identity(
    credentials: Credentials,
    *,
    folder: Path,
    use_keyring: bool,
    keyring: SystemKeyring | None = None,
) -> SigningKey:
    """Return the private key that ``credentials`` speak of; raise CredentialsError with a way out.

    It is looked for in the credentials themselves, in the system's keyring, in
    ``folder/NAME.identity`` (0600). Raises UsageError when a library is missing for it.
    """
    name, text = credentials.name, credentials.identity
    if text is not None and not is_signing_key(text):
        return _parsed(text, name)
    public = text or _key_in(credentials.grant or credentials.certificate or "")
    if public is not None and use_keyring:
        secret = _from_keyring(keyring or SystemKeyring(), public, is_needed=text is not None)
        if secret is not None:
            return _parsed(secret, _PLACE, public=public)
    path = folder / IDENTITY_FILE.format(name=name)
    try:
        return _parsed(_content(path), str(path), public=public)
    except FileNotFoundError:
        raise CredentialsError(name, _nowhere(credentials, path)) from None


def make_identity(
    name: str, *, folder: Path, use_keyring: bool, keyring: SystemKeyring | None = None
) -> SigningKey:
    """Make the key of ``name`` on this machine, or return the one that was made before.

    The private half goes into the system's keyring, and beside it which key is that of ``name``;
    else into ``folder/NAME.identity`` (0600, of whom the folder belongs to). CredentialsError.
    """
    path = folder / IDENTITY_FILE.format(name=name)
    try:
        return _parsed(_content(path), str(path))
    except FileNotFoundError:
        pass
    ring = (keyring or SystemKeyring()) if use_keyring else None
    if ring is not None and not ring.is_usable():
        ring = None
    if ring is not None and (before := _made_before(ring, name)) is not None:
        return before
    made = SigningKey.generate()
    if ring is None or not _keep_in_keyring(ring, name, made):
        _keep_in_file(path, made)
    return made


def keep_secrets(credentials: Credentials, *, keyring: SystemKeyring | None = None) -> Credentials:
    """Move identity and password into the keyring, where there is one, and return what is left.

    What it returns goes into the credentials file. Without a keyring that is everything; raises
    CredentialsError when there is a keyring that does not answer.
    """
    ring = keyring or SystemKeyring()
    if credentials.identity is None or not ring.is_usable():
        return credentials
    identity = _parsed(credentials.identity, credentials.name)
    if not ring.write(identity.public, identity.secret_text()):
        return credentials
    left = replace(credentials, identity=identity.public)
    if left.password is not None and ring.write(_password_entry(identity.public), left.password):
        left = replace(left, password=None)
    return left


def with_password(credentials: Credentials, *, keyring: SystemKeyring | None = None) -> Credentials:
    """Return the credentials with the password that ``keep_secrets`` moved; raises as it does."""
    public = credentials.identity or ""
    is_whole = credentials.password is not None or credentials.username is None
    if is_whole or not is_signing_key(public):
        return credentials
    entry = _password_entry(public)
    password = _from_keyring(keyring or SystemKeyring(), entry, is_needed=True)
    return replace(credentials, password=password)


def _made_before(ring: SystemKeyring, name: str) -> SigningKey | None:
    """Return the key that was made here for ``name``; CredentialsError if it was taken away."""
    public = ring.read(_name_entry(name))
    if public is None:
        return None
    secret = ring.read(public)
    if secret is None:
        raise CredentialsError(
            _PLACE,
            f"no longer holds the key that was made for {name}: put it back, or delete the entry "
            f"'{_name_entry(name)}' there as well to have a new one made",
        )
    return _parsed(secret, _PLACE, public=public)


def _keep_in_keyring(ring: SystemKeyring, name: str, key: SigningKey) -> bool:
    is_kept = ring.write(key.public, key.secret_text())
    return is_kept and ring.write(_name_entry(name), key.public)


def _keep_in_file(path: Path, key: SigningKey) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # `sudo mqcam-device key`: the service, whose folder it is, must be able to read it.
        place = path.parent.stat()
        owner = (place.st_uid, place.st_gid) if os.geteuid() == 0 else None
        files.write_atomically(path, f"{key.secret_text()}\n".encode("ascii"), owner=owner)
    except OSError as error:
        raise CredentialsError(str(path), files.reason(error)) from error


def _content(path: Path) -> str:
    """Return what a file of a key holds; raise FileNotFoundError, CredentialsError."""
    try:
        return files.read_private(path).decode("ascii", errors="replace").strip()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CredentialsError(str(path), files.reason(error)) from error


def _from_keyring(ring: SystemKeyring, entry: str, *, is_needed: bool) -> str | None:
    try:
        return ring.read(entry)
    except UsageError:
        if is_needed:
            raise
        return None


def _installed() -> KeyringBackend | None:
    """Return the keyring of this machine; None where nothing keeps secrets; UsageError."""
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow: only who has secrets there pays
        from keyring.backends.chainer import ChainerBackend  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "the secrets of these credentials are in the system's keyring, "
            "which needs the package keyring",
            MISSING_EXTRA,
        ) from error
    found = keyring.get_keyring()
    # A chain writes into its first link, which may be one in plain text.
    links = found.backends if isinstance(found, ChainerBackend) else [found]
    return next((each for each in links if _keeps_secrets(each)), None)


def _keeps_secrets(backend: KeyringBackend) -> bool:
    # keyrings.alt: files in plain text, or with a password that is asked for on the terminal.
    is_file = type(backend).__module__.startswith("keyrings.alt")
    return not is_file and backend.priority >= _LOWEST_PRIORITY


def _password_entry(public: str) -> str:
    return f"password {public}"


def _name_entry(name: str) -> str:
    return f"key of {name}"


def _parsed(secret: str, where: str, *, public: str | None = None) -> SigningKey:
    try:
        key = SigningKey.parse(secret)
    except KeyUnusable as error:
        raise CredentialsError(
            where, f"holds no identity that can be used: {error}; {_RESTORE}"
        ) from None
    if public is not None and key.public != public:
        raise CredentialsError(
            where, f"holds another identity than the credentials speak of; {_RESTORE}"
        )
    return key


def _key_in(document: str) -> str | None:
    """Return the key that a certificate or grant names; whether it is signed, others ask."""
    try:
        body = json.loads(decode(document.partition(".")[0]))
    except (KeyUnusable, ValueError, RecursionError):
        return None
    key = body.get("key") if isinstance(body, dict) else None
    return key if isinstance(key, str) and is_signing_key(key) else None


def _nowhere(credentials: Credentials, path: Path) -> str:
    kind = credentials.kind
    anew = f"have them made anew with 'mqcam-broker add-{kind} --replace'"
    if credentials.identity is not None or credentials.grant or credentials.certificate:
        where = _PLACE if kind == "viewer" else "the credentials"
        text = f"the key that these credentials are for is neither in {where} nor in {path}"
        return f"{text}; {anew}"
    return (
        f"these credentials hold no identity, and {path} does not exist: make one with "
        f"'mqcam-{kind} key', or {anew}"
    )
