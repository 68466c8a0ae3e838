# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
AOTInductor's programs for CPUs, called by their C interface.

PyTorch's own loaders hold the GIL while a program runs, so that every other thread waits for each
inference; a foreign function of ctypes releases it. The interface is
torch/csrc/inductor/aoti_runtime/interface.h; tensors cross it as handles.
"""

from __future__ import annotations

from collections.abc import Sequence
import ctypes
import os
from pathlib import Path
import shutil
import tempfile
import threading
from typing import Any, IO
import zipfile

import torch
from torch import Tensor

_aoti: Any = torch._C._aoti

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_capsule_of = ctypes.pythonapi.PyCapsule_New
_capsule_of.restype = ctypes.py_object
_capsule_of.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Program:
    """A program; one thread runs it at a time."""

    def __init__(self, path: Path) -> None:
        """
        Load the program of a package (.pt2), by way of a file beside it.

        Raises OSError, BadZipFile or RuntimeError where that is not possible.
        """
        # The program does not wake a call that waits for another one if that one fails.
        self._turn = threading.Lock()
        folder = path.parent if os.access(path.parent, os.W_OK) else None
        # The linker would take a library of a known name for the one that it has loaded.
        with tempfile.NamedTemporaryFile(prefix=f'{path.stem}_', suffix='.so', dir=folder) as file:
            _unpack(path, file)
            self._library = ctypes.CDLL(file.name)
            self._container, self._outputs = ctypes.c_void_p(), ctypes.c_size_t()
            made = ctypes.byref(self._container)
            self._call('CreateWithDevice', made, ctypes.c_size_t(1), b'cpu', None)
        self._call('GetNumOutputs', self._container, ctypes.byref(self._outputs))

    @property
    def is_running(self) -> bool:
        """Whether a thread is in the program, which may hang there."""
        return self._turn.locked()

    def __call__(self, images: Tensor) -> Sequence[Tensor]:
        """Run it; raises RuntimeError with the program's own words."""
        with self._turn:
            # The program owns the handle that it is given; the caller owns those of the answer.
            (handle,) = _aoti.unsafe_alloc_void_ptrs_from_tensors([images])
            given = ctypes.c_void_p(_pointer_of(handle, None))
            answer = (ctypes.c_void_p * self._outputs.value)()
            ends = ctypes.byref(given), ctypes.c_size_t(1), answer, self._outputs
            self._call('Run', self._container, *ends, None, None)
            tensors: list[Tensor] = _aoti.alloc_tensors_by_stealing_from_void_ptrs(
                [_capsule_of(pointer, None, None) for pointer in answer]
            )
            return tensors

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, f'AOTInductorModelContainer{name}')(*arguments):
            raise RuntimeError(_last_error(self._library))


def _unpack(path: Path, file: IO[bytes]) -> None:
    """Write the package's library to a file."""
    with zipfile.ZipFile(path) as package:
        names = package.namelist()
        # This file lists operators that only PyTorch's loader can call.
        if others := [name for name in names if name.endswith('.wrapper.json')]:
            raise RuntimeError(f'it has operators outside C++, see {others[0]}')
        libraries = [name for name in names if name.endswith('.so')]
        if len(libraries) != 1:
            raise RuntimeError(f'it has {len(libraries)} libraries, not one')
        with package.open(libraries[0]) as source:
            shutil.copyfileobj(source, file)
    file.flush()


def _last_error(library: ctypes.CDLL) -> str:
    """Return the error of this thread: the program's own, or PyTorch's where that failed."""
    message = ctypes.c_char_p()
    library.AOTInductorGetLastError(ctypes.byref(message))
    text = message.value or b''
    if b'API call failed' in text:
        what = library.torch_exception_get_what_without_backtrace
        what.restype = ctypes.c_char_p
        text = what() or text
    return text.decode(errors='replace')
