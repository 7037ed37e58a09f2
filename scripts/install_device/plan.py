"""What is to be done, decided and said before anything is: steps with a sentence each.

It must not do any of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .paper import Paper, first_look
from .refusal import Refused
from .site import IMPORT_UNIT, RESERVED, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .machine import Machine

CHECKOUT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("python3-venv",)
PI_PACKAGES: Final = ("python3-picamera2",)
"""Without what it only recommends, which is a desktop; libcamera and its bindings come with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line asked for."""

    file: Path | None = None
    root: Path = Path("/")
    is_instance: bool = False
    is_prepared: bool = False
    is_replacing: bool = False
    user: str | None = None
    """Who called sudo: shall be able to ask the agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be installed, for which camera."""

    site: Site
    paper: Paper | None
    """None: the credentials come later, on the boot partition."""
    packages: tuple[str, ...]
    lacks_pi_packages: bool
    """A Pi whose system is not Raspberry Pi's: no camera on the ribbon cable."""
    is_venv_new: bool
    is_replacing: bool
    is_elsewhere: bool
    """Below another root: nothing is started, nobody is made a member of a group."""
    member: str | None

    def sentences(self) -> list[str]:
        """Return what will be done, a line for each thing."""
        site = self.site
        update = "is made" if self.is_venv_new else "is brought up to date"
        lines = [f"Debian packages, with apt-get: {', '.join(self.packages)}"] * bool(self.packages)
        lines += [
            f"{site.program} {update}: this checkout, and the libraries of requirements.lock",
            "the user mqcam, as whom the camera runs"
            + (f"; {self.member} joins its group and may ask the camera" if self.member else ""),
        ]
        if self.paper is not None:
            kept = "is kept" if site.config.exists() else "is written for what is connected"
            lines.append(f"{site.credentials}, for root alone, from {self.paper.path}")
            lines.append(f"{site.config} {kept}")
        lines.append(self._about_units())
        if self.lacks_pi_packages:
            lines.append(
                "NOT python3-picamera2, which apt does not know here: cameras on the ribbon cable "
                "need Raspberry Pi OS, USB and network cameras do not"
            )
        return lines

    def _about_units(self) -> str:
        if self.paper is None:
            return f"the services {self.site.unit} and {IMPORT_UNIT}, which wait for credentials"
        started = "is enabled" if self.is_elsewhere else "is enabled and started"
        return f"the service {self.site.unit}, which {started}"


def make_plan(
    wish: Wish, machine: Machine, *, missing: Callable[[Sequence[str]], tuple[str, ...]]
) -> Plan:
    """Decide what to do; raise Refused, before ``missing`` is asked for any Debian package."""
    if wish.is_prepared and (wish.file is not None or wish.is_instance):
        raise Refused("--prepare is for cards that get their credentials later: name no file")
    if wish.file is None and not wish.is_prepared:
        raise Refused(
            "name the credentials file that 'mqcam-broker add-device' wrote: sudo ./install-device "
            "front.mqcam"
        )
    paper = None if wish.file is None else first_look(wish.file)
    machine.refuse_unfit(is_elsewhere=wish.root != Path("/"))
    site = _site(wish, paper)
    if paper is None:
        _refuse_traces(site)
    else:
        _refuse_another(site, paper, is_replacing=wish.is_replacing)
    is_served = machine.is_pi and machine.has_pi_packages
    return Plan(
        site=site,
        paper=paper,
        packages=missing((*PACKAGES, *(PI_PACKAGES if is_served else ()))),
        lacks_pi_packages=machine.is_pi and not machine.has_pi_packages,
        is_venv_new=site.venv_python() != ".".join(map(str, machine.python)),
        is_replacing=wish.is_replacing,
        is_elsewhere=wish.root != Path("/"),
        member=None if wish.root != Path("/") else wish.user,
    )


def _site(wish: Wish, paper: Paper | None) -> Site:
    if not wish.is_instance or paper is None:
        return Site(root=wish.root)
    if paper.name == RESERVED:
        raise Refused(
            f"a camera called '{RESERVED}' cannot be one of several here: its configuration would "
            "be that of the single one; install it without --instance, or give it another name"
        )
    return Site(root=wish.root, instance=paper.name)


def _refuse_another(site: Site, paper: Paper, *, is_replacing: bool) -> None:
    known = site.resident()
    if known is None or known == paper.name or is_replacing:
        return
    raise Refused(
        f"this machine is the camera {known} already, and {paper.path} is for {paper.name}: add "
        f"--replace if it shall be {paper.name} from now on, or --instance for one camera more"
    )


def _refuse_traces(site: Site) -> None:
    traces = site.traces()
    if traces:
        raise Refused(
            f"this machine is a camera already ({traces[0]}), and every copy of its card would be "
            "the same one: run 'sudo ./install-device --uninstall --purge' first"
        )
