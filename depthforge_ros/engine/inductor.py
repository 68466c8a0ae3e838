# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Ahead-of-time TorchInductor: C++ on CPUs, Triton on GPUs, one file that is loaded at start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import shutil

from depthforge_ros.engine.aoti import Program
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.precision import cpu_units, gpu_units
from depthforge_ros.engine.torch_engine import Run
from depthforge_ros.errors import UserError
import torch
from torch.export import ExportedProgram


class Inductor:
    """The compiler."""

    name = 'inductor'
    precisions = ('fp32', 'bf16', 'fp16')
    lowers = False

    def __init__(self) -> None:
        self._loaded: dict[tuple[Path, int, torch.device], Run] = {}
        """By path, time of writing (ns) and device: a program's machine code and weights stay
        until the process ends, so loading it again would take their memory again."""

    def unload(self) -> None:
        """Remove what programs for GPUs have unpacked on the disk."""
        self._loaded.clear()

    def versions(self, device: torch.device) -> Mapping[str, str]:
        """Programs are machine code for the vector units of one CPU, or for one kind of GPU."""
        if device.type == 'cuda':
            return {'device': gpu_units(device)}
        return {'device': cpu_units()}

    def compile(self, program: ExportedProgram, request: Request, path: Path) -> None:
        """Write a package; a C++ compiler is needed here, but not where it runs."""
        del request
        if not shutil.which('g++'):
            raise UserError('inductor needs a C++ compiler; apt install g++')
        with torch.no_grad():  # or else nothing is frozen
            torch._inductor.aoti_compile_and_package(
                program, package_path=str(path), inductor_configs={'freezing': True}
            )

    def load(self, path: Path, request: Request, device: torch.device) -> Run:
        """Load the package once, and again only where a frame hangs in what was loaded."""
        del request
        key = path, path.stat().st_mtime_ns, device
        run = self._loaded.get(key)
        if run is None or (isinstance(run, Program) and run.is_running):
            run = _load_on_gpu(path, device) if device.type == 'cuda' else Program(path)
            self._loaded[key] = run
        return run


def _load_on_gpu(path: Path, device: torch.device) -> Run:
    index = -1 if device.index is None else device.index
    return torch._inductor.aoti_load_package(str(path), device_index=index)
