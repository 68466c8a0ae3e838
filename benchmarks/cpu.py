# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Every CPU engine against PyTorch eager in fp32, alternating in one run, on a real frame.

Run from the repository root: python benchmarks/cpu.py --json benchmarks/results/cpu.json

Engines are compiled into a cache of this run's own; one that this machine cannot have says why.
The shares are of eager's single-threaded time; the peak is of a process that does nothing but load
and run one engine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import contextmanager
import json
import os
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.engine import COMPILERS, Engine, load_engine
from depthforge_ros.engine.agreement import compare
from depthforge_ros.engine.artefact import ENGINES_VARIABLE, Request
from depthforge_ros.engine.build import build
from depthforge_ros.engine.torch_engine import load
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.resources import share_directory
import numpy as np
import numpy.typing as npt
from report import exit_code, machine, write_report
import torch

FRAME = Path('drive/images/000000.jpg')


class Case(NamedTuple):
    """A model at a network input size in pixels, (height, width)."""

    model: str
    size: tuple[int, int]


TINY = Case('depthforge_tiny', (256, 512))
SMALL = Case('depthforge_small', (504, 1008))
"""1024x512 in whole patches of 14."""


def main() -> int:
    """Measure, print and write the figures."""
    args = _arguments()
    # As the node and every command do.
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    if args.peak_of:
        return _print_peak(args)
    with tempfile.TemporaryDirectory() as cache:
        if not args.cache:
            os.environ[ENGINES_VARIABLE] = cache
        cases = [TINY] if args.quick else [TINY, SMALL]
        rows = [row for case in cases for row in measure(case, args)]
    figures = {
        'machine': machine(args.threads),
        'tiny_512x256_fps': max(
            row['fps'] for row in rows if row['model'] == TINY.model and 'fps' in row
        ),
        'rows': rows,
        'tiny_stage_shares': stage_shares(TINY),
    }
    print(json.dumps(figures, indent=1))
    if args.json:
        write_report(args.json, figures)
    return 0


def measure(case: Case, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Time all engines in turns, so that a busy machine slows them alike."""
    engines: dict[str, Engine] = {}
    build_s: dict[str, float] = {}
    refused: list[dict[str, Any]] = []
    for name in args.engines:
        begun_s = time.perf_counter()
        try:
            engines[name] = _open(case, name, args)
        except UserError as error:
            refused.append({'model': case.model, 'engine': name, 'refused': str(error)})
        build_s[name] = time.perf_counter() - begun_s
    frame = _frame(case)
    wall_ms: dict[str, list[float]] = {name: [] for name in engines}
    cpu_ms: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(args.turns + 1):
        for name, engine in engines.items():
            cpu_s, begun_s = time.process_time(), time.perf_counter()
            engine(frame)
            if turn:
                wall_ms[name].append(1e3 * (time.perf_counter() - begun_s))
                cpu_ms[name].append(1e3 * (time.process_time() - cpu_s))
    reference = engines['eager'](frame)
    rows = []
    for name, engine in engines.items():
        agreement = compare(engine(frame), reference)
        ratios = [own / this for own, this in zip(wall_ms['eager'], wall_ms[name], strict=True)]
        median_ms = statistics.median(wall_ms[name])
        rows.append(
            {
                'model': case.model,
                'size': f'{case.size[1]}x{case.size[0]}',
                'engine': name,
                'fps': 1e3 / median_ms,
                'ms_median': median_ms,
                'ms_least': min(wall_ms[name]),
                'ms_p99': float(np.percentile(wall_ms[name], 99)),
                'cpu_ms_median': statistics.median(cpu_ms[name]),
                'cpu_ms_least': min(cpu_ms[name]),
                'times_eager': statistics.median(ratios),
                'mask_agreement': agreement.mask,
                'max_abs_error': agreement.max_abs_error,
                'ready_s': build_s[name],
                'peak_mib': None if args.quick else _peak(case, name, args),
            }
        )
    return rows + refused


def _open(case: Case, name: str, args: argparse.Namespace) -> Engine:
    engine, _, precision = name.partition(':')
    if engine in COMPILERS and not args.cache:
        loaded = load(case.model, device='cpu', threads=args.threads)
        build(COMPILERS[engine], loaded, Request(*case.size, precision=precision or 'fp32'))
    return load_engine(case.model, engine=engine, device='cpu', threads=args.threads)


def _frame(case: Case) -> npt.NDArray[np.uint8]:
    import cv2

    rgb = rgb_from_file(share_directory() / FRAME)
    resized = cv2.resize(rgb, case.size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(resized[None], np.uint8)


def stage_shares(case: Case) -> dict[str, float]:
    """Share of eager's time on one thread per part of the network, percent, median of a few."""
    torch.set_num_threads(1)
    answering = load(case.model, device='cpu').answering
    network = answering.network
    spent: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Any:
        begun_s = time.process_time()
        yield
        spent[name] = spent.get(name, 0.0) + time.process_time() - begun_s

    def watch(owner: Any, attribute: str, name: str) -> None:
        call: Callable[..., Any] = getattr(owner, attribute)

        def watched(*arguments: Any, **options: Any) -> Any:
            with timed(name):
                return call(*arguments, **options)

        setattr(owner, attribute, watched)

    watch(network, 'depth_stream', 'encoders and tokens')
    watch(network, 'visual_taps', 'encoders and tokens')
    watch(network.refinement, 'forward', 'refinement decoder')
    has_queries = network.config.head.kind == 'mask2former'
    if has_queries:
        watch(network.head.pixel_decoder, 'forward', 'pixel decoder')
    watch(network.head, 'forward', 'head')
    watch(network.depth_head, 'forward', 'depth head')
    frame = torch.from_numpy(_frame(case))
    shares: dict[str, list[float]] = {}
    for _ in range(5):
        spent.clear()
        with torch.inference_mode(), timed('all'):
            answering(frame)
        # The depth stream runs its head.
        spent['encoders and tokens'] -= spent['depth head']
        if has_queries:
            spent['query decoder'] = spent.pop('head') - spent['pixel decoder']
        total = spent.pop('all')
        spent['answer'] = total - sum(spent.values())
        for name, seconds in spent.items():
            shares.setdefault(name, []).append(100.0 * seconds / total)
    return {name: statistics.median(values) for name, values in shares.items()}


def _peak(case: Case, name: str, args: argparse.Namespace) -> float:
    # It opens the newest of its kind, so a kind is compiled anew before each.
    _open(case, name, args)
    command = [sys.executable, __file__, '--peak-of', case.model, '--engines', name, '--cache']
    command += ['--threads', str(args.threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _print_peak(args: argparse.Namespace) -> int:
    case = next(case for case in (TINY, SMALL) if case.model == args.peak_of)
    _open(case, args.engines[0], args)(_frame(case))
    # Not getrusage: that figure begins with the peak of the process that started this one.
    status = Path('/proc/self/status').read_text()
    peak = next(line for line in status.splitlines() if line.startswith('VmHWM:'))
    print(float(peak.split()[1]) / 1024.0)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    choices = ['eager', 'bf16', 'int8', 'openvino', 'openvino:bf16', 'inductor', 'inductor:bf16']
    parser.add_argument(
        '--engines',
        nargs='+',
        choices=choices,
        help='eager is always run; by default with bf16, int8, openvino (not with --quick) and '
        'openvino:bf16',
    )
    parser.add_argument('--turns', type=int, default=15, help='measured turns after a warm-up')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='the bundled model, no peak memory',
    )
    parser.add_argument(
        '--cache', action='store_true', help='use the engines that are compiled already'
    )
    parser.add_argument('--json', type=Path, help='where the figures go')
    parser.add_argument('--peak-of', choices=(TINY.model, SMALL.model), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.engines is None:
        # To build OpenVINO's two engines takes half of a quick run.
        args.engines = [one for one in choices[:5] if one != 'openvino' or not args.quick]
    if 'eager' not in args.engines and not args.peak_of:
        args.engines.insert(0, 'eager')
    return args


if __name__ == '__main__':
    sys.exit(exit_code(main))
