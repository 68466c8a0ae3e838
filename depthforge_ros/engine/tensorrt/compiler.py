# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Torch-TensorRT ahead of time: the whole network as one TensorRT engine, saved and reloaded."""

from __future__ import annotations

from collections.abc import Mapping
import importlib
from importlib import metadata
from pathlib import Path
from typing import Any

from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.precision import driver_level, gpu_units, PRECISIONS
from depthforge_ros.engine.tensorrt.watch import watched
from depthforge_ros.engine.torch_engine import Run
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.model.answer import Answer
import torch
from torch.export import ExportedProgram

DISTRIBUTIONS = (
    'torch-tensorrt',
    'torch-tensorrt-rtx',
    'tensorrt',
    'tensorrt-rtx-cu13',
    'nvidia-modelopt',
)
INPUT = 'image_bhw3'
OUTPUTS = [f'output{index}' for index in range(len(Answer._fields))]
"""What Torch-TensorRT calls them."""


class TensorRt:
    """The compiler."""

    name = 'tensorrt'
    precisions = tuple(PRECISIONS)
    lowers = False

    def versions(self, device: torch.device) -> Mapping[str, str]:
        """Engines are for one GPU, CUDA level of its driver and version of everything."""
        if device.type != 'cuda':
            raise UserError(f'engine tensorrt needs a GPU, not {device}; use openvino or eager')
        load_torch_tensorrt()
        return {'device': gpu_units(device), 'driver': driver_level(), **installed_versions()}

    def compile(self, program: ExportedProgram, request: Request, path: Path) -> None:
        """Build one engine of the whole network; an operator that it lacks is an error."""
        torch_tensorrt, module = load_torch_tensorrt(), interpreter_module()
        try:
            with watched(module.TRTInterpreter, module.trt):
                engine = torch_tensorrt.dynamo.convert_exported_program_to_serialized_trt_engine(
                    program,
                    arg_inputs=[input_description(torch_tensorrt, request)],
                    # Its own place is in /tmp, which others can write.
                    timing_cache_path=str(path.parent / 'timing_cache.bin'),
                    # By default it takes square masks of attention for causal ones.
                    attn_bias_is_causal=False,
                )
        except Exception as error:  # every converter has its own
            raise UserError(
                f'TensorRT cannot build this engine ({_cause(error)}); its log is above; use '
                '--engine inductor'
            ) from error
        path.write_bytes(engine)

    def load(self, path: Path, request: Request, device: torch.device) -> Run:
        """Load the engine onto the GPU that is current."""
        del request, device
        load_torch_tensorrt()
        runtime = importlib.import_module('torch_tensorrt.runtime')
        settings = importlib.import_module('torch_tensorrt.dynamo').CompilationSettings()
        run = runtime.TorchTensorRTModule(
            path.read_bytes(), [INPUT], OUTPUTS, name='depthforge', settings=settings
        )
        run.serialized_engine = None  # it is on the GPU now
        on_gpu: Run = run
        return on_gpu


def interpreter_module() -> Any:
    return importlib.import_module('torch_tensorrt.dynamo.conversion._TRTInterpreter')


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)


def input_description(torch_tensorrt: Any, request: Request) -> Any:
    sides = (request.height, request.width, 3)
    if request.min_batch == request.max_batch:
        return torch_tensorrt.Input(shape=(request.max_batch, *sides), dtype=torch.uint8)
    return torch_tensorrt.Input(
        min_shape=(request.min_batch, *sides),
        opt_shape=(request.max_batch, *sides),
        max_shape=(request.max_batch, *sides),
        dtype=torch.uint8,
    )


def load_torch_tensorrt() -> Any:
    try:
        return importlib.import_module('torch_tensorrt')
    except ImportError as error:
        raise UserError(
            'engine tensorrt needs Torch-TensorRT, which is not installed; pip install '
            "'depthforge_ros[tensorrt]'"
        ) from error
    except Exception as error:  # a library or a driver that it needs is missing
        raise UserError(
            f'Torch-TensorRT is installed and does not load ({one_line(error)}); install the '
            f'version for PyTorch {torch.__version__}, and the driver'
        ) from error


def installed_versions() -> dict[str, str]:
    versions = {}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
