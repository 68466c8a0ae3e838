# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Export every named model as an ONNX file, and how near onnxruntime's answer is to eager's.

Models whose weights are not here get random ones; the files are not kept.
Run from the repository root: python benchmarks/onnx_export.py
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any

from depthforge_ros.model.registry import MODELS, outline

RESULTS = Path('benchmarks/results/onnx_export.json')


def main() -> int:
    """Write the rows, in place of those there for the same model; the code of what failed."""
    args = _arguments()
    rows = json.loads(args.json.read_text()) if args.json.exists() else []
    for model in args.models:
        row = export(model, args)
        rows = [one for one in rows if one['model'] != model]
        rows = sorted([*rows, row], key=lambda one: list(MODELS).index(one['model']))
        # After every row: the large models take minutes.
        args.json.write_text(json.dumps(rows, indent=1) + '\n')
    return 0


def export(model: str, args: argparse.Namespace) -> dict[str, Any]:
    """Export in a process of its own, which gives its memory back."""
    patch = outline(model).config.encoder.patch
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / 'figures.json'
        command = [sys.executable, '-m', 'depthforge_ros.cli.main', 'export', '--model', model]
        command += ['--height', str(args.height // patch * patch)]
        command += ['--width', str(args.width // patch * patch), '--batch', args.batch]
        command += ['--output', str(Path(folder) / 'model.onnx'), '--json', str(figures)]
        code = subprocess.run(command).returncode
        if code:
            raise SystemExit(code)
        row: dict[str, Any] = json.loads(figures.read_text())
        row['files'] = sorted(path.name for path in Path(folder).glob('model.onnx*'))
    del row['output']
    return {**row, 'date': datetime.date.today().isoformat()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS))
    parser.add_argument('--height', type=int, default=256, help='pixels; down to whole patches')
    parser.add_argument('--width', type=int, default=512, help='pixels; down to whole patches')
    parser.add_argument('--batch', default='1-6', help='a number or a range')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the rows go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
