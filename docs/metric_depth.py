# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write the tables of docs/metric_depth.md from the kept figures: python docs/metric_depth.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from blocks import Blocks, table, write

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'benchmarks' / 'results'
DRIVES = {
    'KITTI drive, frames 50 to 77': 'metric_depth_{}',
    'bundled drive, day': 'metric_depth_drive_day_{}',
    'bundled drive, dusk': 'metric_depth_drive_dusk_{}',
}
MODELS = {'small': 'depthforge_small', 'tiny': 'depthforge_tiny'}


def blocks() -> Blocks:
    """Return the tables of all drives and models."""
    parts = []
    for drive, file in DRIVES.items():
        for short, model in MODELS.items():
            figures = json.loads((RESULTS / f'{file.format(short)}.json').read_text())
            title = f'### {drive}, `{model}` ({figures["frames"]} frames)'
            parts += [title, _table('method', figures['methods'])]
            parts += [_table('what is wrong', figures['sensitivity'])]
    return {'drives': '\n\n'.join(parts)}


def _table(name: str, methods: dict[str, dict[str, Any]]) -> str:
    rows = []
    for case, row in methods.items():
        values = [row[key] for key in ('absrel', 'absrel_worst_frame', 'rmse_m', 'delta1')]
        cells = ['-' if value is None else f'{value:.3f}' for value in values]
        rows.append([case, *cells, f'{row["refused_frames"]}'])
    return table(f'{name}|AbsRel|worst frame|RMSE, m|delta < 1.25|frames refused', rows)


if __name__ == '__main__':
    write(Path(__file__).with_suffix('.md'), blocks())
