"""Build the wheel offline and lay it out for its tests, with the checkout out of reach.

wheel.py FOLDER makes FOLDER/venv, which holds the wheel and borrows the locked packages of the
virtual environment that runs this, and FOLDER/tests, the unit tests. It must not import mqcam.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    *("tests/conftest.py", "tests/unit", "tests/support", "tests/fakes", "tests/vectors"),
    *("docs", "scripts"),  # the page on the protocol is held to the code
)
"""What the unit tests are made of and read; nothing of it is the code under test."""
PACKAGES = ("mqcam", "mqcam_device", "mqcam_viewer", "mqcam_broker")

IMPORT_ALL = f"""
import importlib, pathlib, sys
for name in {PACKAGES}:
    file = pathlib.Path(importlib.import_module(name).__file__)
    if not file.is_relative_to(sys.prefix):
        sys.exit(f"{{name}} was imported from {{file}}, not from the wheel")
"""


def main() -> int:
    """Build, install into a fresh environment, and copy the tests beside it."""
    scratch = Path(sys.argv[1])
    wheel = build(scratch / "dist")
    python = make_venv(scratch / "venv")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    call([*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)])
    call([str(python), "-c", IMPORT_ALL], folder=scratch)
    copy_tests(scratch)
    return 0


def build(folder: Path) -> Path:
    """Build the source distribution, then the wheel from it alone: what the former lacks shows."""
    call([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)])
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    call([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_venv(folder: Path) -> Path:
    """Make an environment that sees the locked packages but not the editable checkout."""
    call([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    site = folder.joinpath(*Path(sysconfig.get_path("purelib")).relative_to(sys.prefix).parts)
    # A .pth file adds the folder only; the .pth files inside it, the checkout's, are not read.
    (site / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin/python"


def copy_tests(scratch: Path) -> None:
    """Copy the unit tests and what they read to where no path leads back to the checkout."""
    shutil.copy(ROOT / "pyproject.toml", scratch)
    for name in PARTS:
        part = ROOT / name
        (scratch / name).parent.mkdir(exist_ok=True)
        if part.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(part, scratch / name, ignore=ignored)
        else:
            shutil.copy(part, scratch / name)


def call(command: list[str], folder: Path = ROOT) -> None:
    """Run a command; end with its exit code and what it said when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
