"""Re-make the lock files: what a fresh machine installs, pinned and hashed for every platform.

They must name no index and no download address: whoever installs uses the index of their machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")
OLDEST_PYTHON = "3.11"
LOCKS = {
    "requirements.lock": ("build", []),
    "requirements-viewer.lock": ("build", ["viewer"]),
    "requirements-dev.lock": ("dev", ["viewer"]),
}
"""Lock file, and what it holds beside the program's own dependencies: a group, and extras."""

APART = {"requirements-picamera2.lock": "picamera2"}
"""Lock file of what lies in a folder of its own, and its group: all it holds is named there."""


def lock(name: str, group: str, extras: list[str], *, upgrade: bool) -> int:
    """Write one lock file and return uv's exit code; without ``upgrade`` keep pins that hold."""
    command = [
        str(UV),
        *("pip", "compile", "--quiet", "--group", group, "--output-file", name),
        *(["--no-deps"] if name in APART else ["pyproject.toml"]),
        *(f"--extra={extra}" for extra in extras),
        *("--generate-hashes", "--no-header", "--no-emit-index-url", "--no-emit-find-links"),
        # One file for every platform; the newest of each for the Pythons that can run it.
        *("--universal", "--python-version", OLDEST_PYTHON, "--fork-strategy", "requires-python"),
        # The other locks add to the program's: they never pin another version.
        *(["--constraint", "requirements.lock"] if name != "requirements.lock" else []),
        *(["--constraint", "requirements-dev.lock"] if name in APART else []),
        *(["--upgrade"] if upgrade else []),
    ]
    # Places of this machine that pip or uv would look at must not leak into the files.
    environ = {k: v for k, v in os.environ.items() if k not in {"PIP_FIND_LINKS", "UV_FIND_LINKS"}}
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode


def main() -> int:
    """Write the lock files; ``--upgrade`` takes the newest versions that pyproject.toml allows."""
    apart: dict[str, tuple[str, list[str]]] = {name: (group, []) for name, group in APART.items()}
    for name, (group, extras) in (LOCKS | apart).items():
        code = lock(name, group, extras, upgrade="--upgrade" in sys.argv[1:])
        if code:
            print(f"lock: {name} was not written", file=sys.stderr)
            return code
        print(f"lock: {name} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
