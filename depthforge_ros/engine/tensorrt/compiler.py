# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Torch-TensorRT ahead of time: the whole network as one TensorRT engine, saved and reloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import importlib
from importlib import metadata
from pathlib import Path
import tempfile
from typing import Any

from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.precision import driver_level, gpu_units, PRECISIONS
from depthforge_ros.engine.tensorrt.interpreter import run_network
from depthforge_ros.engine.tensorrt.watch import watched
from depthforge_ros.engine.torch_engine import Run
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.model.answer import Answer
import torch
from torch import Tensor
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
        return {'device': gpu_units(device), 'driver': driver_level(), **_installed()}

    def compile(self, program: ExportedProgram, request: Request, path: Path) -> None:
        """Build one engine of the whole network; an operator that it lacks is an error."""
        torch_tensorrt, module = _torch_tensorrt(), _interpreter_module()
        try:
            with watched(module.TRTInterpreter, module.trt):
                engine = torch_tensorrt.dynamo.convert_exported_program_to_serialized_trt_engine(
                    program,
                    arg_inputs=[_input(torch_tensorrt, request)],
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
        _torch_tensorrt()
        runtime = importlib.import_module('torch_tensorrt.runtime')
        settings = importlib.import_module('torch_tensorrt.dynamo').CompilationSettings()
        run = runtime.TorchTensorRTModule(
            path.read_bytes(), [INPUT], OUTPUTS, name='depthforge', settings=settings
        )
        run.serialized_engine = None  # it is on the GPU now
        on_gpu: Run = run
        return on_gpu


def build_unloaded(program: ExportedProgram, request: Request) -> tuple[bytes, Run]:
    """
    Build an engine by `compile`, and give what answers by its network on the CPU.

    For TensorRT's RTX flavour, whose builder needs no GPU: only to load its engine would. How the
    network is run, see `tensorrt_network`. UserError as `compile`.
    """
    module = _interpreter_module()
    built: list[Any] = []

    def build(interpreter: Any) -> Any:
        interpreter._construct_trt_network_def()
        names = interpreter._input_names, interpreter._output_names
        if names != ([INPUT], OUTPUTS):
            raise RuntimeError(f'inputs and outputs are {names}, not {INPUT} and {OUTPUTS}')
        options = interpreter._populate_trt_builder_config()
        plan = interpreter.builder.build_serialized_network(interpreter.ctx.net, options)
        if plan is None:
            raise RuntimeError('the builder refuses the network')
        built.append(interpreter)
        return module.TRTInterpreterResult(_Unloaded(bytes(plan)), *names, False, False)

    original, module.TRTInterpreter.run = module.TRTInterpreter.run, build
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'engine'
            TensorRt().compile(program, request, path)
            engine = path.read_bytes()
    finally:
        module.TRTInterpreter.run = original
    # It owns the network, and the weights to which that only points.
    owner = built[0]

    def run(images: Tensor) -> Sequence[Tensor]:
        return run_network(owner.ctx.net, module.trt, owner.ctx.weight_refit_map, images)

    return engine, run


@dataclass(frozen=True)
class _Unloaded:
    """Stands for an engine of which only the bytes are asked for."""

    engine: bytes

    def serialize(self) -> bytes:
        return self.engine


def has_rtx() -> bool:
    """Whether TensorRT's RTX flavour is what is installed."""
    return 'torch-tensorrt-rtx' in _installed()


def count(program: ExportedProgram, request: Request) -> Coverage:
    """Lower and partition as `compile` does, and build nothing; needs no GPU, but `prepare`."""
    torch_tensorrt = _torch_tensorrt()
    compiler: Any = importlib.import_module('torch_tensorrt.dynamo._compiler')
    found: list[Any] = []
    # Its figures are only printed; this is where it hands them to the printer.
    printer = compiler.dryrun_stats_display
    compiler.dryrun_stats_display = lambda tracker, enabled: found.append(tracker)
    try:
        torch_tensorrt.dynamo.compile(
            program, arg_inputs=[_input(torch_tensorrt, request)], min_block_size=1, dryrun=True
        )
    finally:
        compiler.dryrun_stats_display = printer
    tracker = found[0]
    return Coverage(
        operators=tracker.total_ops_in_graph,
        converted=tracker.supported_ops_in_graph,
        engines=tracker.tensorrt_graph_count,
        left_out=dict(tracker.unsupported_ops),
    )


def _interpreter_module() -> Any:
    return importlib.import_module('torch_tensorrt.dynamo.conversion._TRTInterpreter')


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)


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
    Import Torch-TensorRT for `count` and `build_unloaded`, which then ask no GPU.

    Without one, stand-ins answer what it asks of `torch.cuda` before it partitions a graph.
    """
    if not {'torch-tensorrt', 'torch-tensorrt-rtx'} & set(_installed()):
        raise UserError(
            'a dry run needs Torch-TensorRT, which is not installed; `make tensorrt-dry-run` '
            'installs what needs no GPU, for `.venv-tensorrt/bin/python -m '
            'depthforge_ros.cli.main compile`'
        )
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
