# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What Torch-TensorRT makes of every named model, without a GPU; `make tensorrt-dry-run`.

Each row is a run of `depthforge compile --engine tensorrt --dry-run`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any

from depthforge_ros.model.registry import MODELS, outline

RESULTS = Path('benchmarks/results/tensorrt_dry_run.json')
HEIGHT, WIDTH = 512, 1024
"""Pixels; rounded down to whole patches."""


def main() -> int:
    """Write the rows, in place of those there for the same; 1 if any is not one engine."""
    args = _arguments()
    rows: list[dict[str, Any]] = json.loads(args.json.read_text()) if args.json.exists() else []
    for model in args.models:
        for batch in args.batches:
            row = dry_run(model, batch, args.precision)
            rows = sorted([*(one for one in rows if _order(one) != _order(row)), row], key=_order)
            # After every row: the large models take minutes.
            args.json.write_text(json.dumps(rows, indent=1) + '\n')
    is_whole = all(
        row['converted'] == row['operators']
        and row['engines'] == 1
        and row.get('engine_bytes')
        and not row.get('refusal')
        for row in rows
    )
    print('all whole' if is_whole else 'NOT all whole')
    return int(not is_whole)


def dry_run(model: str, batch: str, precision: str) -> dict[str, Any]:
    """Count in a process of its own, which gives its memory back."""
    patch = outline(model).config.encoder.patch
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / 'figures.json'
        command = [sys.executable, '-m', 'depthforge_ros.cli.main', 'compile', '--dry-run']
        command += ['--model', model, '--engine', 'tensorrt', '--batch', batch]
        command += ['--height', str(HEIGHT // patch * patch)]
        command += ['--width', str(WIDTH // patch * patch)]
        command += ['--precision', precision, '--json', str(figures)]
        code = subprocess.run(command).returncode
        if not figures.exists():
            raise SystemExit(code)
        row: dict[str, Any] = json.loads(figures.read_text())
    return row


def _order(row: dict[str, Any]) -> tuple[str, int, str]:
    return row['precision'], list(MODELS).index(row['model']), row['batch']


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS))
    parser.add_argument('--batches', nargs='+', default=['1', '1-6'], help='numbers or ranges')
    parser.add_argument('--precision', default='fp16', help='fp32, bf16, fp16 or fp8')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the rows go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
