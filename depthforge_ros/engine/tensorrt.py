# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Torch-TensorRT ahead of time: the whole network as one TensorRT engine, saved and reloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import importlib
from importlib import metadata
from pathlib import Path
from typing import Any

from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.precision import gpu_units, PRECISIONS
from depthforge_ros.engine.torch_engine import Run
from depthforge_ros.errors import one_line, UserError
import torch
from torch.export import ExportedProgram

DISTRIBUTIONS = (
    'torch-tensorrt',
    'torch-tensorrt-rtx',
    'tensorrt',
    'tensorrt-rtx-cu13',
    'nvidia-modelopt',
)


@dataclass(frozen=True)
class Coverage:
    """What a dry run says of a program."""

    operators: int
    converted: int
    engines: int
    left_out: Mapping[str, int]
    """Operators that TensorRT has no converter for, and how often they occur."""


class TensorRt:
    """The compiler."""

    name = 'tensorrt'
    precisions = tuple(PRECISIONS)
    lowers = False

    def versions(self, device: torch.device) -> Mapping[str, str]:
        """Engines are for one GPU, CUDA level of its driver and version of everything."""
        if device.type != 'cuda':
            raise UserError(f'engine tensorrt needs a GPU, not {device}; use openvino or eager')
        _torch_tensorrt()
        library: Any = torch._C
        return {
            'device': gpu_units(device),
            'driver': str(library._cuda_getDriverVersion()),
            **_installed(),
        }

    def compile(self, program: ExportedProgram, request: Request, path: Path) -> None:
        """Build one engine of the whole network; a rest that is not converted is an error."""
        torch_tensorrt = _torch_tensorrt()
        shape = _input(torch_tensorrt, request)
        try:
            compiled = torch_tensorrt.dynamo.compile(
                program,
                arg_inputs=[shape],
                min_block_size=1,
                require_full_compilation=True,
                # Its own place is in /tmp, which others can write.
                timing_cache_path=str(path.parent / 'timing_cache.bin'),
            )
            torch_tensorrt.save(compiled, str(path), arg_inputs=[shape])
        except Exception as error:  # every converter has its own
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(
                f'TensorRT cannot build this engine ({reason[0]}); see its own log above, or use '
                '--engine inductor'
            ) from error

    def load(self, path: Path, request: Request, device: torch.device) -> Run:
        """Load the program; importing Torch-TensorRT registers what runs its engine."""
        del request
        _torch_tensorrt()
        run: Run = torch.export.load(path).module().to(device)
        return run


def dry_run(program: ExportedProgram, request: Request) -> Coverage:
    """Lower and partition as `compile` does, and build nothing; needs no GPU, but `prepare`."""
    torch_tensorrt = _torch_tensorrt()
    compiler: Any = importlib.import_module('torch_tensorrt.dynamo._compiler')
    found: list[Any] = []
    # Its figures are only printed; this is where it hands them to the printer.
    compiler.dryrun_stats_display = lambda tracker, enabled: found.append(tracker)
    torch_tensorrt.dynamo.compile(
        program, arg_inputs=[_input(torch_tensorrt, request)], min_block_size=1, dryrun=True
    )
    tracker = found[0]
    return Coverage(
        operators=tracker.total_ops_in_graph,
        converted=tracker.supported_ops_in_graph,
        engines=tracker.tensorrt_graph_count,
        left_out=dict(tracker.unsupported_ops),
    )


def _input(torch_tensorrt: Any, request: Request) -> Any:
    sides = (request.height, request.width, 3)
    if request.min_batch == request.max_batch:
        return torch_tensorrt.Input(shape=(request.max_batch, *sides), dtype=torch.uint8)
    return torch_tensorrt.Input(
        min_shape=(request.min_batch, *sides),
        opt_shape=(request.max_batch, *sides),
        max_shape=(request.max_batch, *sides),
        dtype=torch.uint8,
    )


def _torch_tensorrt() -> Any:
    try:
        return importlib.import_module('torch_tensorrt')
    except ImportError as error:
        raise UserError(
            'engine tensorrt needs Torch-TensorRT, which is not installed; pip install '
            f'torch-tensorrt=={torch.__version__.partition("+")[0]}'
        ) from error
    except Exception as error:  # a library or a driver that it needs is missing
        raise UserError(
            f'Torch-TensorRT is installed and does not load ({one_line(error)}); install the '
            f'version for PyTorch {torch.__version__}, and the driver'
        ) from error


def _installed() -> dict[str, str]:
    versions = {}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def prepare() -> None:
    """
    Import Torch-TensorRT for `dry_run`, which then asks no GPU.

    Without one, stand-ins answer what it asks of `torch.cuda` before it partitions a graph.
    """
    if not torch.cuda.is_available():
        _answer_for_a_gpu()
    _torch_tensorrt()


def _answer_for_a_gpu() -> None:
    cuda: Any = torch.cuda
    gibibyte = 1 << 30
    cuda.current_device = lambda: 0
    cuda.get_device_capability = lambda device=None: (9, 0)
    cuda.get_device_name = lambda device=None: 'none'
    cuda.mem_get_info = lambda device=None: (80 * gibibyte, 80 * gibibyte)
    cuda.set_device = lambda device: None
    cuda.synchronize = lambda device=None: None
