from __future__ import annotations

import importlib.metadata
import logging

import pytest
from mqcam.errors import SourceError
from mqcam_device.sources.picamera import library


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBCAMERA_LOG_LEVELS", "*:ERROR")


def test_without_picamera2_it_is_said_what_to_install() -> None:
    with pytest.raises(SourceError) as caught:
        library.load()
    text = str(caught.value)
    assert text.startswith("picamera: picamera2 is not installed")
    assert "sudo apt install python3-picamera2" in text
    assert "python3 -m venv --system-site-packages" in text


def test_a_module_that_picamera2_lacks_is_named() -> None:
    assert "lacks the module pykms" in library.explain_missing("pykms")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("numpy.dtype size changed"), "cannot be loaded .numpy.dtype size changed."),
        (OSError("libcamera.so.0.5: cannot open"), "cannot be loaded .libcamera.so.0.5"),
    ],
)
def test_libraries_that_do_not_fit_are_said_to(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(library, "import_module", fail)
    with pytest.raises(SourceError, match=sentence):
        library.load()


@pytest.mark.parametrize("version", ["0.3.25", "0.3.12", "0.2", "0.3.25-1"])
def test_a_version_that_is_too_old_is_refused_with_the_one_needed(version: str) -> None:
    with pytest.raises(SourceError, match=r"too old, 0\.3\.26 or newer is needed: sudo apt"):
        library.check_version(version)


@pytest.mark.parametrize("version", ["0.3.26", "0.3.27", "0.3.38", "0.4", "1.0.0", "", "unknown"])
def test_newer_and_unknown_versions_are_taken(version: str) -> None:
    library.check_version(version)


def test_a_copy_without_metadata_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(library, "version", lacking)
    assert library.installed_version() == ""


def test_picamera2_says_errors_only() -> None:
    with pytest.raises(SourceError):
        library.load()
    assert logging.getLogger("picamera2").level == logging.ERROR
