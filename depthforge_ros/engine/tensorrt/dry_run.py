# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiling with TensorRT without a GPU: counted, built, compared with eager, not stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import importlib
from pathlib import Path
import tempfile
from typing import Any

from depthforge_ros.engine.agreement import Agreement, compare, LIMITS
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.base import joined, NetworkOutput
from depthforge_ros.engine.build import exported
from depthforge_ros.engine.precision import precision
from depthforge_ros.engine.proof import answered, answered_alone, in_slots, proving_frames
from depthforge_ros.engine.tensorrt.compiler import (
    INPUT,
    input_description,
    installed_versions,
    interpreter_module,
    load_torch_tensorrt,
    OUTPUTS,
    TensorRt,
)
from depthforge_ros.engine.tensorrt.interpreter import run_network
from depthforge_ros.engine.torch_engine import Loaded, Run, to_output
from depthforge_ros.errors import UserError
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.export import ExportedProgram


@dataclass(frozen=True)
class Coverage:
    """How much of a program TensorRT converts."""

    operators: int
    converted: int
    engines: int
    left_out: Mapping[str, int]
    """Operators that TensorRT has no converter for, and how often they occur."""


@dataclass(frozen=True)
class DryRun:
    """The outcome: all that can be known of an engine without a GPU."""

    coverage: Coverage
    built: Built | None
    """None where TensorRT builds nothing without a GPU."""


@dataclass(frozen=True)
class Built:
    """An engine that was built, and not kept."""

    engine_bytes: int
    agreement: Agreement
    """Of the network that it was built from, run by PyTorch, with eager."""
    feature_error: float
    """Norm of the difference of the features over their norm: also of use with random weights,
    whose masks are near ties."""


def dry_run(
    loaded: Loaded, request: Request, *, report: Callable[[str], None] = lambda line: None
) -> DryRun:
    """
    Do all of `build` that needs no GPU. Uses the weights of `loaded` up.

    TensorRT's full libraries build on GPUs only, and there only the operators are counted; its RTX
    flavour builds anywhere. UserError where it cannot build the network.
    """
    precision(request.precision)
    prepare()
    frames = proving_frames(loaded, request)[: request.min_batch + 1] if has_rtx() else None
    reference = None if frames is None else answered_alone(loaded.answering, frames, loaded)
    report('exporting')
    program = exported(loaded, request)
    coverage = count(program, request)
    if frames is None or reference is None:
        return DryRun(coverage, None)
    report('compiling with tensorrt')
    engine, run = build_unloaded(program, request)
    report('running its network on the CPU and comparing with eager')
    batches = _batches(request)
    answer = joined([_answer(run, frames[slots], loaded) for slots in batches])
    expected = joined([in_slots(reference, slots) for slots in batches])
    agreement = compare(answer, expected, LIMITS[request.precision])
    return DryRun(coverage, Built(len(engine), agreement, _feature_error(answer, expected)))


def _batches(request: Request) -> list[list[int]]:
    """List the frames of the least batch and, of a range, of one with another frame in front."""
    least = list(range(request.min_batch))
    if request.max_batch == request.min_batch:
        return [least]
    return [least, [request.min_batch, *least]]


def _answer(run: Run, frames: npt.NDArray[np.uint8], loaded: Loaded) -> NetworkOutput:
    return to_output(answered(run, frames, loaded), loaded.label_space)


def _feature_error(answer: NetworkOutput, reference: NetworkOutput) -> float:
    assert answer.features is not None
    assert reference.features is not None
    difference = answer.features - reference.features
    return float(np.linalg.norm(difference) / np.linalg.norm(reference.features))


def prepare() -> None:
    """
    Import Torch-TensorRT for `count` and `build_unloaded`, which then need no GPU.

    Without one, stand-ins replace the functions of `torch.cuda` that partitioning calls.
    """
    if not {'torch-tensorrt', 'torch-tensorrt-rtx'} & set(installed_versions()):
        raise UserError(
            'a dry run needs Torch-TensorRT, which is not installed; `make tensorrt-dry-run` '
            'installs what needs no GPU, for `.venv-tensorrt/bin/python -m '
            'depthforge_ros.cli.main compile`'
        )
    if not torch.cuda.is_available():
        _answer_for_a_gpu()
    load_torch_tensorrt()


def _answer_for_a_gpu() -> None:
    cuda: Any = torch.cuda
    gibibyte = 1 << 30
    cuda.current_device = lambda: 0
    cuda.get_device_capability = lambda device=None: (9, 0)
    cuda.get_device_name = lambda device=None: 'none'
    cuda.mem_get_info = lambda device=None: (80 * gibibyte, 80 * gibibyte)
    cuda.set_device = lambda device: None
    cuda.synchronize = lambda device=None: None


def build_unloaded(program: ExportedProgram, request: Request) -> tuple[bytes, Run]:
    """
    Build an engine by `compile`, and return its bytes and its network, run on the CPU.

    For TensorRT's RTX flavour, whose builder needs no GPU: only to load its engine would. How the
    network is run, see `interpreter`. UserError as `compile`.
    """
    module = interpreter_module()
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
    # It owns the network and its weights.
    owner = built[0]

    def run(images: Tensor) -> Sequence[Tensor]:
        return run_network(owner.ctx.net, module.trt, owner.ctx.weight_refit_map, images)

    return engine, run


@dataclass(frozen=True)
class _Unloaded:
    """Stands in for an engine of which only the bytes are needed."""

    engine: bytes

    def serialize(self) -> bytes:
        return self.engine


def has_rtx() -> bool:
    """Whether TensorRT's RTX flavour is what is installed."""
    return 'torch-tensorrt-rtx' in installed_versions()


def count(program: ExportedProgram, request: Request) -> Coverage:
    """Lower and partition as `compile` does, and build nothing; needs no GPU, but `prepare`."""
    torch_tensorrt = load_torch_tensorrt()
    compiler: Any = importlib.import_module('torch_tensorrt.dynamo._compiler')
    found: list[Any] = []
    # Its figures are only printed; this is where it hands them to the printer.
    printer = compiler.dryrun_stats_display
    compiler.dryrun_stats_display = lambda tracker, enabled: found.append(tracker)
    try:
        torch_tensorrt.dynamo.compile(
            program,
            arg_inputs=[input_description(torch_tensorrt, request)],
            min_block_size=1,
            dryrun=True,
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
