# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Procedural textures of vehicles."""

from __future__ import annotations

import cv2
from depthforge_trainer.street.atlas import ALPHA, GLOSS, texture, TINTED
from depthforge_trainer.street.camera import Uint8Array
from depthforge_trainer.street.profiles import INSET_M, Point, Profile, PROFILES
from depthforge_trainer.street.textures import draw_box, Generator, roughen, spectral_noise
import numpy as np

SIDE_PX_PER_M = 56


def _paint(rng: Generator, height: int, width: int) -> Uint8Array:
    """Lacquer: (height, width, 8), tinted and a little glossy."""
    texels = texture(height, width, (250, 250, 250))
    texels[..., TINTED] = 255
    texels[..., GLOSS] = 22
    roughen(texels, spectral_noise(rng, height, width, 1.4), 0.03)
    return texels


def _side(rng: Generator, profile: Profile) -> Uint8Array:
    """Return the side of a vehicle, front to the right, ground at the lower edge."""
    scale = SIDE_PX_PER_M
    rear, top = profile.rear_m, profile.top_m
    height, width = int(top * scale), int((profile.front_m - rear) * scale)

    def pixels(points: list[Point]) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
        return np.array([((x - rear) * scale, (top - y) * scale) for x, y in points]).astype(
            np.int32
        )

    texels = _paint(rng, height, width)
    shade = np.interp(
        np.arange(height), [0, height * 0.45, height * 0.62, height], [0.1, 0.0, -0.12, -0.5]
    )
    roughen(texels, np.broadcast_to(shade[:, None], (height, width)), 1.0)
    body = np.zeros((height, width), np.uint8)
    cv2.fillPoly(body, [pixels(list(profile.outline))], 255)
    glass = np.zeros((height, width), np.uint8)
    head = top - 0.1
    lean = min(head - profile.belt_m, 0.55) * 0.45
    for index, (begin, end) in enumerate(profile.panes):
        slope_begin = lean if index == 0 and len(profile.panes) > 1 else 0.0
        slope_end = 2.2 * lean if index == len(profile.panes) - 1 else 0.0
        if profile.top_m > 2.0:
            slope_begin, slope_end, head = 0.0, min(slope_end, 0.3), min(top - 0.25, 2.5)
        quad = [
            (begin, profile.belt_m + 0.02),
            (end, profile.belt_m + 0.02),
            (end - slope_end, head),
            (begin + slope_begin, head),
        ]
        cv2.fillPoly(glass, [pixels(quad)], 255)
    texels[glass > 0, :3] = (26, 29, 33)
    texels[glass > 0, TINTED] = 0
    texels[glass > 0, GLOSS] = 95
    for begin, _ in profile.panes:
        x = int((begin - rear) * scale)
        texels[int((top - profile.belt_m) * scale) : int((top - 0.35) * scale), x, :3] //= 3
    draw_box(
        texels,
        (0, int((top - 0.8) * scale), 9, int((top - 0.62) * scale)),
        (150, 20, 20),
        glow=180,
    )
    draw_box(
        texels,
        (width - 12, int((top - 0.74) * scale), width - 2, int((top - 0.6) * scale)),
        (205, 208, 210),
        glow=100,
    )
    _wheels(texels, body, profile, pixels)
    texels[..., ALPHA] = body
    return texels


def _wheels(texels: Uint8Array, body: Uint8Array, profile: Profile, pixels: object) -> None:
    """Draw wheels on a side texture and add them to its outline body, both in place."""
    scale = SIDE_PX_PER_M
    radius = int(profile.wheel_radius_m * scale)
    face = np.ascontiguousarray(texels[..., :3])
    marks = np.zeros(body.shape, np.uint8)
    for forward in profile.wheels:
        center = (int((forward - profile.rear_m) * scale), body.shape[0] - radius)
        cv2.circle(marks, center, radius + 3, 255, -1)
        cv2.circle(face, center, radius + 3, (12, 12, 13), -1)
        cv2.circle(face, center, radius, (24, 24, 25), -1)
        cv2.circle(face, center, int(radius * 0.62), (128, 130, 133), -1)
        cv2.circle(face, center, int(radius * 0.25), (60, 60, 62), -1)
        cv2.circle(body, center, radius, 255, -1)
    texels[..., :3] = face
    texels[marks > 0, TINTED:] = 0


def _front(rng: Generator, rear: bool) -> Uint8Array:
    """Return the front or the rear below the windows: (64, 160, 8), tyres at the lower edge."""
    texels = _paint(rng, 64, 160)
    lamp = (170, 18, 18) if rear else (215, 218, 220)
    glow = 200 if rear else 255
    top = 8 if rear else 14
    for left in (3, 131):
        draw_box(texels, (left, top, left + 26, top + 13), lamp, glow=glow, gloss=30)
    if rear:
        draw_box(texels, (40, 4, 120, 6), (40, 40, 42))
        draw_box(texels, (62, 18, 98, 26), (215, 190, 60))
    else:
        draw_box(texels, (44, 14, 116, 26), (24, 24, 26))
        draw_box(texels, (48, 19, 112, 20), (130, 130, 132))
        draw_box(texels, (62, 34, 98, 42), (225, 225, 220))
    draw_box(texels, (0, 42, 160, 50), (34, 34, 36))
    draw_box(texels, (4, 50, 156, 55), (14, 14, 15))
    texels[55:, 36:124, ALPHA] = 0
    draw_box(texels, (8, 55, 36, 64), (18, 18, 19))
    draw_box(texels, (124, 55, 152, 64), (18, 18, 19))
    texels[55:, :8, ALPHA] = 0
    texels[55:, 152:, ALPHA] = 0
    return texels


def _screen(rng: Generator, inset_m: float) -> Uint8Array:
    """Return a wind screen, inset_m narrower at the top on each side: (48, 160, 8)."""
    texels = _paint(rng, 48, 160)
    rows = np.arange(48)[:, None]
    inset = (1.0 - rows / 48.0) * 160 * inset_m / 1.75
    columns = np.arange(160)[None, :]
    edge = np.minimum(columns, 159 - columns) - inset
    glass = (edge > 6) & (rows > 3) & (rows < 45)
    texels[glass, :3] = (30, 33, 37)
    texels[glass, TINTED] = 0
    texels[glass, GLOSS] = 110
    for left in (26, 104):
        seat = texels[18:44, left : left + 30]
        seat[..., :3] = np.where(glass[18:44, left : left + 30, None], 18, seat[..., :3])
    texels[..., ALPHA] = np.where(edge >= 0, 255, 0)
    return texels


def vehicle_textures(rng: Generator) -> dict[str, Uint8Array]:
    """All textures of all kinds of vehicles by name."""
    result = {
        'paint': _paint(rng, 32, 32),
        'front': _front(rng, False),
        'rear': _front(rng, True),
        'screen': _screen(rng, INSET_M),
        'rear_screen': _screen(rng, INSET_M),
        'flat_screen': _screen(rng, 0.0),
    }
    for kind, profile in PROFILES.items():
        side = _side(rng, profile)
        cut = side.shape[0] - int(profile.belt_m * SIDE_PX_PER_M)
        result[f'{kind}_top'] = np.ascontiguousarray(side[:cut])
        result[f'{kind}_side'] = np.ascontiguousarray(side[cut:])
    return result
