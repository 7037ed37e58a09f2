"""The exit codes of every program of mqcam, and which error ends with which.

It must not know any program: each ends with one of these and says them in its help.
"""

from __future__ import annotations

from typing import Final

from mqcam.errors import ConfigError, CredentialsError, NotSetUp, UsageError

OK: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
CONFIGURATION: Final = 78
"""EX_CONFIG of sysexits.h: trying again does not help, editing a file does."""
INTERRUPTED: Final = 130
"""What a shell makes of a program that SIGINT has ended."""


def exit_code(error: Exception) -> int:
    """Return the code that a program ends with when ``error`` stopped it."""
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, ConfigError | CredentialsError | NotSetUp):
        return CONFIGURATION
    return FAILURE
