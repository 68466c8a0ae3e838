# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The tables of grid.md and lidar.md, which tables.py writes."""

from __future__ import annotations

from blocks import read_result, RESULTS, table


def _percent(share: float, digits: int = 0) -> str:
    return f'{100 * share:.{digits}f} %'


def grid() -> str:
    """Return what benchmarks/grid.py wrote, by model."""
    head = 'model|frames|free, IoU|occupied, IoU|occupied found|occupied right|KITTI frames|'
    head += 'LiDAR obstacles on free cells|on occupied|ms of one core'
    rows = []
    for path in sorted(RESULTS.glob('grid_*.json')):
        report = read_result(path.stem)
        drive, kitti = report['drive'], report['kitti']
        rows.append([
            f'`{report["model"]}`', f'{drive["frames"]}',
            *(f'{drive[key]:.3f}' for key in ('iou_free', 'iou_occupied')),
            *(_percent(drive[key]) for key in ('occupied_found', 'occupied_right')),
            f'{kitti["frames"]}', _percent(kitti['share_on_free'], 2),
            _percent(kitti['share_on_occupied']), f'{report["cost"]["p50_ms"]:.1f}',
        ])  # fmt: skip
    return table(head, rows)


def lidar() -> str:
    """Return what benchmarks/lidar.py wrote."""
    keys = ('camera', 'lens', 'in_view', 'p50_ms', 'p90_ms')
    rows = [[f'{case[key]}' for key in keys] for case in read_result('lidar')['cases']]
    return table('camera|lens|points in view|ms, p50|ms, p90', rows)
