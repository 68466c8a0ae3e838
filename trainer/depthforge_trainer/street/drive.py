# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write the bundled drive: a short clip with exact labels and depth, from day to dusk."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
from depthforge_ros.bags.image_files import write_image
from depthforge_ros.files import write_text
from depthforge_ros.labels import CAMVID
from depthforge_trainer.street.camera import Camera, check_range, Float32Array, Frame
from depthforge_trainer.street.layout import random_scene
from depthforge_trainer.street.render import render
from depthforge_trainer.street.scene import Conditions, Scene
from depthforge_trainer.street.traffic import own_lateral_m
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

DEPTH_SCALE_M = 6600.0
"""depth_m = DEPTH_SCALE_M / value; rounding errs by at most 0.46 % at 60 m, less nearer by."""
RATE_HZ = 10.0
FRAMES = 72
HEIGHT, WIDTH = 256, 512
DEFAULT_SEED = 17

_SPEED_M_S = 6.0
_CAMERA_HEIGHT_M = 1.5
_FOCAL_PER_WIDTH = 0.78
_DAY, _DUSK = 0.95, 0.14
_TRANSITION_FRAMES = 10
_JPEG_QUALITY = 86


def encode_depth(depth_m: Float32Array) -> npt.NDArray[np.uint16]:
    """Inverse depth (H, W) uint16 of metres (H, W); 0 where depth_m is infinite."""
    value = np.round(DEPTH_SCALE_M / depth_m)
    value = np.where(np.isfinite(depth_m), np.clip(value, 1, 65535), 0)
    return value.astype(np.uint16)


def decode_depth(value: npt.NDArray[np.uint16]) -> Float32Array:
    """Metres (H, W) float32 of inverse depth (H, W) uint16; +inf where value is 0."""
    with np.errstate(divide='ignore'):
        return (DEPTH_SCALE_M / value.astype(np.float64)).astype(np.float32)


def daylight_at(index: int, frames: int) -> float:
    """Daylight of frame index: day in the first half, dusk in the second, smooth between."""
    share = (index - (frames - _TRANSITION_FRAMES) / 2) / _TRANSITION_FRAMES
    share = min(max(share, 0.0), 1.0)
    return _DAY + (_DUSK - _DAY) * share * share * (3.0 - 2.0 * share)


def drive_scene(seed: int) -> Scene:
    """Return a straight street; who drives ahead in the own lane is not slower than we."""
    scene = random_scene(np.random.default_rng(seed), 0.0)
    own_m = own_lateral_m(scene.street)
    vehicles = tuple(
        replace(vehicle, speed_m_s=max(vehicle.speed_m_s, _SPEED_M_S))
        if vehicle.speed_m_s > 0 and abs(vehicle.lateral_m - own_m) < 1.5
        else vehicle
        for vehicle in scene.vehicles
    )
    conditions = Conditions(
        sun_azimuth_rad=1.9,
        sun_elevation_rad=0.7,
        cloudiness=0.42,
        haze_per_m=0.0006,
        exposure=1.15,
        contrast=1.15,
        noise=0.35,
        blur_px=0.3,
        cloud_seed=seed,
    )
    return replace(scene, vehicles=vehicles, conditions=conditions)


def drive_frame(
    scene: Scene, seed: int, index: int, frames: int, height: int, width: int
) -> Frame:
    """Render frame index of a clip of so many frames."""
    time_s = index / RATE_HZ
    conditions = replace(scene.conditions, daylight=daylight_at(index, frames))
    camera = replace(
        _camera(height, width), x_m=own_lateral_m(scene.street), z_m=_SPEED_M_S * time_s
    )
    rng = np.random.default_rng([seed, index])
    return render(replace(scene, conditions=conditions), camera, time_s, rng)


def _camera(height: int, width: int) -> Camera:
    focal_px = _FOCAL_PER_WIDTH * width
    return Camera(
        width=width,
        height=height,
        fx_px=focal_px,
        fy_px=focal_px,
        cx_px=(width - 1) / 2,
        cy_px=(height - 1) / 2,
        height_m=_CAMERA_HEIGHT_M,
    )


def _matrix_yaml(name: str, rows: int, columns: int, data: list[float]) -> str:
    lines = [data[first : first + columns] for first in range(0, len(data), columns)]
    values = ',\n         '.join(', '.join(f'{value:.6f}' for value in line) for line in lines)
    return f'{name}:\n  rows: {rows}\n  cols: {columns}\n  data: [{values}]\n'


def camera_yaml(camera: Camera) -> str:
    """Return the camera file, as the ROS camera calibration writes it, with keys of the drive."""
    fx, fy, cx, cy = camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px
    unit = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    return ''.join(
        [
            '# Copyright 2026 The depthforge_ros authors.\n',
            '# SPDX-License-Identifier: Apache-2.0\n',
            f'image_width: {camera.width}\nimage_height: {camera.height}\n',
            'camera_name: street\n',
            _matrix_yaml('camera_matrix', 3, 3, [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]),
            'distortion_model: plumb_bob\n',
            _matrix_yaml('distortion_coefficients', 1, 5, [0.0] * 5),
            _matrix_yaml('rectification_matrix', 3, 3, unit),
            _matrix_yaml(
                'projection_matrix', 3, 4, [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
            ),
            f'rate_hz: {RATE_HZ}\n',
            f'camera_height_m: {camera.height_m}\n',
            f'label_space: {CAMVID.name}\n',
            '# depth_m = depth_scale / value, along the optical axis; value 0 is the sky.\n',
            f'depth_encoding: inverse\ndepth_scale: {DEPTH_SCALE_M}\n',
        ]
    )


def write_drive(output: Path, seed: int, frames: int, height: int, width: int) -> None:
    """Render a clip of so many frames of (height, width) into the folder output."""
    check_range('drive', 'frames', frames, 1, 10000)
    scene = drive_scene(seed)
    write_text(output / 'camera.yaml', camera_yaml(_camera(height, width)))
    jpeg = cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1
    png = cv2.IMWRITE_PNG_COMPRESSION, 9
    for index in tqdm(range(frames), desc='drive'):
        frame = drive_frame(scene, seed, index, frames, height, width)
        name = f'{index:06d}'
        write_image(output / 'images' / f'{name}.jpg', frame.rgb[..., ::-1], jpeg)
        write_image(output / 'labels' / f'{name}.png', frame.labels, png)
        write_image(output / 'depth' / f'{name}.png', encode_depth(frame.depth_m), png)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--output', type=Path, required=True, help='folder to write to')
    parser.add_argument('--seed', type=int, default=DEFAULT_SEED, help='which street')
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error(f'--seed is {arguments.seed}, expected at least 0; give another')
    write_drive(arguments.output, arguments.seed, FRAMES, HEIGHT, WIDTH)


if __name__ == '__main__':
    main()
