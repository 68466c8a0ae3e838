# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Inductor's programs: what they answer, what they leave others to do, how they fail."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
import shutil
import tempfile
import threading
import zipfile

from depthforge_ros.engine.aoti import Program
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.inductor import Inductor
from depthforge_ros.errors import is_of_memory
import pytest
from support.engines import FRAMES
import torch
from torch import nn, Tensor

SIZE = Request(56, 98)
CPU = torch.device('cpu')

pytestmark = pytest.mark.skipif(shutil.which('g++') is None, reason='inductor needs g++')


class Brightness(nn.Module):
    """A network whose answer is known."""

    def forward(self, image_BHW3: Tensor) -> tuple[Tensor, ...]:
        mean = image_BHW3.float().mean(-1)
        return mean.to(torch.int64), mean / 255.0


class Long(nn.Module):
    """A network that takes some tens of milliseconds."""

    def forward(self, image_BHW3: Tensor) -> tuple[Tensor, ...]:
        square = image_BHW3.float().sum() * torch.ones(800, 800)
        for _ in range(4):
            square = square @ square
        return (square,)


class Greedy(Long):
    """A network that no machine has the memory for, which shows late."""

    def forward(self, image_BHW3: Tensor) -> tuple[Tensor, ...]:
        (square,) = super().forward(image_BHW3)
        return (torch.arange(2**46) + square.sum(),)


@torch.library.custom_op('depthforge_test::brighter', mutates_args=())
def brighter(image: Tensor) -> Tensor:
    """Stand for an operator that is written in Python."""
    return image + 1


@brighter.register_fake
def _(image: Tensor) -> Tensor:
    return torch.empty_like(image)


class Foreign(nn.Module):
    """A network with an operator of its own."""

    def forward(self, image_BHW3: Tensor) -> tuple[Tensor, ...]:
        return (brighter(image_BHW3),)


def compiled(network: nn.Module, path: Path) -> Path:
    program = torch.export.export(network, (torch.from_numpy(FRAMES),))
    Inductor().compile(program, SIZE, path)
    return path


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile `Brightness` once."""
    return compiled(Brightness(), tmp_path_factory.mktemp('built') / 'program.pt2')


@pytest.fixture
def brightness(built: Path, tmp_path: Path) -> Path:
    """Copy it into a folder of the test's own."""
    return Path(shutil.copy(built, tmp_path / 'program.pt2'))


def test_a_program_is_loaded_once_and_leaves_nothing_on_the_disk(
    brightness: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = temporary_folder(tmp_path, monkeypatch)
    inductor, images = Inductor(), torch.from_numpy(FRAMES)
    for _ in range(3):
        ours = inductor.load(brightness, SIZE, CPU)(images)
        torch.testing.assert_close(ours, list(Brightness()(images)))
    # Its machine code stays in the process for good.
    assert inductor.load(brightness, SIZE, CPU) is inductor.load(brightness, SIZE, CPU)
    assert not list(unpacked.iterdir())
    assert list(tmp_path.glob('*.*')) == [brightness]


def test_a_program_in_a_folder_that_is_read_only_is_unpacked_elsewhere(
    brightness: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []
    load = ctypes.CDLL

    def note_and_load(name: str) -> ctypes.CDLL:
        folders.append(Path(name).parent)
        return load(name)

    monkeypatch.setattr(ctypes, 'CDLL', note_and_load)
    unpacked = temporary_folder(tmp_path, monkeypatch)
    Inductor().load(brightness, SIZE, CPU)
    monkeypatch.setattr(os, 'access', lambda *_: False)  # root may write everywhere
    Inductor().load(brightness, SIZE, CPU)
    assert folders == [tmp_path, unpacked]


def test_a_program_in_which_a_frame_hangs_is_loaded_again(brightness: Path) -> None:
    inductor = Inductor()
    first = inductor.load(brightness, SIZE, CPU)
    assert isinstance(first, Program)
    with first._turn:  # as a call that does not return
        second = inductor.load(brightness, SIZE, CPU)
        torch.testing.assert_close(
            second(torch.from_numpy(FRAMES)), list(Brightness()(torch.from_numpy(FRAMES)))
        )
    assert inductor.load(brightness, SIZE, CPU) is second


def test_other_threads_go_on_while_a_program_runs(tmp_path: Path) -> None:
    run = Inductor().load(compiled(Long(), tmp_path / 'program.pt2'), SIZE, CPU)
    runs, is_over = 0, threading.Event()

    def run_on() -> None:
        nonlocal runs
        while not is_over.is_set():
            run(torch.from_numpy(FRAMES))
            runs += 1

    worker = threading.Thread(target=run_on)
    worker.start()
    turns = 0
    # With the lock held, this one has a turn between two runs only.
    while runs < 10 and worker.is_alive():
        is_over.wait(0.001)
        turns += 1
    is_over.set()
    worker.join()
    assert runs >= 10
    assert turns > 50


def test_memory_does_not_grow_with_the_runs(brightness: Path) -> None:
    run = Inductor().load(brightness, SIZE, CPU)

    def grown_bytes() -> int:
        before = _resident_bytes()
        for _ in range(1000):
            run(torch.from_numpy(FRAMES))
        return _resident_bytes() - before

    grown_bytes()
    # One answer is 66 KiB.
    assert grown_bytes() < 1000 * 1024


def test_a_failure_is_told_in_pytorchs_words_to_each_who_runs_the_program(
    tmp_path: Path,
) -> None:
    run = Inductor().load(compiled(Greedy(), tmp_path / 'program.pt2'), SIZE, CPU)
    errors: list[Exception] = []

    def fail() -> None:
        try:
            run(torch.from_numpy(FRAMES))
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=fail, daemon=True) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60.0)
    assert [is_of_memory(error) for error in errors] == 3 * [True]
    assert 'allocate' in str(errors[0])


def test_a_library_that_does_not_load_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = temporary_folder(tmp_path, monkeypatch)
    path = tmp_path / 'program.pt2'
    descriptors = len(os.listdir('/proc/self/fd'))
    words = {(): '0 libraries', ('a.so',): 'file too short', ('a.so', 'b.so'): '2 libraries'}
    for names, word in words.items():
        with zipfile.ZipFile(path, 'w') as package:
            for name in names:
                package.writestr(name, b'not a library')
        with pytest.raises((OSError, RuntimeError), match=word):
            Inductor().load(path, SIZE, CPU)
    assert not list(unpacked.iterdir())
    assert not list(tmp_path.glob('*.so'))
    assert len(os.listdir('/proc/self/fd')) == descriptors


def test_operators_outside_the_program_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match='operators outside C'):
        Inductor().load(compiled(Foreign(), tmp_path / 'program.pt2'), SIZE, CPU)


def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(folder))
    return folder


def _resident_bytes() -> int:
    return int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
