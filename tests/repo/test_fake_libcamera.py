"""The fakes below picamera2 have what the real things have: no name less than used, none more."""

from __future__ import annotations

import ast
import functools
import inspect
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from fakes import libcamera
from fakes.scene import AUTOFOCUS, CSI_CONTROLS, PI_4, Scene
from support.picamera import PICAMERA2, TESTS, FakeCamera
from support.sdist import Sdist
from support.tree import name_of, tracked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BINDINGS = {
    name: set(members.split())
    for name, members in {
        "Camera": "id acquire() release() start() stop() generate_configuration() configure()"
        " create_request() queue_request() streams controls properties",
        "CameraConfiguration": "validate() at() size empty sensor_config orientation Status",
        "CameraManager": "singleton() version get() cameras event_fd get_ready_requests()",
        "ColorSpace": "primaries transferFunction ycbcrEncoding range Raw() Srgb() Sycc()"
        " Smpte170m() Rec709() Rec2020() Primaries TransferFunction YcbcrEncoding Range",
        "ControlId": "id name vendor type isArray size enumerators()",
        "ControlInfo": "min max default values",
        "FrameBuffer": "metadata planes cookie Plane",
        "FrameBufferAllocator": "allocate() allocated buffers()",
        "FrameMetadata": "status sequence timestamp planes Status Plane",
        "PixelFormat": "fourcc modifier",
        "Point": "x y",
        "Rectangle": "x y width height is_null center size topLeft scale_by() translate_by()"
        " bounded_to() enclosed_in() scaled_by() translated_by()",
        "Request": "add_buffer() status buffers cookie sequence has_pending_buffers set_control()"
        " metadata reuse() Status Reuse",
        "SensorConfiguration": "bit_depth analog_crop binning skipping output_size is_valid()",
        "Size": "width height is_null align_down_to() align_up_to() bound_to() expand_to()"
        " grow_by() shrink_by() aligned_up_to() bounded_to() expanded_to() grown_by() shrunk_by()"
        " bounded_to_aspect_ratio() expanded_to_aspect_ratio() centered_to()",
        "Stream": "configuration",
        "StreamConfiguration": "stream size pixel_format stride frame_size buffer_count formats"
        " color_space",
        "StreamFormats": "pixel_formats sizes() range()",
        "Transform": "hflip vflip transpose inverse() invert() compose()",
        "_Plane": "fd offset length",
        "_PlaneMetadata": "bytes_used",
    }.items()
}
"""What the classes of the real bindings have: src/py/libcamera/ of raspberrypi/libcamera, as
py_main.cpp (04e282f), py_geometry.cpp (20ea9ae), py_transform.cpp (5b2f1ce) and py_color_space.cpp
(0171ab8) define it."""

ENUMERATIONS = {
    "AeConstraintModeEnum": "Normal Highlight Shadows Custom",
    "AeExposureModeEnum": "Normal Short Long Custom",
    "AeFlickerModeEnum": "Off Manual Auto",
    "AeMeteringModeEnum": "CentreWeighted Spot Matrix Custom",
    "AfMeteringEnum": "Auto Windows",
    "AfModeEnum": "Manual Auto Continuous",
    "AfPauseEnum": "Immediate Deferred Resume",
    "AfRangeEnum": "Normal Macro Full",
    "AfSpeedEnum": "Normal Fast",
    "AfStateEnum": "Idle Scanning Focused Failed",
    "AfTriggerEnum": "Start Cancel",
    "AnalogueGainModeEnum": "Auto Manual",
    "AwbModeEnum": "Auto Incandescent Tungsten Fluorescent Indoor Daylight Cloudy Custom",
    "ExposureTimeModeEnum": "Auto Manual",
    "HdrModeEnum": "Off MultiExposureUnmerged MultiExposure SingleExposure Night",
}
"""The values of controls, counted from 0: control_ids_core.yaml at 0bb8afc, and the two modes of
exposure and gain that came later and that picamera2 sets as 0 and 1."""

WALKED = (
    "",
    ".configuration",
    ".controls",
    ".picamera2",
    ".request",
    ".sensor_format",
    ".utils",
    ".allocators.dmaallocator",
    ".encoders.encoder",
    ".encoders.h264_encoder",
    ".encoders.v4l2_encoder",
    ".previews.null_preview",
)
"""The modules of picamera2 that our source makes run."""

HOLDERS = {
    "CameraManager": ("self.cms", "self.camera_manager", "Picamera2._cm.cms"),
    "Camera": ("self.camera", "self.picam2.camera", "cam"),
    "CameraConfiguration": ("libcamera_config", "raw_config"),
    "FrameMetadata": ("next(iter(req.request.buffers.values())).metadata",),
    "FrameBuffer": ("self.__fb",),
    "_Plane": ("plane[0]", "fb.planes[0]", "buffer.planes[0]", "k.planes[0]"),
    "Request": ("self.request", "req.request", "request.request"),
    "SensorConfiguration": ("libcamera_config.sensor_config",),
    "StreamConfiguration": ("libcamera_stream_config", "stream_config", "cfg"),
    "StreamFormats": ("raw_formats",),
}
"""By what expressions picamera2 holds objects of libcamera in these modules."""

NOT_LIBCAMERA = {
    ("CameraManager", "find"),  # of an older one, where `get` has failed
    ("StreamConfiguration", "get"),  # of picamera2's own dictionary
}


NOT_OF_THE_MODULE = {"libcamera.controls.get"}
"""What picamera2 does with a dictionary that is called like the module."""


@functools.cache
def picamera2() -> Sdist:
    """Read the picamera2 that the tests run with."""
    if not PICAMERA2.is_dir():
        pytest.skip("needs picamera2: make test installs it")
    return Sdist.installed("picamera2", PICAMERA2)


@functools.cache
def fake() -> Sdist:
    """Read the fake."""
    folder = TESTS / "fakes/libcamera"
    return Sdist(
        "", {path.stem: ast.parse(path.read_bytes()) for path in sorted(folder.glob("*.py"))}
    )


def walked() -> Iterator[ast.Module]:
    """Yield the modules that our source makes run."""
    for name in WALKED:
        yield picamera2().modules[f"picamera2{name}"]


@functools.cache
def used_of() -> dict[str, set[str]]:
    """Return what those modules use of each expression."""
    found: dict[str, set[str]] = {}
    for tree in walked():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found.setdefault(ast.unparse(node.value), set()).add(node.attr)
    return found


def members_of(name: str) -> set[str]:
    """Return what the public members of a class of the fake are called; methods with ``()``."""
    found = {each for each in fake().attributes(name) if not each.startswith("_")}
    properties = {
        node.name
        for class_ in fake().lineage(name)
        for node in class_.body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(each) == "property" for each in node.decorator_list)
    }
    return {
        f"{each}()" if fake().method(name, each) and each not in properties else each
        for each in found
    }


@pytest.mark.parametrize("name", BINDINGS)
def test_the_fake_has_no_member_that_the_bindings_lack(name: str) -> None:
    assert sorted(members_of(name) - BINDINGS[name]) == []


def test_the_fake_has_no_class_that_the_bindings_lack() -> None:
    enumerations = {"ControlType", "Orientation", "StreamRole"}
    public = {each for each in libcamera.__all__ if inspect.isclass(getattr(libcamera, each))}
    assert public - enumerations == {name for name in BINDINGS if not name.startswith("_")}


@pytest.mark.parametrize("name", ENUMERATIONS)
def test_a_control_has_the_values_of_the_real_one(name: str) -> None:
    values = [each.name for each in getattr(libcamera.controls, name)]
    assert values == ENUMERATIONS[name].split()
    assert [each.value for each in getattr(libcamera.controls, name)] == [*range(len(values))]


def dotted(node: ast.AST) -> str:
    """Return a chain of names as it is written, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def names_of_libcamera(tree: ast.Module) -> set[str]:
    """Return what a module takes from libcamera, as it would be written after ``import``."""
    local = {"libcamera": "libcamera"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "libcamera":
            local |= {each.asname or each.name: f"libcamera.{each.name}" for each in node.names}
    chains = {dotted(node) for node in ast.walk(tree)}
    return {
        f"{local[head]}.{rest}".removesuffix(".")
        for head, _, rest in (chain.partition(".") for chain in chains)
        if head in local
    }


def missing(names: set[str]) -> list[str]:
    """Return which of these names the fake lacks."""
    found = []
    for name in names:
        holder: Any = libcamera
        for part in name.split(".")[1:]:
            if isinstance(holder, type) and part in {"__repr__", "__str__", "__eq__", "to_tuple"}:
                break  # picamera2 adds it, or it is Python's
            if not hasattr(holder, part):
                found.append(name)
                break
            holder = getattr(holder, part)
    return sorted(found)


def test_every_name_of_libcamera_that_picamera2_uses_is_there() -> None:
    used = set[str]().union(*(names_of_libcamera(tree) for tree in walked()))
    assert "libcamera.controls.draft.NoiseReductionModeEnum.Minimal" in used
    assert missing(used - NOT_OF_THE_MODULE) == []


def test_every_name_of_libcamera_that_our_source_uses_is_there() -> None:
    used: set[str] = set()
    for path in tracked(".py", under="device/mqcam_device/sources"):
        used |= names_of_libcamera(ast.parse(path.read_text(encoding="utf-8")))
    assert missing(used) == [], [name_of(path) for path in tracked(".py", under="device")]


@pytest.mark.parametrize("name", HOLDERS)
def test_every_member_that_picamera2_uses_is_there(name: str) -> None:
    used = set[str]().union(*(used_of()[each] for each in HOLDERS[name]))
    has = {each.removesuffix("()") for each in members_of(name)}
    assert sorted(each for each in used - has if (name, each) not in NOT_LIBCAMERA) == []


def test_every_control_that_a_scene_advertises_is_known() -> None:
    advertised = {*CSI_CONTROLS, *AUTOFOCUS}
    assert sorted(each for each in advertised if not hasattr(libcamera.controls, each)) == []


ASK_KERNEL = """
import ast, json, videodev2
from picamera2 import dma_heap
from picamera2.encoders import h264_encoder, v4l2_encoder
from fakes import devices, video11

numbers = {
    name: [getattr(devices, name), getattr(dma_heap, name)]
    for name in ("DMA_HEAP_IOCTL_ALLOC", "DMA_BUF_IOCTL_SYNC", "DMA_BUF_SET_NAME")
}
named = {
    node.id
    for module in (h264_encoder, v4l2_encoder)
    for node in ast.walk(ast.parse(open(module.__file__).read()))
    if isinstance(node, ast.Name)
}
calls = video11.Video11(0, "", type("Stage", (), {"tell": print})())._calls
print(json.dumps({
    "numbers": numbers,
    "heaps": [sorted(devices.HEAPS), sorted(dma_heap.heapNames)],
    "calls": sorted(each for each in named if each.startswith("VIDIOC_")
                    and getattr(videodev2, each) not in calls),
    "controls": sorted(each for each in named if each.startswith("V4L2_CID_")
                       and getattr(videodev2, each) not in video11.CONTROLS),
    "structures": [ctypes_size(devices.Allocation), ctypes_size(dma_heap.dma_heap_allocation_data)],
}))
"""


def test_the_devices_speak_the_kernels_language(tmp_path: Path) -> None:
    """As picamera2 and videodev2 spell it: every call and every control of its encoder."""
    if not PICAMERA2.is_dir():
        pytest.skip("needs picamera2: make test installs it")
    camera = FakeCamera(tmp_path / "camera", Scene(devices=PI_4))
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from ctypes import sizeof as ctypes_size\n" + ASK_KERNEL],
        env=os.environ | camera.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    for name, (mine, real) in told["numbers"].items():
        assert mine == real, name
    assert told["heaps"][0] == told["heaps"][1]
    assert told["structures"][0] == told["structures"][1]
    assert (told["calls"], told["controls"]) == ([], [])


def test_the_fake_changes_nothing_of_a_process_without_a_scene() -> None:
    assert libcamera.CameraManager.singleton().cameras == []
    assert open.__module__ in {"_io", "io"}
