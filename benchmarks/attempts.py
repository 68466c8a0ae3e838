# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What each rearrangement for speed gains on this CPU: before and after, alternating in one run.

Run from the repository root: python benchmarks/attempts.py

Whole networks see a frame of the bundled drive; parts get random numbers of the sizes that they
have in depthforge_small at 1008 x 504. Ratios are medians of pairs, with the least and the most.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
import copy
from functools import partial
from pathlib import Path
import statistics
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any, NamedTuple

import cv2
from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.build import exported
from depthforge_ros.engine.precision import has_bf16_units
from depthforge_ros.engine.torch_engine import load
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.model.answer import winner
from depthforge_ros.model.attention import attend
from depthforge_ros.model.config import HeadConfig
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.quantize import quantize
from depthforge_ros.model.refinement import RefinementDecoder, resize
from depthforge_ros.model.registry import load_model
from depthforge_ros.model.sampling import sample_maps, sample_rows
from depthforge_ros.model.streams import KnownDepth
from depthforge_ros.resources import share_directory
from report import exit_code, machine, write_report
import torch
from torch import Tensor
from torch.nn import functional

RESULTS = Path('benchmarks/results/attempts.json')
GRID = 36, 72
"""Patches of depthforge_small at 1008 x 504."""
WIDTH = 384
GATES = 'grid', 'pyramid'
CLASSES = 11


class Attempt(NamedTuple):
    """The same by two ways."""

    name: str
    before: Callable[[], Any]
    after: Callable[[], Any]


def main() -> int:
    """Time all attempts, print and write."""
    args = _arguments()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    rows = []
    with torch.inference_mode():
        for attempt in attempts():
            rows.append(timed(attempt, args.turns))
            print(rows[-1], flush=True)
    write_report(args.json, {'machine': machine(args.threads), 'rows': rows})
    return 0


def timed(attempt: Attempt, turns: int) -> dict[str, Any]:
    """Run both ways in turns, after one that is not counted."""
    spent_ms: dict[str, list[float]] = {'before': [], 'after': []}
    for turn in range(turns + 1):
        for name, times_ms in spent_ms.items():
            begun_s = time.perf_counter()
            getattr(attempt, name)()
            if turn:
                times_ms.append(1e3 * (time.perf_counter() - begun_s))
    pairs = zip(spent_ms['before'], spent_ms['after'], strict=True)
    ratios = [before / after for before, after in pairs]
    return {
        'attempt': attempt.name,
        'before_ms': round(statistics.median(spent_ms['before']), 2),
        'after_ms': round(statistics.median(spent_ms['after']), 2),
        'times_as_fast': round(statistics.median(ratios), 2),
        'least': round(min(ratios), 2),
        'most': round(max(ratios), 2),
    }


def attempts() -> Iterator[Attempt]:
    """Make the attempts one by one: networks of one are freed before the next."""
    yield from _of_parts()
    yield from _of_tiny()
    yield _frozen()


def _of_parts() -> Iterator[Attempt]:
    heads, width, points = 8, 16, 4
    sizes = [(18, 36), GRID, (72, 144)]
    count = sum(height * width for height, width in sizes)
    samples = (1, count, heads, len(sizes), points)
    given = (
        torch.randn(1, count, heads, width),
        torch.randn(*samples, 2),
        torch.rand(*samples),
        torch.rand(count, 2),
        sizes,
    )
    yield Attempt(
        'deformable attention as one weighted sum of table rows, not grid_sample per level',
        lambda: sample_maps(*given),
        lambda: sample_rows(*given),
    )
    finest = 4 * GRID[0], 4 * GRID[1]
    scores, full = torch.rand(1, CLASSES, *finest), (14 * GRID[0], 14 * GRID[1])
    yield Attempt(
        'winning class found class by class, without all classes at full resolution',
        lambda: functional.interpolate(scores, size=full, mode='bilinear').max(1),
        lambda: winner(scores, full),
    )
    features = torch.randn(1, 128, *finest)
    yield Attempt(
        'mask features shrunk by the middles of their cells, not by interpolate',
        lambda: functional.interpolate(features, size=GRID, mode='bilinear'),
        lambda: resize(features, GRID),
    )
    maps = [torch.randn(1, WIDTH, *GRID) for _ in range(4)]
    after, before = (RefinementDecoder(HeadConfig(gate_on=one), WIDTH) for one in GATES)
    yield Attempt(
        'refinement gates before upsampling, not after (another training)',
        lambda: before(maps),
        lambda: after(maps),
    )
    if has_bf16_units(torch.device('cpu')):
        parts = torch.randn(3, 1, 6, 1 + GRID[0] * GRID[1], 64, dtype=torch.bfloat16)
        yield Attempt(
            'attention in bf16 as two products, not fused',
            lambda: functional.scaled_dot_product_attention(*parts),
            lambda: attend(*parts),
        )


def _of_tiny() -> Iterator[Attempt]:
    unfolded = load_model('depthforge_tiny')[0].eval()
    folded = copy.deepcopy(unfolded).fold()
    frame = _frame((256, 512))
    yield Attempt(
        'what training leaves constant folded at load',
        lambda: unfolded.decode(frame),
        lambda: folded.decode(frame),
    )
    yield Attempt(
        'streams of their own encoders in two threads, not in one',
        lambda: _in_one_thread(folded, frame),
        lambda: folded.decode(frame),
    )
    int8 = quantize(copy.deepcopy(folded))
    yield Attempt(
        'linear layers in int8', lambda: folded.decode(frame), lambda: int8.decode(frame)
    )
    if has_bf16_units(torch.device('cpu')):
        bf16 = copy.deepcopy(folded).lower(torch.bfloat16)
        yield Attempt(
            'weights and activations in bf16',
            lambda: folded.decode(frame),
            lambda: bf16.decode(frame),
        )


def _frozen() -> Attempt:
    """Of Inductor's programs: weights as inputs, or as constants that it lays out anew."""
    request = Request(256, 512, 1, 1, 'fp32')
    with TemporaryDirectory() as folder, torch.inference_mode(mode=False), torch.no_grad():
        program = exported(load('depthforge_tiny', device='cpu'), request)
        runs = []
        for freezing in (False, True):
            path = f'{folder}/{freezing}.pt2'
            torch._inductor.aoti_compile_and_package(
                program, package_path=path, inductor_configs={'freezing': freezing}
            )
            runs.append(torch._inductor.aoti_load_package(path))
    frame = _frame((256, 512))
    return Attempt(
        'inductor with the weights frozen into its program', *(partial(run, frame) for run in runs)
    )


def _in_one_thread(network: DepthForge, frame: Tensor) -> None:
    network.decode(frame, KnownDepth.of(network.depth_steps(network.normalize(frame))))


def _frame(size: tuple[int, int]) -> Tensor:
    rgb = rgb_from_file(share_directory() / 'drive/images/000000.jpg')
    resized = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(resized)[None]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--turns', type=int, default=9, help='pairs that count')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
