"""The verb ``import``: one credentials file makes this machine a camera, with no YAML to write.

It must not know the agent: what it puts into place counts from the agent's next start.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mqcam.credentials import credentials_of, write_credentials
from mqcam.errors import CredentialsError, SourceError
from mqcam.files import reason, write_atomically

from mqcam_device import card, preset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mqcam.credentials import Credentials

logger = logging.getLogger(__name__)

SINGLE: Final = "device"
"""``device.yaml`` configures a machine's only agent; others are called after the instance."""
LISTING: Final = (sys.executable, "-P", "-m", "mqcam_device.cli", "cameras", "--json")
LISTING_LIMIT_S: Final = 30
CAMERA_PATIENCE_S: Final = 20
"""How long a camera is waited for at boot: its driver may be loaded only now."""
CAMERA_PAUSE_S: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import has done, in sentences for a person or the journal."""

    name: str
    said: tuple[str, ...]


def list_cameras(command: Sequence[str] = LISTING) -> preset.Sighting:
    """Return what ``mqcam-device cameras`` finds; raise SourceError.

    In a process of its own: whatever a camera library does there, this one goes on without it.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            list(command), capture_output=True, text=True, timeout=LISTING_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError("cameras", f"not listed within {LISTING_LIMIT_S} s") from error
    if not done.stdout:  # without a camera it prints an empty list, and still ends with a failure
        said = done.stderr.strip().splitlines()
        raise SourceError("cameras", said[-1] if said else f"exit code {done.returncode}")
    return preset.read_cameras(done.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How cameras are looked for, and how long one is waited for."""

    look: Callable[[], preset.Sighting] = list_cameras
    patience_s: float = 0
    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep

    def cameras(self) -> preset.Sighting:
        """Return the cameras as soon as one can be used, or what there is after ``patience_s``.

        Raises SourceError if the last look was in vain.
        """
        until = self.now() + self.patience_s
        while self.now() < until:
            with contextlib.suppress(SourceError):
                if found := self.look():
                    return found
            self.wait(CAMERA_PAUSE_S)
        return self.look()


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """Puts one camera's files where the unit of ``config`` looks for them."""

    config: Path
    is_replacing: bool = False
    """Whether credentials that make this machine another camera may be replaced."""
    sight: Sight = field(default_factory=Sight)

    @property
    def place(self) -> Path:
        """Where the credentials go: beside the configuration, as the units of systemd have it."""
        stem = self.config.stem
        name = "credentials.yaml" if stem == SINGLE else f"{stem}.credentials.yaml"
        return self.config.with_name(name)

    def import_file(self, path: Path) -> Imported:
        """Import ``path``, which stays; raise CredentialsError before anything is changed."""
        return self._put(credentials_of("device", path))

    def import_card(self, folders: tuple[Path, ...] = card.BOOT_FOLDERS) -> Imported:
        """Import the one file on the boot partition and erase it there; raise CredentialsError.

        A file that is refused stays, with the reason beside it for whoever holds the card.
        """
        files = card.arrivals(folders)
        if not files:
            places = " or ".join(str(folder) for folder in folders)
            raise CredentialsError(
                places, f"no file is called *{' or *'.join(card.SUFFIXES)}: name the one to import"
            )
        if len(files) == 1 and self.place.exists() and card.is_overwritten(files[0]):
            known = credentials_of("device", self.place)
            return Imported(name=known.name, said=(_erased(files[0]),))
        try:
            _refuse_several(files)
            # On a FAT partition every file shows as readable for all.
            imported = self._put(credentials_of("device", files[0], has_mode=False))
        except CredentialsError as error:
            for path in files:
                _tell_on_card(path, error)
            raise
        return Imported(name=imported.name, said=(*imported.said, _erased(files[0])))

    def _put(self, credentials: Credentials) -> Imported:
        self._refuse_another(credentials.name)
        try:
            if not self.config.parent.exists():
                self.config.parent.mkdir(parents=True, exist_ok=True)
                self.config.parent.chmod(0o755)  # whatever the umask: the agent is not root
        except OSError as error:
            raise CredentialsError(str(self.config.parent), reason(error)) from error
        # The credentials last: the unit waits for them, and after a power cut all this is repeated.
        about_config = self._configure()
        self._refuse_another(credentials.name)  # a camera was waited for: somebody may have come
        write_credentials(self.place, credentials)
        about_credentials = f"{self.place}: the credentials of {credentials.name}"
        return Imported(name=credentials.name, said=(about_config, about_credentials))

    def _refuse_another(self, name: str) -> None:
        if self.is_replacing or not self.place.exists():
            return
        try:
            known = credentials_of("device", self.place).name
        except CredentialsError as error:
            raise CredentialsError(
                str(self.place), f"{error.reason}; with --replace it is replaced"
            ) from error
        if known != name:
            raise CredentialsError(
                str(self.place),
                f"this machine is the camera {known} already, and the new file is for {name}: if "
                f"it shall be {name} from now on, import it with --replace",
            )

    def _configure(self) -> str:
        if self.config.exists():
            return f"{self.config}: there already, left as it is"
        others = "".join(_text(path) for path in sorted(self.config.parent.glob("*.yaml")))
        is_instance = self.config.stem != SINGLE
        try:
            seen = self.sight.cameras()
            choice = preset.choose(seen, taken=others, is_one_of_several=is_instance)
        except SourceError as error:
            choice = preset.without_knowing(error.reason)
        text = preset.text_of(choice, credentials=self.place.name)
        try:
            write_atomically(self.config, text.encode(), mode=0o644)
        except OSError as error:
            raise CredentialsError(str(self.config), reason(error)) from error
        return f"{self.config}: written; {choice.why}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _refuse_several(files: list[Path]) -> None:
    if len(files) == 1:
        return
    names = ", ".join(path.name for path in files)
    text = f"holds several credentials files ({names}), and one machine is one camera: leave one"
    raise CredentialsError(str(files[0].parent), text)


def _tell_on_card(path: Path, error: CredentialsError) -> None:
    try:
        card.leave_word(path, f"Not imported: {error}")
    except OSError as trouble:
        logger.warning("%s: no word could be left beside it: %s", path, reason(trouble))


def _erased(path: Path) -> str:
    try:
        card.erase(path)
    except OSError as error:
        text = f"imported, but not erased ({reason(error)}): whoever reads it is this camera"
        raise CredentialsError(str(path), text) from error
    return f"{path}: erased"
