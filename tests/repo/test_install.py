"""What scripts/install.sh says and does, with stand-ins for everything that would install."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ["bash", "basename", "cat", "chmod", "dirname", "flock", "mkdir", "sha256sum", "rm"]
PAGE = "tests/e2e/browser/package-lock.json"
FILES = [
    "pyproject.toml",
    "requirements.lock",
    "requirements-viewer.lock",
    "requirements-dev.lock",
    "requirements-picamera2.lock",
    "scripts/install.sh",
    PAGE,
]
SYSTEM_PATH = 'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"'
PYTHON = """#!/bin/sh
case "$*" in
  *ensurepip*) exit ${NO_VENV:-0} ;;
  *version_info*) exit ${OLD_PYTHON:-0} ;;
  *"-m venv"*) mkdir -p .venv/bin && cat "$0" >.venv/bin/python && chmod +x .venv/bin/python ;;
  *"pip"*install*)
    echo "DONE pip $*" >>events
    case "$*" in *--target*) mkdir -p .venv/picamera2 ;; esac
    exit ${NO_NETWORK:-0} ;;
  --version) echo "Python 3.9.2" ;;
esac
"""
NPM = """#!/bin/sh
echo "DONE npm $*" >>../../../events
[ "${NO_NETWORK:-0}" = 0 ] && mkdir -p node_modules
"""


class Machine:
    """A checkout on a machine that has only what a test gives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found
            (self.bin / name).symlink_to(found)
        for name in FILES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            text = (ROOT / name).read_text()
            assert name != "scripts/install.sh" or SYSTEM_PATH in text
            (folder / name).write_text(text.replace(SYSTEM_PATH, "true"))
        (folder / "scripts/install-packages.sh").write_text(
            'echo "DONE packages $*" >>events\nexit ${NO_NETWORK:-0}\n'
        )
        self.has("python3", PYTHON)
        self.has("apt-get")
        self.has("id", "#!/bin/sh\necho ${USER_ID:-0}\n")

    def has(self, name: str, script: str = "#!/bin/sh\nexit 0\n") -> None:
        """Put a stand-in for a program on this machine."""
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def lacks(self, name: str) -> None:
        """Take a program away."""
        (self.bin / name).unlink()

    def install(self, profile: str, **environ: str) -> tuple[int, str, str]:
        """Run the installer; return its exit code, what it said and did in order, its complaint."""
        events = self.folder / "events"
        events.write_text("")
        with events.open("a") as out:
            done = subprocess.run(
                ["scripts/install.sh", profile],
                cwd=self.folder,
                env={"PATH": str(self.bin), "HOME": str(self.folder), **environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                timeout=30,
                check=False,
            )
        return done.returncode, events.read_text(), done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Build an empty machine: python3 without venv comes as ``NO_VENV``, no mosquitto."""
    built = Machine(tmp_path)
    (tmp_path / "scripts/install.sh").chmod(0o755)
    return built


def test_it_says_what_it_installs_before_it_does(machine: Machine) -> None:
    code, events, complaint = machine.install("demo", NO_VENV="1")
    assert (code, complaint) == (0, "")
    said, done = events.index("mosquitto"), events.index("DONE packages python3-venv mosquitto")
    assert said < events.index("requirements.lock") < done < events.index("DONE pip")
    assert "left disabled and stopped" in events[:done]


def test_it_is_silent_when_nothing_is_missing(machine: Machine) -> None:
    machine.install("demo")
    machine.has("mosquitto")
    assert machine.install("demo") == (0, "", "")


def test_what_is_there_is_not_installed_again(machine: Machine) -> None:
    machine.has("mosquitto")
    _, events, _ = machine.install("demo")
    assert "packages" not in events.replace("Python packages", "")


def test_developers_tools_hold_what_the_demo_needs(machine: Machine) -> None:
    machine.has("mosquitto")
    machine.install("check")
    assert machine.install("demo") == (0, "", "")


def test_a_changed_lock_is_installed(machine: Machine) -> None:
    machine.has("mosquitto")
    machine.install("demo")
    with (machine.folder / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert "DONE pip" in machine.install("demo")[1]


def test_check_needs_no_broker(machine: Machine) -> None:
    _, events, _ = machine.install("check")
    assert "mosquitto" not in events


def test_packages_come_from_the_lock_with_hashes_and_the_checkout_without_an_index(
    machine: Machine,
) -> None:
    _, events, _ = machine.install("check")
    locked, checkout = [line for line in events.splitlines() if line.startswith("DONE pip")]
    assert "--require-hashes" in locked
    assert "-r requirements-dev.lock" in locked
    assert "--no-index" in checkout
    assert "--no-build-isolation" in checkout


@pytest.mark.parametrize(
    ("taken", "environ", "expected"),
    [
        ([], {"USER_ID": "1000"}, "not root, and there is no sudo"),
        (["apt-get"], {}, "there is no apt-get here"),
        (["python3"], {}, "Python 3.11 or newer is needed"),
        ([], {"OLD_PYTHON": "1"}, "Python 3.11 or newer is needed, and Python 3.9.2 was found"),
        ([], {"NO_NETWORK": "1"}, "is the network up"),
    ],
)
def test_where_it_may_not_install_it_says_so_in_one_sentence(
    machine: Machine, taken: list[str], environ: dict[str, str], expected: str
) -> None:
    for name in taken:
        machine.lacks(name)
    code, events, complaint = machine.install("demo", **environ)
    assert code == 1
    assert expected in complaint
    assert complaint.count("\n") == 1
    assert "installed." not in events


def test_a_sudo_that_wants_a_password_is_not_asked_without_a_terminal(machine: Machine) -> None:
    machine.has("sudo", "#!/bin/sh\nexit 1\n")
    _, events, complaint = machine.install("demo", USER_ID="1000")
    assert "nobody is at a terminal" in complaint
    assert "DONE" not in events


def test_a_failed_installation_is_tried_again(machine: Machine) -> None:
    machine.has("mosquitto")
    machine.install("demo", NO_NETWORK="1")
    assert "DONE pip" in machine.install("demo")[1]


def test_an_unknown_target_is_refused(machine: Machine) -> None:
    assert "usage" in machine.install("everything")[2]


@pytest.fixture
def machine_with_browser(machine: Machine) -> Machine:
    """Build a machine that lacks nothing but Python packages and those of the page."""
    script = (machine.folder / "scripts/install.sh").read_text()
    libraries = re.findall(r"(lib[\w.+-]+\.so\.\d+)=", script)
    assert libraries
    machine.has("ldconfig", "#!/bin/sh\n" + "".join(f"echo '{each} x'\n" for each in libraries))
    screen = ("Xvfb", "xauth", "openbox", "xdotool", "xwininfo", "import")
    for name in ("mosquitto", "ip", "nft", "turnserver", "chromium", *screen):
        machine.has(name)
    machine.has("npm", NPM)
    return machine


def test_the_page_of_the_browser_tests_is_installed_once_and_runs_nothing(
    machine_with_browser: Machine,
) -> None:
    code, events, complaint = machine_with_browser.install("test")
    assert (code, complaint) == (0, "")
    assert events.index(PAGE) < events.index("DONE npm ci --ignore-scripts")
    assert machine_with_browser.install("test") == (0, "", "")


def test_picamera2_is_installed_for_tests_alone_and_once(machine_with_browser: Machine) -> None:
    lock = "requirements-picamera2.lock"
    assert lock not in machine_with_browser.install("check")[1]
    _, events, _ = machine_with_browser.install("test")
    said, done = (line for line in events.splitlines() if lock in line)
    assert "picamera2 and what it imports" in said
    for term in ("--require-hashes", "--no-deps", "--only-binary :all: --no-binary picamera2"):
        assert term in done
    assert "--target .venv/picamera2 -r requirements-picamera2.lock" in done
    assert machine_with_browser.install("test") == (0, "", "")


def test_a_venv_made_anew_gets_picamera2_again(machine_with_browser: Machine) -> None:
    machine_with_browser.install("test")
    shutil.rmtree(machine_with_browser.folder / ".venv")
    assert "-r requirements-picamera2.lock" in machine_with_browser.install("test")[1]


def test_a_changed_lock_of_the_page_is_installed(machine_with_browser: Machine) -> None:
    machine_with_browser.install("test")
    (machine_with_browser.folder / PAGE).write_text("{}")
    _, events, _ = machine_with_browser.install("test")
    assert "DONE npm" in events
    assert "DONE pip" not in events


def test_a_page_that_cannot_be_installed_is_said_and_tried_again(
    machine_with_browser: Machine,
) -> None:
    machine_with_browser.install("check")
    code, _, complaint = machine_with_browser.install("test", NO_NETWORK="1")
    assert code == 1
    assert "is the network up" in complaint
    assert "DONE npm" in machine_with_browser.install("test")[1]


@pytest.mark.parametrize("profile", ["demo", "check"])
def test_only_the_tests_need_a_browser(machine_with_browser: Machine, profile: str) -> None:
    _, events, _ = machine_with_browser.install(profile)
    assert "npm" not in events


def test_who_may_install_nothing_tests_without_a_browser(machine_with_browser: Machine) -> None:
    machine_with_browser.lacks("chromium")
    code, events, complaint = machine_with_browser.install("test", USER_ID="1000")
    assert (code, complaint) == (0, "")
    assert "npm" not in events


def test_where_there_is_a_display_the_demo_gets_its_window_and_says_so(machine: Machine) -> None:
    machine.has("mosquitto")
    code, events, _ = machine.install("demo", DISPLAY=":0")
    said, done = events.index("for the window: Qt"), events.index("DONE packages")
    assert code == 0
    assert said < done
    assert "libegl1" in events[done:]
    assert "requirements-viewer.lock" in events


def test_without_a_display_nothing_graphical_is_installed(machine: Machine) -> None:
    _, events, _ = machine.install("demo")
    assert "libegl1" not in events
    assert "requirements-viewer.lock" not in events


def test_a_demo_whose_window_may_not_be_installed_goes_on_without(machine: Machine) -> None:
    machine.has("mosquitto")
    code, events, _ = machine.install("demo", DISPLAY=":0", USER_ID="1000")
    assert code == 0
    assert "opens no window" in events
    assert "-r requirements.lock" in events


def test_what_holds_the_window_serves_the_demo_without_one(machine: Machine) -> None:
    machine.has("mosquitto")
    machine.install("demo", DISPLAY=":0")
    assert machine.install("demo") == (0, "", "")


def test_the_screen_that_shows_the_window_is_installed_for_the_tests(machine: Machine) -> None:
    machine.has("mosquitto")
    _, events, _ = machine.install("test")
    assert "xvfb" in events
    assert "xdotool" in events
