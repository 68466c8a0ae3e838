# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The grid of free and occupied cells, against exact geometry and against LiDAR, and its cost.

On the bundled drive the truth is what one camera can see with exact labels and depth: a cell is
free if its centre is seen and is road, occupied if at least two pixels of it lie 0.3 to 2.5 m
above the road, and unknown behind obstacles. IoU is over cells within 20 m that the truth knows.
At 15 m one row of the image is two cells, so occupied cells are also matched within half a metre:
`found` is the share of true ones with one of ours so near, `right` that of ours (anywhere within
20 m) with a true one. On the KITTI drive the LiDAR's points are judged: the share of obstacle
points within 20 m, 0.3 to 2.5 m above the road, that fall on free cells. The cost is CPU time of
one core for 200 x 200 cells. Run from the repository root:
python benchmarks/grid.py --kitti ../shared/data/kitti_drive --model M --json F --picture P
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import sys
import time
from typing import Any

import cv2
from depthforge_ros.bags.image_files import read_depth_m, read_labels
from depthforge_ros.engine import load_engine
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.geometry.grid import (
    FREE,
    GridBuilder,
    GridClasses,
    GridShape,
    MIN_PIXELS,
    OCCUPIED,
    UNKNOWN,
)
from depthforge_ros.geometry.points import metric_depth
from depthforge_ros.geometry.road import fit_road
from depthforge_ros.geometry.scale_filter import ScaleFilter
from depthforge_ros.labels import CAMVID, LabelSpace
from depthforge_ros.pipeline import Pipeline
from metric_depth import _open as open_drive
from metric_depth import Drive
import numpy as np
import numpy.typing as npt
from report import exit_code, write_report
from tqdm import tqdm

WITHIN_M = 20.0
MATCH_M = 0.5
MAX_RANGE_M = 80.0
SHAPE = GridShape()
COLORS = {UNKNOWN: (60, 60, 60), FREE: (90, 190, 90), OCCUPIED: (220, 60, 60)}
"""RGB."""


def main() -> int:
    """Measure and write the figures."""
    args = _arguments()
    cv2.setNumThreads(1)
    figures = _measured(args)
    print(json.dumps(write_report(args.json, figures), indent=1))
    return 0


def _measured(args: argparse.Namespace) -> dict[str, Any]:
    engine = load_engine(
        args.model, engine='eager', device='cpu', threads=args.threads, short_side=args.short_side
    )
    pipeline, space = Pipeline(engine), engine.label_space
    figures: dict[str, Any] = {'model': args.model}
    pictures = []
    drive = open_drive(args.drive, slice(0, None, args.every))
    figures['drive'], picture = judge_exact(drive, pipeline, space)
    pictures.append(picture)
    if args.kitti is not None:
        kitti = open_drive(args.kitti, slice(args.start, None, args.every))
        figures['kitti'], picture = judge_lidar(kitti, pipeline, space)
        pictures.append(picture)
    figures['cost'] = cost(drive, args.turns)
    if args.picture is not None:
        coarse = _stacked(pictures)[..., ::-1] & 0xF8  # half the file
        png = cv2.imencode('.png', coarse, (cv2.IMWRITE_PNG_COMPRESSION, 9))[1]
        args.picture.write_bytes(png)
    return figures


def judge_exact(
    drive: Drive, pipeline: Pipeline, space: LabelSpace
) -> tuple[dict[str, Any], npt.NDArray[np.uint8]]:
    """Compare with what true labels and depth show; the last frame is the picture."""
    made_of = builder(drive, space)
    near = _is_near()
    counts, matched = np.zeros((2, 2), np.int64), np.zeros((2, 2), np.int64)
    scales, refused, picture = ScaleFilter(), 0, np.zeros((1, 1, 3), np.uint8)
    for index, path in enumerate(tqdm(drive.images, desc='drive', unit='frame')):
        rgb = rgb_from_file(path)
        cells = _made(drive, pipeline, space, rgb, made_of, scales, index)
        if cells is None:
            refused += 1
            continue
        true_depth_m = _depth_of(path, drive)
        true_labels = read_labels(path.parents[1] / 'labels' / f'{path.stem}.png', CAMVID)
        truth = exact_cells(true_depth_m, true_labels == CAMVID.classes.index('road'), drive)
        judged = near & (truth != UNKNOWN)
        matched += _matched((cells == OCCUPIED) & near, (truth == OCCUPIED) & near)
        for row, value in enumerate((FREE, OCCUPIED)):
            made, true = (cells == value) & judged, (truth == value) & judged
            counts[row] += (made & true).sum(), (made | true).sum()
        picture = _beside(rgb, cells, truth)
    free, occupied = (counts[:, 0] / np.maximum(counts[:, 1], 1)).round(4).tolist()
    found, right = (matched[:, 0] / np.maximum(matched[:, 1], 1)).round(4).tolist()
    return {
        'frames': len(drive.images),
        'refused': refused,
        'iou_free': free,
        'iou_occupied': occupied,
        'occupied_found': found,
        'occupied_right': right,
    }, picture


def judge_lidar(
    drive: Drive, pipeline: Pipeline, space: LabelSpace
) -> tuple[dict[str, Any], npt.NDArray[np.uint8]]:
    """Count the LiDAR's obstacle points by the cells that they fall on."""
    made_of = builder(drive, space)
    counts: dict[int, int] = dict.fromkeys((FREE, OCCUPIED, UNKNOWN), 0)
    scales, refused, picture = ScaleFilter(), 0, np.zeros((1, 1, 3), np.uint8)
    for index, path in enumerate(tqdm(drive.images, desc='kitti', unit='frame')):
        rgb = rgb_from_file(path)
        cells = _made(drive, pipeline, space, rgb, made_of, scales, index)
        if cells is None:
            refused += 1
            continue
        row, column = obstacle_cells(_depth_of(path, drive), drive)
        for value in counts:
            counts[value] += int((cells[row, column] == value).sum())
        truth = np.full(cells.shape, UNKNOWN, np.int8)
        truth[row, column] = OCCUPIED
        picture = _beside(rgb, cells, truth)
    points = sum(counts.values())
    return {
        'frames': len(drive.images),
        'refused': refused,
        'obstacle_points': points,
        **{
            f'share_on_{name}': round(counts[value] / max(points, 1), 4)
            for name, value in (('free', FREE), ('occupied', OCCUPIED), ('unknown', UNKNOWN))
        },
    }, picture


def exact_cells(
    depth_m: npt.NDArray[np.float32], is_road: npt.NDArray[np.bool_], drive: Drive
) -> npt.NDArray[np.int8]:
    """Return cells by geometry alone, without what the node's grid corrects."""
    camera, shape = drive.camera, (SHAPE.rows, SHAPE.columns)
    cells = np.full(shape, UNKNOWN, np.int8)
    ahead, left = _centres()
    with np.errstate(over='ignore'):
        column = np.rint(camera.k[2] - camera.k[0] * left / ahead)
        row = np.rint(camera.k[5] + camera.k[4] * drive.height_m / ahead)
    seen = (column >= 0) & (column < camera.width) & (row < camera.height)
    free = np.zeros(shape, bool)
    free[seen] = is_road[row[seen].astype(int), column[seen].astype(int)]
    cells[free] = FREE
    pixels = np.zeros(shape, np.int64)
    np.add.at(pixels, obstacle_cells(depth_m, drive), 1)
    cells[pixels >= MIN_PIXELS] = OCCUPIED
    return cells


def obstacle_cells(
    depth_m: npt.NDArray[np.float32], drive: Drive
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return row and column of each point of a depth image that is an obstacle within 20 m."""
    rays = drive.camera.rays(rectified=True)
    known = np.isfinite(depth_m) & (depth_m > 0.0)
    ahead, slopes = depth_m[known], rays[known]
    left = -slopes[:, 0] * ahead
    above = drive.height_m - slopes[:, 1] * ahead
    taken = (above > SHAPE.min_height_m) & (above < SHAPE.max_height_m)
    taken &= np.hypot(ahead, left) < WITHIN_M
    column = np.floor(ahead[taken] / SHAPE.resolution_m).astype(np.int64)
    row = np.floor(left[taken] / SHAPE.resolution_m + SHAPE.rows / 2).astype(np.int64)
    return row, column


def builder(drive: Drive, space: LabelSpace) -> GridBuilder:
    """Make a builder for masks of a label space; both drives' cameras look level."""
    return GridBuilder(
        drive.camera,
        drive.camera.rays(rectified=True),
        shape=SHAPE,
        height_m=drive.height_m,
        pitch_rad=0.0,
        rectified=True,
        classes=GridClasses.of(space),
    )


def _made(
    drive: Drive,
    pipeline: Pipeline,
    space: LabelSpace,
    rgb: npt.NDArray[np.uint8],
    build: GridBuilder,
    scales: ScaleFilter,
    index: int,
) -> npt.NDArray[np.int8] | None:
    """Make the grid as the node does; None where the road gives no scale."""
    result, _ = pipeline(rgb)
    rays = drive.camera.rays(rectified=True)
    is_road = result.labels == space.classes.index('road')
    road = fit_road(result.inverse_depth, is_road, rays, height_m=drive.height_m, pitch_rad=0.0)
    scale = scales.update(road, index / drive.rate_hz)
    if scale.refusal:
        return None
    depth_m = metric_depth(
        result.inverse_depth,
        result.labels == space.classes.index('sky'),
        rays=rays,
        scale=scale.scale,
        max_range_m=MAX_RANGE_M,
    )
    return build(depth_m, result.labels, stamp_s=float(index))


def cost(drive: Drive, turns: int) -> dict[str, Any]:
    """Time 200 x 200 cells from planes of the bundled drive's size, CPU milliseconds."""
    path = drive.images[0]
    build = builder(drive, CAMVID)
    depth_m = _depth_of(path, drive)
    labels = read_labels(path.parents[1] / 'labels' / f'{path.stem}.png', CAMVID)
    times_ms = []
    for turn in range(turns + 1):
        begun_s = time.process_time()
        build(depth_m, labels, stamp_s=float(turn))
        times_ms.append((time.process_time() - begun_s) * 1e3)
    p50, p90 = np.percentile(times_ms[1:], (50.0, 90.0)).round(3).tolist()
    return {'cells': f'{SHAPE.rows}x{SHAPE.columns}', 'turns': turns, 'p50_ms': p50, 'p90_ms': p90}


def _depth_of(path: Path, drive: Drive) -> npt.NDArray[np.float32]:
    return read_depth_m(path.parents[1] / 'depth' / f'{path.stem}.png', drive.depth_scale)


def _centres() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return metres ahead and to the left of each cell's centre."""
    x = (np.arange(SHAPE.columns) + 0.5) * SHAPE.resolution_m
    y = (np.arange(SHAPE.rows) + 0.5 - SHAPE.rows / 2) * SHAPE.resolution_m
    ahead, left = np.meshgrid(x, y)
    return ahead, left


def _is_near() -> npt.NDArray[np.bool_]:
    return np.asarray(np.hypot(*_centres()) < WITHIN_M)


def _matched(made: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Count true cells with one of ours nearby, and ours with a true one; each of how many."""
    reach = round(MATCH_M / SHAPE.resolution_m)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    rows = []
    for these, others in ((true, made), (made, true)):
        near = cv2.dilate(others.astype(np.uint8), disc) > 0
        rows.append((int((these & near).sum()), int(these.sum())))
    return np.array(rows)


def _beside(
    rgb: npt.NDArray[np.uint8], cells: npt.NDArray[np.int8], truth: npt.NDArray[np.int8]
) -> npt.NDArray[np.uint8]:
    """Set image, grid and truth side by side, 256 pixels high; forward is up."""
    width = round(256 * rgb.shape[1] / rgb.shape[0])
    image = cv2.resize(rgb, (width, 256), interpolation=cv2.INTER_AREA)
    return np.hstack([image, _painted(cells), _painted(truth)])


def _painted(cells: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    painted = np.zeros((*cells.shape, 3), np.uint8)
    for value, color in COLORS.items():
        painted[cells == value] = color
    seen_from_above = np.ascontiguousarray(painted.transpose(1, 0, 2)[::-1, ::-1])
    resized = cv2.resize(seen_from_above, (256, 256), interpolation=cv2.INTER_NEAREST)
    return np.asarray(np.pad(resized, ((0, 0), (8, 0), (0, 0))), np.uint8)


def _stacked(pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    width = max(one.shape[1] for one in pictures)
    wide = [np.pad(one, ((0, 8), (0, width - one.shape[1]), (0, 0))) for one in pictures]
    return np.vstack(wide)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--drive', type=Path, default=Path('drive'), metavar='DIR')
    parser.add_argument('--kitti', type=Path, metavar='DIR', help='the KITTI drive, if there')
    parser.add_argument('--model', default='depthforge_tiny', help='name or checkpoint')
    parser.add_argument('--short-side', type=int, help="network's input, pixels")
    parser.add_argument('--start', type=int, default=50, help='first frame of KITTI')
    parser.add_argument('--every', type=int, default=1, metavar='K', help='take each K-th frame')
    parser.add_argument('--turns', type=int, default=100, help='of the cost')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads of the engine')
    parser.add_argument('--picture', type=Path, metavar='F', help='PNG of the last frames')
    parser.add_argument('--json', type=Path, required=True)
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
