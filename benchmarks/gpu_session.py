# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Ten minutes of a GPU without a network: its engines timed, then depthforge_tiny trained.

Both run from the repository root. `pack` takes cached views of a training (`cache` of
trainer/configs/tiny.yaml) with their labels and a teacher's depth, and images to validate on:

    python benchmarks/gpu_session.py pack --cache out/cache --output out/gpu_pack
    python3 benchmarks/gpu_session.py run --pack out/gpu_pack --output out/gpu --seconds 560

`run` needs PyTorch and the trainer's libraries there; the pack has Lightning Fabric. It trains in
bfloat16 on a GPU, and goes on from --start-from. Without a GPU nothing is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
import csv
import importlib.util
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import time
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
import yaml

CONFIG = Path('trainer/configs/tiny.yaml')
FABRIC = 'lightning_fabric'
"""Pure Python, which a machine with PyTorch may lack."""
BENCHMARK_S = 240.0
"""Longest time for the engines; the training gets the rest."""
ENGINES = {'plain': ('eager', 'cuda_graph'), 'compiled': ('inductor', 'tensorrt')}
RESERVE_S = 30.0
"""For the start of the training, its validations and what it writes."""
TRIAL = 30
"""Iterations that tell how many fit."""
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 85)
LARGEST_DEPTH = 65535.0


class Packed(NamedTuple):
    """How a cache is packed: as which data set of the trainer, and how often of each round."""

    kind: str
    split: str = ''
    share: int = 1


CACHES: Mapping[str, Packed] = {
    'cityscapes512_train_0': Packed('folder', share=3),
    'camvid_0': Packed('camvid'),
    'camvid_1': Packed('camvid'),
    'idd_lite_train_0': Packed('idd_lite', 'train'),
    'road_pool_0': Packed('folder'),
    'bdd_pool_0': Packed('folder'),
}
"""Labels of views without any are 255 all over, which a folder of Cityscapes' ids may hold."""
VALIDATION = {'cityscapes512/val': ('folder', 10), 'camvid/val': ('camvid', 4)}
"""Folders of the shared data, as which data set, and each how many-th of their images."""


def main() -> int:
    """Pack or run."""
    args = _arguments()
    begun_s = time.monotonic()
    return pack(args) if args.action == 'pack' else run(args, begun_s)


def pack(args: argparse.Namespace) -> int:
    """Write views in turns of the caches until the pack has its size."""
    args.output.mkdir(parents=True)
    spec = importlib.util.find_spec(FABRIC)
    (fabric,) = spec.submodule_search_locations if spec else ()
    without = shutil.ignore_patterns('__pycache__')
    shutil.copytree(fabric, args.output / 'python' / FABRIC, ignore=without)
    for name, (_, every) in VALIDATION.items():
        for part in ('images', 'labels'):
            folder = args.output / 'validation' / name / part
            folder.mkdir(parents=True)
            for path in sorted((args.shared / 'data' / name / part).iterdir())[::every]:
                shutil.copy(path, folder)
    size = sum(path.stat().st_size for path in args.output.rglob('*') if path.is_file())
    views = 0
    for written in _views(args.cache, args.output / 'train'):
        size += written
        views += 1
        if size > args.mib * 2**20:
            break
    print(f'{args.output}: {views} views, {size / 2**20:.1f} MiB')
    return 0


def _views(cache: Path, output: Path) -> Iterator[int]:
    """Write one view after the other; yield the bytes that each takes."""
    waiting = {}
    for name, packed in CACHES.items():
        done = np.flatnonzero(np.load(cache / name / 'done.npy'))
        arrays = {
            part: np.load(cache / name / f'{part}.npy', mmap_mode='r')
            for part in ('rgb', 'labels', 'inverse_depth')
        }
        for part in ('images', 'labels', 'inverse_depth'):
            (output / name / packed.split / part).mkdir(parents=True)
        waiting[name] = arrays, list(np.random.default_rng(0).permutation(done))
    while any(indices for _, indices in waiting.values()):
        for name, (arrays, indices) in waiting.items():
            folder = output / name / CACHES[name].split
            for _ in range(min(CACHES[name].share, len(indices))):
                yield _write_view(folder, arrays, indices.pop())


def _write_view(folder: Path, arrays: Mapping[str, Any], index: int) -> int:
    depth = arrays['inverse_depth'][index].astype(np.float32)
    relative = LARGEST_DEPTH * depth / max(float(depth.max()), 1e-6)
    # Eight bits of depth are enough to learn from, and pack twice as well as sixteen.
    coarse = (relative / 257.0).astype(np.uint8).astype(np.uint16) * 257
    files = {
        f'images/{index:04d}.jpg': (arrays['rgb'][index][..., ::-1], JPEG),
        f'labels/{index:04d}.png': (arrays['labels'][index], ()),
        f'inverse_depth/{index:04d}.png': (coarse, ()),
    }
    size = 0
    for name, (pixels, options) in files.items():
        cv2.imwrite(str(folder / name), pixels, options)
        size += (folder / name).stat().st_size
    return size


def run(args: argparse.Namespace, begun_s: float) -> int:
    """Time the engines, train, and leave all that is worth to keep in the output."""
    args.output.mkdir(parents=True, exist_ok=True)
    deadline_s = begun_s + args.seconds
    if torch.cuda.is_available():
        time_engines(args, begun_s + min(BENCHMARK_S, 0.45 * args.seconds))
    else:
        print('no GPU here: engines are not timed', flush=True)
    figures = train(args, deadline_s)
    figures['wall_s'] = round(time.monotonic() - begun_s, 1)
    (args.output / 'session.json').write_text(json.dumps(figures, indent=1) + '\n')
    print(json.dumps(figures))
    return 0


def time_engines(args: argparse.Namespace, deadline_s: float) -> None:
    """Run benchmarks/gpu.py, first for what needs no compiling; each keeps what it has."""
    for name, engines in (
        ('plain', ('eager', 'cuda_graph')),
        ('compiled', ('inductor', 'tensorrt')),
    ):
        command = [sys.executable, 'benchmarks/gpu.py', '--sizes', '1024x512', '--frames', '50']
        command += ['--models', *args.models, '--batches', '1', '--engines', *engines]
        command += ['--json', str(args.output / f'gpu_{name}.json')]
        _command(command, args, deadline_s)


def train(args: argparse.Namespace, deadline_s: float) -> dict[str, Any]:
    """Train for as many iterations as there is time for; figures of the training."""
    trial = args.output / 'trial'
    tried = configuration(args, trial, args.iterations or TRIAL)
    # What is judged takes time that is not the iterations'.
    seconds = _fit(args, {**tried, 'validation': []}, deadline_s)
    if not seconds:
        raise SystemExit('error: the trial made no iteration; its log is above')
    skipped = max(1, len(seconds) // 3)
    rate = (len(seconds) - skipped) / max(seconds[-1] - seconds[skipped - 1], 1e-3)
    iterations = args.iterations or int(rate * (deadline_s - time.monotonic() - RESERVE_S))
    folder = args.output / 'tiny'
    seconds = _fit(args, configuration(args, folder, max(1, iterations)), deadline_s)
    for name in ('best.safetensors', 'last.safetensors', 'log.csv', 'validation.csv'):
        if (folder / name).is_file():
            shutil.move(folder / name, args.output / name)
    for used in (trial, folder):
        shutil.rmtree(used)
    views = args.batch * len(seconds)
    spent_s = seconds[-1] if seconds else 0.0
    return {
        'device': torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu',
        'views': views,
        'seconds': spent_s,
        'views_per_s': round(views / max(spent_s, 1e-3), 1),
    }


def _fit(args: argparse.Namespace, fields: Mapping[str, Any], deadline_s: float) -> list[float]:
    """Run a training, and give the seconds since its start after every iteration."""
    output = Path(fields['output'])
    output.mkdir()
    path = output / 'fit.yaml'
    path.write_text(yaml.safe_dump(dict(fields)))
    _command([sys.executable, '-m', 'depthforge_trainer.cli', 'fit', str(path)], args, deadline_s)
    log = output / 'log.csv'
    if not log.is_file():
        return []
    with log.open(newline='') as file:
        return [float(row['seconds']) for row in csv.DictReader(file)]


def configuration(args: argparse.Namespace, output: Path, iterations: int) -> dict[str, Any]:
    """Take trainer/configs/tiny.yaml with the pack's images, for a GPU or this CPU."""
    fields: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    for name in ('foundation', 'cached_augment', 'cache', 'teacher', 'targets'):
        fields.pop(name, None)
    train = args.pack / 'train'
    fields['sources'] = [
        {
            'kind': packed.kind,
            'root': str(train / name),
            'split': packed.split,
            'depth': str(train / name / packed.split / 'inverse_depth'),
        }
        for name, packed in CACHES.items()
        if any((train / name / packed.split / 'images').iterdir())
    ]
    fields['validation'] = [
        {'kind': kind, 'root': str(args.pack / 'validation' / name)}
        for name, (kind, _) in VALIDATION.items()
    ]
    phase = fields['phases'][0]
    fields['phases'] = [{**phase, 'iterations': iterations, 'batch': args.batch}]
    fields |= {
        'output': str(output),
        'precision': 'bf16-mixed' if torch.cuda.is_available() else '32-true',
        'threads': os.cpu_count() or 1,
        'save_every': max(TRIAL, iterations // 4),
    }
    if args.start_from:
        fields['start_from'] = str(args.start_from)
    return fields


def _command(command: Sequence[str], args: argparse.Namespace, deadline_s: float) -> None:
    """Run until the deadline at most; a failure is told and does not end the session."""
    paths = ['.', 'trainer']
    if importlib.util.find_spec(FABRIC) is None:
        paths.append(str(args.pack / 'python'))
    known = os.environ.get('PYTHONPATH')
    environment = {
        **os.environ,
        'PYTHONPATH': os.pathsep.join([*paths, *([known] if known else [])]),
    }
    left_s = max(1.0, deadline_s - time.monotonic())
    try:
        code = subprocess.run(command, env=environment, timeout=left_s).returncode
    except subprocess.TimeoutExpired:
        code = 124
    if code:
        print(f'exit code {code} of {" ".join(command)}', flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest='action', required=True)
    packing = actions.add_parser('pack', formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    packing.add_argument('--cache', type=Path, required=True, help='cached views of a training')
    packing.add_argument('--shared', type=Path, default=Path('../shared'), help='real data')
    packing.add_argument('--mib', type=float, default=32.0, help='size of the pack')
    packing.add_argument('--output', type=Path, required=True, help='a new folder')
    running = actions.add_parser('run', formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    running.add_argument('--pack', type=Path, required=True)
    running.add_argument('--output', type=Path, required=True)
    running.add_argument('--seconds', type=float, default=560.0, help='of everything')
    running.add_argument('--batch', type=int, default=64, help='views of an iteration')
    running.add_argument('--iterations', type=int, help='by default as many as there is time for')
    running.add_argument('--start-from', type=Path, help='checkpoint of tiny to go on from')
    models = ['depthforge_tiny', 'depthforge_small', 'depthforge_large']
    running.add_argument('--models', nargs='+', default=models, help='whose engines are timed')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
