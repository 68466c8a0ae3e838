# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Metric depth from the road alone, against the true depth of a drive.

The drive is a folder with `images/` and `depth/`; with `camera.yaml` it is read as the bundled
drive is, without it as the KITTI drive of 2011_09_26. AbsRel, RMSE and delta < 1.25 are of pixels
from 3 to 60 m, averaged over the frames. Run from the repository root:
python benchmarks/metric_depth.py --drive ../shared/data/kitti_drive --start 50 --json F.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import sys
from typing import Any

import cv2
from depthforge_ros.bags.camera_file import read_drive_file
from depthforge_ros.bags.image_files import list_images, read_depth_m
from depthforge_ros.engine import load_engine
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.road import fit_road, plane_inverse_depth, RoadScale
from depthforge_ros.geometry.scale_filter import ScaleFilter
from depthforge_ros.metrics.depth import AlignedDepth, best_scale, DepthErrors, MAX_DEPTH_M
from depthforge_ros.pipeline import Pipeline
import numpy as np
import numpy.typing as npt
from report import exit_code, write_report
from tqdm import tqdm

JUDGED_M = (3.0, 60.0)
KITTI = Camera.pinhole(width=1242, height=375, fx=721.5377, fy=721.5377, cx=609.5593, cy=172.854)
KITTI_HEIGHT_M = 1.65
DEFAULT_RATE_HZ = 10.0
CONFIRMED = 0.08
"""Relative difference up to which true depth confirms a pixel of the road's plane."""


@dataclass(frozen=True)
class Drive:
    """Frames of a drive and how they were taken."""

    images: Sequence[Path]
    camera: Camera
    height_m: float
    rate_hz: float
    depth_scale: float | None


@dataclass(frozen=True)
class Frame:
    """What the model said of a frame, and the truth; all (H, W)."""

    is_road: npt.NDArray[np.bool_]
    is_vehicle: npt.NDArray[np.bool_]
    inverse_depth: npt.NDArray[np.float32]
    depth_m: npt.NDArray[np.float32]
    """NaN or Inf where it is not known."""


Mask = Callable[[Frame], npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Case:
    """One way to be wrong about the camera or the road."""

    height_error_m: float = 0.0
    pitch_deg: float | None = 0.0
    mask: Mask = lambda frame: frame.is_road


def _grown(pixels: int) -> Mask:
    kernel = np.ones((2 * abs(pixels) + 1,) * 2, np.uint8)
    change = cv2.dilate if pixels > 0 else cv2.erode
    return lambda frame: change(frame.is_road.astype(np.uint8), kernel) > 0


CASES: Mapping[str, Case] = {
    'as it is': Case(),
    'pitch estimated': Case(pitch_deg=None),
    'height + 5 cm': Case(height_error_m=0.05),
    'height - 5 cm': Case(height_error_m=-0.05),
    'pitch + 1 degree': Case(pitch_deg=1.0),
    'pitch - 1 degree': Case(pitch_deg=-1.0),
    'mask grown by 10 pixels': Case(mask=_grown(10)),
    'mask shrunk by 10 pixels': Case(mask=_grown(-10)),
    'vehicles labelled as road': Case(mask=lambda frame: frame.is_road | frame.is_vehicle),
    'everything labelled as road': Case(mask=lambda frame: np.ones_like(frame.is_road)),
}


def main() -> int:
    """Measure and write the figures."""
    args = _arguments()
    drive = _open(args.drive, slice(args.start, args.stop, args.every))
    frames = list(_frames(drive, args))
    figures = measure(drive, frames)
    about = {'model': args.model, 'short_side': args.short_side}
    write_report(args.json, {**about, **figures})
    print(table(figures))
    return 0


def measure(drive: Drive, frames: Sequence[Frame]) -> dict[str, Any]:
    """Compare the scales that an oracle knows with those of the road, frame by frame."""
    best = [_oracle(frame, best_scale) for frame in frames]
    medians = [_oracle(frame, lambda d, m: float(np.median(d * m))) for frame in frames]
    confirmed = [_confirmed(frame, drive) for frame in frames]
    roads = _roads(drive, frames, CASES['as it is'])
    alone = [road.scale for road in roads]
    filtered = _filtered(roads, drive.rate_hz)
    methods = {
        'best_scale': _judged(frames, best),
        'median_scale': _judged(frames, medians),
        'confirmed_road': _judged(frames, confirmed),
        'road_per_frame': _judged(frames, alone),
        'road_scaled': _judged(frames, filtered),
    }
    cases = {
        name: _judged(frames, _filtered(_roads(drive, frames, case), drive.rate_hz))
        for name, case in CASES.items()
    }
    return {
        'frames': len(frames),
        'absrel_road_scaled': methods['road_scaled']['absrel'],
        'absrel_best_scale': methods['best_scale']['absrel'],
        'delta1_road_scaled': methods['road_scaled']['delta1'],
        'methods': methods,
        'sensitivity': cases,
        'scale_over_time': {
            'best': _rounded(best), 'road_per_frame': _rounded(alone),
            'road_scaled': _rounded(filtered),
        },
        'errors_over_time': {
            'best': _over_time(frames, best), 'road_scaled': _over_time(frames, filtered),
        },
        'horizon_pitch_deg': _rounded([float(np.rad2deg(r.horizon_pitch_rad)) for r in roads]),
        'off_plane_share': _rounded([road.off_plane_share for road in roads]),
    }  # fmt: skip


def _roads(drive: Drive, frames: Sequence[Frame], case: Case) -> list[RoadScale]:
    rays = drive.camera.rays(rectified=True)
    return [
        fit_road(
            frame.inverse_depth,
            case.mask(frame),
            rays,
            height_m=drive.height_m + case.height_error_m,
            pitch_rad=None if case.pitch_deg is None else float(np.deg2rad(case.pitch_deg)),
        )
        for frame in frames
    ]


def _filtered(roads: Sequence[RoadScale], rate_hz: float) -> list[float]:
    scales = ScaleFilter()
    return [scales.update(road, index / rate_hz).scale for index, road in enumerate(roads)]


def _oracle(frame: Frame, scale: Callable[[npt.NDArray[Any], npt.NDArray[Any]], float]) -> float:
    judged = _is_judged(frame.depth_m)
    return scale(frame.inverse_depth[judged].astype(np.float64), frame.depth_m[judged])


def _confirmed(frame: Frame, drive: Drive) -> float:
    """Take the median over the road pixels that the true depth confirms."""
    y = drive.camera.rays(rectified=True)[..., 1]
    plane = plane_inverse_depth(y, height_m=drive.height_m, pitch_rad=0.0)
    on_plane = frame.is_road & (plane > 0.0) & (np.abs(frame.depth_m * plane - 1.0) < CONFIRMED)
    if not on_plane.any():
        return float('nan')
    return float(np.median(frame.inverse_depth[on_plane] / plane[on_plane]))


def _is_judged(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return np.isfinite(depth_m) & (depth_m >= JUDGED_M[0]) & (depth_m <= JUDGED_M[1])


def _judged(frames: Sequence[Frame], scales: Sequence[float]) -> dict[str, Any]:
    """Average the errors of the frames that have a scale."""
    errors = [
        _errors(frame, scale)
        for frame, scale in zip(frames, scales, strict=True)
        if np.isfinite(scale)
    ]
    return {
        'absrel': _mean([one.absrel for one in errors]),
        'absrel_worst_frame': max((one.absrel for one in errors), default=None),
        'rmse_m': _mean([one.rmse_m for one in errors]),
        'delta1': _mean([one.delta_125 for one in errors]),
        'refused_frames': len(frames) - len(errors),
    }


def _over_time(frames: Sequence[Frame], scales: Sequence[float]) -> dict[str, Any]:
    """List the errors of each frame, None where it has no scale."""
    errors = [
        _errors(frame, scale) if np.isfinite(scale) else None
        for frame, scale in zip(frames, scales, strict=True)
    ]
    return {
        'absrel': [one and round(one.absrel, 4) for one in errors],
        'rmse_m': [one and round(one.rmse_m, 3) for one in errors],
        'delta1': [one and round(one.delta_125, 4) for one in errors],
    }


def _errors(frame: Frame, scale: float) -> DepthErrors:
    judged = _is_judged(frame.depth_m)
    with np.errstate(divide='ignore'):
        predicted_m = np.minimum(scale / frame.inverse_depth[judged], MAX_DEPTH_M)
    return AlignedDepth(judged, predicted_m, frame.depth_m[judged]).errors()


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _rounded(values: Sequence[float]) -> list[float | None]:
    return [round(value, 4) if np.isfinite(value) else None for value in values]


def table(figures: Mapping[str, Any]) -> str:
    """Lay the figures out as Markdown."""
    lines = ['| | AbsRel | worst frame | RMSE, m | delta < 1.25 | refused |', '|---' * 6 + '|']
    for part in ('methods', 'sensitivity'):
        for name, row in figures[part].items():
            cells = ' | '.join('-' if v is None else f'{v:.3f}' for v in list(row.values())[:-1])
            lines.append(f'| {name} | {cells} | {row["refused_frames"]} |')
    return '\n'.join(lines)


def _open(folder: Path, part: slice) -> Drive:
    images = list_images(folder / 'images')[part]
    if not images:
        raise UserError(f'{folder} has no frame {part.start}; choose a smaller --start')
    if not (folder / 'camera.yaml').is_file():
        return Drive(images, KITTI, KITTI_HEIGHT_M, DEFAULT_RATE_HZ / part.step, None)
    file = read_drive_file(folder / 'camera.yaml')
    if file.camera_height_m is None:
        raise UserError(f'{folder / "camera.yaml"} lacks the key camera_height_m; add it')
    rate_hz = (file.rate_hz or DEFAULT_RATE_HZ) / part.step
    return Drive(images, file.camera, file.camera_height_m, rate_hz, file.depth_scale)


def _frames(drive: Drive, args: argparse.Namespace) -> Iterator[Frame]:
    engine = load_engine(
        args.model,
        engine='eager',
        device='cpu',
        threads=args.threads,
        short_side=args.short_side,
    )
    pipeline = Pipeline(engine)
    classes = engine.label_space.classes
    road = classes.index('road')
    vehicles = [i for i, name in enumerate(classes) if name in ('car', 'truck', 'bus', 'train')]
    for path in tqdm(drive.images, desc=args.model, unit='frame'):
        labels, inverse_depth = _predicted(pipeline, path, args.predictions)
        if labels.shape != (drive.camera.height, drive.camera.width):
            raise UserError(
                f'{path} is {labels.shape[1]} x {labels.shape[0]} pixels, the camera '
                f'{drive.camera.width} x {drive.camera.height}; give the drive a camera.yaml'
            )
        yield Frame(
            is_road=labels == road,
            is_vehicle=np.isin(labels, vehicles),
            inverse_depth=inverse_depth,
            depth_m=read_depth_m(
                path.parents[1] / 'depth' / f'{path.stem}.png', drive.depth_scale
            ),
        )


def _predicted(
    pipeline: Pipeline, path: Path, kept: Path | None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Run the model, or read what it said of this frame before."""
    file = None if kept is None else kept / f'{path.stem}.npz'
    if file is not None and file.is_file():
        planes = np.load(file)
        return planes['labels'], planes['inverse_depth']
    result, _ = pipeline(rgb_from_file(path))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, labels=result.labels, inverse_depth=result.inverse_depth)
    return result.labels, result.inverse_depth


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--drive', type=Path, required=True, metavar='DIR', help='images, depth')
    parser.add_argument('--model', default='depthforge_tiny', help='name or checkpoint')
    parser.add_argument('--start', type=int, default=0, metavar='N', help='first frame')
    parser.add_argument('--stop', type=int, metavar='N', help='frame after the last')
    parser.add_argument('--every', type=int, default=1, metavar='K', help='take each K-th frame')
    parser.add_argument(
        '--short-side', type=int, default=364, help="network's input, pixels; 364 by default"
    )
    parser.add_argument(
        '--predictions', type=Path, metavar='DIR', help='keep what the model says, and reuse it'
    )
    parser.add_argument('--threads', type=int, default=2, help='CPU threads; 2 by default')
    parser.add_argument('--json', type=Path, required=True, metavar='F', help='for the figures')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
