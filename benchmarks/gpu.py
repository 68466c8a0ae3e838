# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Every GPU engine in one run, whole frame from bytes to answers, beside the bf16 matrix rate.

Run from the repository root on a machine with a GPU: python benchmarks/gpu.py

Models without a checkpoint get random weights: the time is the same, their mask agreement is not
that of a trained model, whose answers are further from ties.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
import copy
import dataclasses
import gc
import json
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

from depthforge_ros.engine import COMPILERS, unload
from depthforge_ros.engine.agreement import compare
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.build import exported
from depthforge_ros.engine.compiled import CompiledEngine
from depthforge_ros.engine.cuda_graph import CudaGraphEngine
from depthforge_ros.engine.proof import proving_frames
from depthforge_ros.engine.torch_engine import load_or_outline, Loaded, TorchEngine
from depthforge_ros.engine.uncompiled import EagerEngine
from depthforge_ros.errors import one_line
from depthforge_ros.model.dpt import DepthMaps
from depthforge_ros.model.registry import MODELS, outline
from depthforge_ros.model.streams import KnownDepth
import numpy as np
from report import write_report
import torch
from torch.utils.flop_counter import FlopCounterMode

RESULTS = Path('benchmarks/results/gpu.json')
SIZES = {'1024x512': (512, 1024), '2048x1024': (1024, 2048)}
"""Pixels; rounded down to whole patches."""
ENGINES = ('eager', 'cuda_graph', 'inductor', 'tensorrt')
WARM_UPS = 10


def main() -> int:
    """Write a row per model, size, batch and engine; 2 without a GPU."""
    args = _arguments()
    if not torch.cuda.is_available():
        print('error: no GPU here; the CPU has benchmarks/cpu.py', file=sys.stderr)
        return 2
    figures: dict[str, Any] = {
        'device': torch.cuda.get_device_name(),
        'torch': torch.__version__,
        'bf16_tflops': matrix_rate() / 1e12,
        'rows': [],
    }
    for model in args.models:
        for size in args.sizes:
            for batch in args.batches:
                for row in measure(model, size, batch, args, 1e12 * figures['bf16_tflops']):
                    figures['rows'].append(row)
                    write_report(args.json, figures)
    print(json.dumps(figures, indent=1))
    return 0


def matrix_rate() -> float:
    """Floating-point operations per second of a large bf16 matrix product."""
    side, repeats = 8192, 20
    a, b = (torch.randn(side, side, device='cuda', dtype=torch.bfloat16) for _ in range(2))
    times_ms = sorted(_device_ms(torch.matmul, a, b) for _ in range(repeats))
    return 2.0 * side**3 / (1e-3 * times_ms[repeats // 2])


def measure(
    model: str, size: str, batch: int, args: argparse.Namespace, rate: float
) -> Iterator[dict[str, Any]]:
    """Time every engine on the same frames; an engine that cannot be had says why."""
    original = load_or_outline(model)
    patch = original.preprocess.patch
    height, width = (side // patch * patch for side in SIZES[size])
    request = Request(height, width, batch, batch, 'bf16')
    frames = proving_frames(original, request)
    reference, loaded = None, None
    flops = encoder_flops(outline(model).eval().fold().to('meta'), height, width, batch)
    try:
        loaded = on_gpu(original)
        reference = EagerEngine(loaded)(frames)
    except RuntimeError as error:
        print(f'no reference: {one_line(error)}', file=sys.stderr)
    finally:
        loaded = None
    for name in args.engines:
        row: dict[str, Any] = {'model': model, 'size': size, 'batch': batch, 'engine': name}
        engine = images = None
        unload()
        gc.collect()
        torch.cuda.empty_cache()
        free_before = torch.cuda.mem_get_info()[0]
        try:
            engine = opened(name, original, request)
            # Export leaves cycles, which hold the network that was compiled.
            gc.collect()
            torch.cuda.empty_cache()
            wall_ms = [_wall_ms(engine, frames) for _ in range(WARM_UPS + args.frames)]
            images = torch.from_numpy(frames).to('cuda')
            with torch.inference_mode():
                device_ms = [_device_ms(engine.run, images) for _ in range(args.frames)]
        except Exception as error:  # Every compiler has its own.
            row['refused'] = one_line(error)
            yield row
            continue
        memory_mib = (free_before - torch.cuda.mem_get_info()[0]) / 2**20
        wall_ms = wall_ms[WARM_UPS:]
        median_ms, device_median_ms = float(np.median(wall_ms)), float(np.median(device_ms))
        row.update(
            fps=1e3 * batch / median_ms,
            ms_p50=median_ms,
            ms_p99=float(np.percentile(wall_ms, 99)),
            device_ms=device_median_ms,
            # Of the encoders' operations alone, over the time of everything: a lower bound.
            matrix_share=flops / (1e-3 * device_median_ms) / rate,
            # All that the device holds for it: what libraries reserve, too.
            memory_mib=memory_mib,
        )
        if reference is not None:
            agreement = compare(engine(frames), reference)
            row.update(mask_agreement=agreement.mask, depth_error=agreement.depth)
        if name == 'eager':
            row['stages_ms'] = stages_ms(engine, images)
        if name == 'cuda_graph':
            alone_ms = encoders_ms(lowered(original), images, args.frames)
            row.update(encoders_ms=alone_ms, encoders_share=flops / (1e-3 * alone_ms) / rate)
        yield row


def on_gpu(original: Loaded) -> Loaded:
    """Copy a network from the CPU, where it stays as it was."""
    device = torch.device('cuda', 0)
    answering = copy.deepcopy(original.answering).to(device)
    return dataclasses.replace(original, answering=answering, device=device)


def opened(name: str, original: Loaded, request: Request) -> TorchEngine:
    """Make an engine for this run alone, past the cache and its self-check."""
    loaded = on_gpu(original)
    if name == 'eager':
        return EagerEngine(loaded)
    if name == 'cuda_graph':
        return CudaGraphEngine(loaded)
    compiler = COMPILERS[name]
    compiler.versions(loaded.device)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'program.pt2'
        compiler.compile(exported(loaded, request), request, path)
        run = compiler.load(path, request, loaded.device)
    return CompiledEngine(name, loaded, run, request)


def encoder_flops(network: Any, height: int, width: int, batch: int) -> float:
    """Count the operations of both encoders and the tokens, of a network on `meta`."""
    image = torch.zeros(batch, 3, height, width, device='meta')
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        _run_encoders(network, image)
    return float(counter.get_total_flops())


def _run_encoders(network: Any, image: torch.Tensor) -> None:
    """Run both encoders and the tokens; no head looks at the maps that are given."""
    x_BNC = network.depth_encoder.embed(image)
    blocks = {}
    for index, block in enumerate(network.depth_encoder.blocks):
        x_BNC = blocks[index] = block(x_BNC)
    network.visual_taps(image, KnownDepth(blocks, DepthMaps(image[:, 0], image)))


def lowered(original: Loaded) -> Any:
    """Copy a network to the GPU, in bf16."""
    return on_gpu(original).answering.network.lower(torch.bfloat16)


@torch.inference_mode()
def encoders_ms(network: Any, images: torch.Tensor, repeats: int) -> float:
    """Time both encoders and the tokens alone, in bf16, as a graph of their own."""
    image = network.normalize(images)
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            _run_encoders(network, image)
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(graph, stream=stream):
        _run_encoders(network, image)
    return float(np.median([_device_ms(graph.replay) for _ in range(repeats)]))


def stages_ms(engine: TorchEngine, images: torch.Tensor) -> dict[str, float]:
    """Time the parts of the network by CUDA events, median of a few runs."""
    assert isinstance(engine, EagerEngine)
    answering: Any = engine.run
    network = answering.network
    marks: dict[str, tuple[torch.cuda.Event, torch.cuda.Event]] = {}

    def watch(owner: Any, attribute: str, name: str) -> None:
        call = getattr(owner, attribute)

        def watched(*arguments: Any, **options: Any) -> Any:
            marks[name] = _event(), _event()
            marks[name][0].record()
            answer = call(*arguments, **options)
            marks[name][1].record()
            return answer

        setattr(owner, attribute, watched)

    watch(network, 'depth_stream', 'depth stream and head')
    watch(network, 'visual_taps', 'visual encoder and tokens')
    watch(network.refinement, 'forward', 'refinement decoder')
    watch(network.head, 'forward', 'head')
    watch(network.depth_head, 'forward', 'depth head')
    spent: dict[str, list[float]] = {}
    for _ in range(WARM_UPS):
        with torch.inference_mode():
            answering(images)
        torch.cuda.synchronize()
        for name, (begun, ended) in marks.items():
            spent.setdefault(name, []).append(begun.elapsed_time(ended))
    return {name: float(np.median(times)) for name, times in spent.items()}


def _device_ms(action: Callable[..., Any], *arguments: Any) -> float:
    begun, ended = _event(), _event()
    begun.record()
    action(*arguments)
    ended.record()
    torch.cuda.synchronize()
    return float(begun.elapsed_time(ended))


def _wall_ms(action: Callable[..., Any], *arguments: Any) -> float:
    begun_s = time.perf_counter()
    action(*arguments)
    return 1e3 * (time.perf_counter() - begun_s)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    models = ['depthforge_small', 'depthforge_base', 'depthforge_large']
    parser.add_argument('--models', nargs='+', choices=MODELS, default=models)
    parser.add_argument('--sizes', nargs='+', choices=SIZES, default=list(SIZES))
    parser.add_argument('--batches', nargs='+', type=int, default=[1, 6])
    parser.add_argument('--engines', nargs='+', choices=ENGINES, default=list(ENGINES))
    parser.add_argument('--frames', type=int, default=100, help='measured, of each engine')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
