# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
AOTInductor's programs for CPUs, called by their C interface.

PyTorch's own loaders hold Python's lock (GIL) while a program runs, so that every other thread
stands still for each inference; a foreign function of ctypes does not. The interface is
torch/csrc/inductor/aoti_runtime/interface.h; tensors cross it as handles.
"""

from __future__ import annotations

from collections.abc import Sequence
import ctypes
import os
from pathlib import Path
import shutil
from typing import Any
import zipfile

from depthforge_ros.engine.torch_engine import Run
import torch
from torch import Tensor

_aoti: Any = torch._C._aoti

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_capsule_of = ctypes.pythonapi.PyCapsule_New
_capsule_of.restype = ctypes.py_object
_capsule_of.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def load(path: Path) -> Run:
    """
    Load the program of a package (.pt2); it leaves nothing on the disk.

    Raises OSError, BadZipFile or RuntimeError where that is not possible. What it returns raises
    RuntimeError with the program's own words.
    """
    library = _linked(path)
    container, outputs = ctypes.c_void_p(), ctypes.c_size_t()

    def call(name: str, *arguments: object) -> None:
        if getattr(library, f'AOTInductorModelContainer{name}')(*arguments):
            raise RuntimeError(_last_error(library))

    call('CreateWithDevice', ctypes.byref(container), ctypes.c_size_t(1), b'cpu', None)
    call('GetNumOutputs', container, ctypes.byref(outputs))

    def run(images: Tensor) -> Sequence[Tensor]:
        # The program takes the handle that it is given, and gives those of its answer away.
        (handle,) = _aoti.unsafe_alloc_void_ptrs_from_tensors([images])
        given = ctypes.c_void_p(_pointer_of(handle, None))
        answer = (ctypes.c_void_p * outputs.value)()
        one = ctypes.c_size_t(1)
        call('Run', container, ctypes.byref(given), one, answer, outputs, None, None)
        tensors: list[Tensor] = _aoti.alloc_tensors_by_stealing_from_void_ptrs(
            [_capsule_of(pointer, None, None) for pointer in answer]
        )
        return tensors

    return run


def _linked(path: Path) -> ctypes.CDLL:
    """Link the package's library into this process, from memory."""
    with zipfile.ZipFile(path) as package:
        names = package.namelist()
        # Beside it stands a list of what only PyTorch's loader could call.
        if others := [name for name in names if name.endswith('.wrapper.json')]:
            raise RuntimeError(f'it has operators outside C++, see {others[0]}')
        (name,) = (name for name in names if name.endswith('.so'))
        # Not closed: to the linker, the next library of the same name would be this one.
        descriptor = os.memfd_create(path.stem)
        with package.open(name) as source, open(descriptor, 'wb', closefd=False) as file:
            shutil.copyfileobj(source, file)
    return ctypes.CDLL(f'/proc/self/fd/{descriptor}')


def _last_error(library: ctypes.CDLL) -> str:
    """Return what the program says of its failure in this thread; or PyTorch, which it called."""
    text = ctypes.c_char_p()
    library.AOTInductorGetLastError(ctypes.byref(text))
    said = text.value or b''
    if b'API call failed' in said:
        what = library.torch_exception_get_what_without_backtrace
        what.restype = ctypes.c_char_p
        said = what() or said
    return said.decode(errors='replace')
