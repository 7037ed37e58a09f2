from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from mqcam_device.selftest.load import cpu_s, pss_bytes, read_load

if TYPE_CHECKING:
    from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def write_process(proc: Path, pid: int, *, user: int, system: int) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    before = " ".join(["R"] + ["0"] * 10)
    (folder / "stat").write_text(f"{pid} (a) b (c) {before} {user} {system} 0 0 20 0\n")
    (folder / "smaps_rollup").write_text("0-1 ---p\nRss:  90 kB\nPss:  12 kB\nPss_Anon: 1 kB\n")


def test_processor_time_is_user_and_system_whatever_the_name(tmp_path: Path) -> None:
    write_process(tmp_path, 7, user=3 * TICKS, system=2 * TICKS)
    assert cpu_s(7, proc=tmp_path) == pytest.approx(5)


def test_memory_is_the_proportional_share(tmp_path: Path) -> None:
    write_process(tmp_path, 7, user=0, system=0)
    assert pss_bytes(7, proc=tmp_path) == 12 * 1024


def test_waiting_is_no_work_and_guests_are_not_counted_twice(tmp_path: Path) -> None:
    columns = [1, 2, 3, 1000, 1000, 4, 5, 6, 700, 700]
    (tmp_path / "stat").write_text(f"cpu  {' '.join(str(c * TICKS) for c in columns)}\ncpu0 1\n")
    assert read_load(None, None, 0.0, proc=tmp_path).busy_s == pytest.approx(21)


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    load = read_load(7, None, 3.0, proc=tmp_path)
    assert load.at_s == 3.0
    assert (load.agent_s, load.capture_s, load.busy_s) == (None, None, None)
    assert (load.agent_pss_bytes, load.capture_pss_bytes) == (None, None)


def test_our_own_process_agrees_with_the_kernel() -> None:
    """Held to the real thing: what Python's own clock says of this process."""
    found = cpu_s(os.getpid())
    assert found is not None
    assert abs(found - time.process_time()) < 0.1
    assert (pss_bytes(os.getpid()) or 0) > 1_000_000
