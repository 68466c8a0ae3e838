# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What an engine, or windows instead of the whole image, costs or gains in mIoU on CamVid's test.

Run from the repository root: python benchmarks/engine_accuracy.py

Engines that are compiled are compiled for CamVid's images into a cache of this run's own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path
import sys
import tempfile
from typing import Any

from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.engine import COMPILERS, Engine, load_engine
from depthforge_ros.engine.artefact import ENGINES_VARIABLE, Request
from depthforge_ros.engine.build import build, exported
from depthforge_ros.engine.compiled import CompiledEngine
from depthforge_ros.engine.tensorrt.dry_run import build_unloaded, prepare
from depthforge_ros.engine.torch_engine import load
from depthforge_ros.evaluation.datasets import Dataset, DatasetChoice, open_dataset
from depthforge_ros.evaluation.images import evaluate_images
from depthforge_ros.evaluation.sliding import sliding_engine
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.pipeline import Pipeline
from report import exit_code, machine, write_report
import torch

RESULTS = Path('benchmarks/results/engine_accuracy.json')
WINDOWS = 'windows'
"""Of the height of the network input, overlapping by a third; eager."""
TENSORRT = ('tensorrt:fp16', 'tensorrt:bf16', 'tensorrt:fp8')
"""Its network, run by PyTorch, see `tensorrt_network`: where `make tensorrt-dry-run` installs."""


def main() -> int:
    """Judge every engine on the same images."""
    args = _arguments()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    rows: list[dict[str, Any]] = []
    choice = DatasetChoice(root=args.shared / 'data' / 'camvid', split='test')
    dataset = open_dataset('camvid', choice)
    dataset = dataclasses.replace(dataset, pairs=dataset.pairs[:: args.every])
    with tempfile.TemporaryDirectory() as cache:
        os.environ[ENGINES_VARIABLE] = cache
        for name in args.engines:
            figures = evaluate_images(Pipeline(_open(args.model, name, dataset)), dataset)
            row = {key: figures[key] for key in ('miou', 'pixel_accuracy', 'ece', 'images')}
            price = (rows[0]['miou'] if rows else row['miou']) - row['miou']
            row |= {'price': round(price, 2), 'command': ' '.join(sys.argv)}
            rows.append({'model': args.model, 'engine': name, **row})
            print(rows[-1], flush=True)
            _write(args, rows)
    return 0


def _open(model: str, name: str, dataset: Dataset) -> Engine:
    loaded = load(model, device='cpu')
    height, width = rgb_from_file(dataset.pairs[0][0]).shape[:2]
    geometry = loaded.preprocess.geometry(height, width)
    if name == WINDOWS:
        return sliding_engine(loaded, window=geometry.height, batch=2)
    engine, _, precision = name.partition(':')
    request = Request(geometry.height, geometry.width, precision=precision or 'fp32')
    if name in TENSORRT:
        prepare()
        _, run = build_unloaded(exported(loaded, request), request)
        return CompiledEngine(engine, loaded, run, request)
    if engine in COMPILERS:
        build(COMPILERS[engine], loaded, request)
    return load_engine(model, engine=engine, device='cpu')


def _write(args: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """Replace the rows of these engines in the file, and keep the others."""
    before = json.loads(args.json.read_text())['rows'] if args.json.is_file() else []
    present = {(row['model'], row['engine']) for row in rows}
    kept = [one for one in before if (one['model'], one['engine']) not in present]
    write_report(args.json, {'machine': machine(args.threads), 'rows': [*kept, *rows]})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    usual = ['eager', 'bf16', 'int8', 'openvino', 'openvino:bf16', 'inductor', WINDOWS]
    parser.add_argument('--engines', nargs='+', choices=[*usual, *TENSORRT], default=usual,
                        help='the first is what prices are measured from')  # fmt: skip
    parser.add_argument('--model', default='depthforge_tiny', help='name of a model')
    parser.add_argument('--every', type=int, default=1, help='takes each n-th image')
    parser.add_argument('--shared', type=Path, default=Path('../shared'), help='real data')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
