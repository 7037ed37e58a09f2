from __future__ import annotations

import pytest
from mqcam import entry, exits
from mqcam.errors import ConfigError, CredentialsError, MqcamError, NotSetUp, SetupError, UsageError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no", "yes"), 2),
        (ConfigError([]), 78),
        (CredentialsError("file", "no"), 78),
        (NotSetUp("no", "yes"), 78),
        (SetupError("no", "yes"), 1),
        (MqcamError(), 1),
        (OSError(), 1),
    ],
)
def test_an_error_ends_with_its_code(error: Exception, code: int) -> None:
    assert exits.exit_code(error) == code


def test_the_entry_uses_the_same_codes_without_loading_them() -> None:
    assert (entry.FAILURE, entry.INTERRUPTED) == (exits.FAILURE, exits.INTERRUPTED)
