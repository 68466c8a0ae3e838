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
OTHERS = ('road_per_frame', 'confirmed_road', 'median_scale', 'best_scale')


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
        keys = ('absrel', 'absrel_worst_frame', 'rmse_m', 'delta1')
        rows.append([
            drive, f'`{model}`', f'{report["frames"]}, {ours["refused_frames"]}',
            *(f'{ours[key]:.3f}' for key in keys),
            *(f'{report["methods"][name]["absrel"]:.3f}' for name in OTHERS),
        ])  # fmt: skip
    head = 'drive|model|frames, refused|AbsRel|worst frame|RMSE, m|delta < 1.25|'
    return table(head + '|'.join(f'`{name}`' for name in OTHERS), rows)


def _sensitivity() -> str:
    reports = _reports()
    cases = dict.fromkeys(case for report in reports.values() for case in report['sensitivity'])
    rows = [
        [case, *(_absrel(report, case) for report in reports.values())]
        for case in cases
    ]  # fmt: skip
    columns = (f'{drive}, {model.split("_")[1]}' for drive, model in reports)
    return table('what is wrong|' + '|'.join(columns), rows)


def _absrel(report: dict[str, Any], case: str) -> str:
    row = report['sensitivity'][case]
    if row['absrel'] is None:
        return 'all refused'
    refused = f' ({row["refused_frames"]} refused)' if row['refused_frames'] else ''
    return f'{row["absrel"]:.3f}{refused}'


if __name__ == '__main__':
    write(Path(__file__).with_suffix('.md'), blocks())
