# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write docs/metric_depth.md from the kept figures: python docs/metric_depth.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'benchmarks' / 'results'
DRIVES = {
    'KITTI drive, frames 50 to 77': 'metric_depth_{}',
    'bundled drive, day': 'metric_depth_drive_day_{}',
    'bundled drive, dusk': 'metric_depth_drive_dusk_{}',
}
MODELS = {'small': 'depthforge_small', 'tiny': 'depthforge_tiny'}
HEAD = (
    '| {} | AbsRel | worst frame | RMSE, m | delta < 1.25 | frames refused |\n' + '|---' * 6 + '|'
)
TEXT = """# Metric depth from the road

Written by `python docs/metric_depth.py` from the figures in `benchmarks/results/`, which
`python benchmarks/metric_depth.py` measured; each file holds its command. Errors are over pixels
of 3 to 60 m with a LiDAR return (KITTI) or exact depth (bundled drive). The camera's height is
given, its pitch is taken as 0.

- `best_scale`: the scale of each frame with the least AbsRel, which only an oracle knows.
- `median_scale`: the ratio of the medians, an oracle too.
- `confirmed_road`: the median over the road pixels that the true depth confirms.
- `road_per_frame`: ours, each frame alone.
- `road_scaled`: ours with the filter over time, as the node has it.

The model and its derivation are in `depthforge_ros/geometry/road.py`. Frames whose road is not
believed have no scale; over time the last one is held for about two seconds.

{tables}
"""


def page() -> str:
    """Return the page."""
    parts = []
    for drive, file in DRIVES.items():
        for short, model in MODELS.items():
            figures = json.loads((RESULTS / f'{file.format(short)}.json').read_text())
            title = f'## {drive}, `{model}` ({figures["frames"]} frames)'
            parts += [title, _table('method', figures['methods'])]
            parts += [_table('what is wrong', figures['sensitivity'])]
    return TEXT.format(tables='\n\n'.join(parts))


def _table(name: str, rows: dict[str, dict[str, Any]]) -> str:
    lines = [HEAD.format(name)]
    for case, row in rows.items():
        values = [row[key] for key in ('absrel', 'absrel_worst_frame', 'rmse_m', 'delta1')]
        cells = ' | '.join('-' if value is None else f'{value:.3f}' for value in values)
        lines.append(f'| {case} | {cells} | {row["refused_frames"]} |')
    return '\n'.join(lines)


if __name__ == '__main__':
    (ROOT / 'docs' / 'metric_depth.md').write_text(page(), encoding='utf-8')
