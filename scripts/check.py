"""Everything `make check` checks, in order of how soon it finds a mistake.

A step that fails shows what it said and the later ones still run, so that one run tells everything.
It needs no root, no broker and no network. It must not import mqcam: a broken one is reported too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
BIN = Path(PYTHON).parent


def main() -> int:
    """Run each step and return 0 only if all passed."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="mqcam-check-") as scratch:
        for name, command, folder in steps(Path(scratch)):
            if not run(name, command, folder):
                failed.append(name)
                if name == "wheel":  # nothing to test then
                    break
    if failed:
        print(f"check: failed: {', '.join(failed)}", flush=True)
        return 1
    print("check: all passed", flush=True)
    return 0


def steps(scratch: Path) -> list[tuple[str, list[str], Path]]:
    """List the steps: name, command, folder to run it in."""
    pytest = [PYTHON, "-m", "pytest", "-q", "--no-header", "-n", "2", "-m", "not long"]
    return [
        ("lint", [str(BIN / "ruff"), "check", "--quiet", "."], ROOT),
        ("format", [str(BIN / "ruff"), "format", "--check", "--quiet", "."], ROOT),
        ("imports", [str(BIN / "lint-imports"), "--no-cache"], ROOT),
        ("types", [PYTHON, "-m", "mypy", "--no-error-summary"], ROOT),
        ("unit tests on the source", [*pytest, "tests/unit"], ROOT),
        ("wheel", [PYTHON, str(Path(__file__).with_name("wheel.py")), str(scratch)], ROOT),
        (
            "unit tests on the wheel",
            [str(scratch / "venv/bin/python"), *pytest[1:], "tests/unit"],
            scratch,
        ),
    ]


def run(name: str, command: list[str], folder: Path) -> bool:
    """Run one step, show what it said if it failed, and return whether it passed."""
    print(f"check: {name} ... ", end="", flush=True)
    started_s = time.monotonic()
    # No byte code into the tree, and no settings of the caller's that change what Python imports.
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    took_s = time.monotonic() - started_s
    verdict = f"FAILED ({done.returncode})" if done.returncode else "ok"
    print(f"{verdict} {took_s:.1f} s", flush=True)
    if done.returncode:
        sys.stdout.write(done.stdout.decode(errors="replace"))
        sys.stdout.write(done.stderr.decode(errors="replace"))
        sys.stdout.flush()
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
