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
    'KITTI': 'metric_depth_{}',
    'bundled, day': 'metric_depth_drive_day_{}',
    'bundled, dusk': 'metric_depth_drive_dusk_{}',
}
MODELS = {'small': 'depthforge_small', 'tiny': 'depthforge_tiny'}
OURS = 'road_scaled'
AS_IT_IS = 'as it is'
"""Of the sensitivity: the same as OURS."""
SCALES = {
    OURS: 'as the node does it',
    'road_per_frame': 'without the filter over time',
    'confirmed_road': 'scale: median over the road pixels that the true depth confirms',
    'median_scale': 'scale: ratio of the medians, from the true depth',
    'best_scale': 'scale: least AbsRel, from the true depth; none is better',
}
KEYS = ('absrel', 'absrel_worst_frame', 'rmse_m', 'delta1')


def _reports() -> dict[tuple[str, str], Any]:
    """Return the reports by drive and model."""
    return {
        (drive, model): json.loads((RESULTS / f'{file.format(short)}.json').read_text())
        for drive, file in DRIVES.items()
        for short, model in MODELS.items()
    }


def blocks() -> Blocks:
    """Return the tables of all drives and models."""
    return {'accuracy': _accuracy(), 'sensitivity': _sensitivity()}


def _accuracy() -> str:
    rows = []
    for (drive, model), report in _reports().items():
        ours = report['methods'][OURS]
        figures = [f'{ours[key]:.3f}' for key in KEYS]
        counts = [f'{report["frames"]}', f'{ours["refused_frames"]}']
        rows.append([drive, model, *counts, *figures])
    return table('drive|model|frames|refused|AbsRel|worst frame|RMSE, m|delta < 1.25', rows)


def _sensitivity() -> str:
    reports = _reports()
    errors = dict.fromkeys(case for one in reports.values() for case in one['sensitivity'])
    del errors[AS_IT_IS]
    cases = [
        *(('methods', name, text) for name, text in SCALES.items()),
        *(('sensitivity', case, case) for case in errors),
    ]
    columns = (f'{drive}, {model.split("_")[1]}' for drive, model in reports)
    return table('|'.join(('AbsRel', *columns)), [
        [text, *(_absrel(report[part][case]) for report in reports.values())]
        for part, case, text in cases
    ])  # fmt: skip


def _absrel(row: dict[str, Any]) -> str:
    if row['absrel'] is None:
        return 'all refused'
    refused = f' ({row["refused_frames"]} refused)' if row['refused_frames'] else ''
    return f'{row["absrel"]:.3f}{refused}'


if __name__ == '__main__':
    write(Path(__file__).with_suffix('.md'), blocks())
