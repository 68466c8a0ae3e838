# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The allocator's setting, each in a process of its own: it cannot be taken back."""

from __future__ import annotations

import subprocess
import sys

from depthforge_ros.cli import main as cli
import pytest

SCRIPT = """
import resource
from depthforge_ros import allocator
import numpy as np

def resident_mib():
    pages = int(open('/proc/self/statm').read().split()[1])
    return pages * resource.getpagesize() / 2**20

def frame():
    return np.ones(64 * 2**20, np.uint8)

if {keeps}:
    assert allocator.keep_freed_memory()
frame()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    frame()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
kept = resident_mib()
allocator.return_freed_memory()
print(faults, kept - resident_mib())
"""


def measure(*, keeps: bool) -> tuple[int, float]:
    """Page faults of ten frames, and MiB that went back to the system in the end."""
    command = [sys.executable, '-c', SCRIPT.format(keeps=keeps)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(answer[0]), float(answer[1])


def test_kept_memory_is_mapped_once_and_can_be_returned() -> None:
    faults, returned_mib = measure(keeps=True)
    assert faults < 100
    assert returned_mib > 60.0
    # Large pages, where the system has them, make it few faults by default too, but not none.
    assert measure(keeps=False)[0] > 100


OF_THREADS = """
from threading import Barrier, Thread

from depthforge_ros import allocator
import numpy as np

def resident_mib():
    status = open('/proc/self/status').read()
    return int(status.partition('VmRSS:')[2].split()[0]) / 1024

assert allocator.keep_freed_memory()
before = resident_mib()
barrier = Barrier(THREADS)

def work():
    barrier.wait()  # each has the memory that it would have beside the others
    for _ in range(2):
        np.ones(8 * 2**20, np.uint8)
    barrier.wait()

threads = [Thread(target=work) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
allocator.return_freed_memory()
print(resident_mib() - before)
"""


def test_what_threads_have_freed_can_be_returned() -> None:
    command = [sys.executable, '-c', OF_THREADS.replace('THREADS', '16')]
    left_mib = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert float(left_mib) < 16.0


def test_commands_keep_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(cli, 'keep_freed_memory', lambda: calls.append(1))
    assert cli.main(['models']) == 0
    assert calls == [1]
