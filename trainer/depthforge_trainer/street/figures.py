# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Procedural textures of things with an outline: bare trees, fences, signs, people."""

from __future__ import annotations

import math

import cv2
from depthforge_trainer.street.atlas import ALPHA, GLOW, texture, TINTED
from depthforge_trainer.street.camera import Uint8Array
from depthforge_trainer.street.textures import (
    Color,
    draw_box,
    Generator,
    roughen,
    spectral_noise,
)
import numpy as np

BARE_TREES = 6
FENCES = 7
BOARDS = 18
LIGHTS = 4
PEOPLE = 8
STRIDES = 4
CYCLISTS = 5


def _branch(
    rng: Generator,
    canvas: Uint8Array,
    at: tuple[float, float],
    angle: float,
    length: float,
    width: float,
) -> None:
    """Draw a branch and what grows from it on a uint8 canvas (H, W)."""
    x, y = at
    bend = angle + float(rng.normal(0, 0.12))
    end = (x + length * math.sin(bend), y - length * math.cos(bend))
    thickness = max(round(width), 1)
    cv2.line(canvas, (int(x), int(y)), (int(end[0]), int(end[1])), 255, thickness)
    if length < 9:
        return
    for _ in range(int(rng.integers(2, 4)) + (length < 40)):
        spread = float(rng.normal(0, 0.5))
        start = float(rng.uniform(0.55, 1.0))
        point = (x + (end[0] - x) * start, y + (end[1] - y) * start)
        factor = float(rng.uniform(0.6, 0.82))
        _branch(rng, canvas, point, bend * 0.9 + spread, length * factor, width * 0.62)


def _twigs(rng: Generator, canvas: Uint8Array, lowest: int) -> None:
    """Add thin short lines around the branches above row lowest of a canvas, in place."""
    density = cv2.GaussianBlur(canvas, (0, 0), 5.0)
    density[lowest:] = 0
    rows, columns = np.nonzero((density > 20) & (density < 170))
    for index in rng.integers(0, len(rows), len(rows) // 11):
        angle, reach = rng.uniform(0.0, 6.283), rng.uniform(4.0, 9.0)
        start = (int(columns[index]), int(rows[index]))
        end = (int(start[0] + reach * math.cos(angle)), int(start[1] + reach * math.sin(angle)))
        cv2.line(canvas, start, end, 255, 1)


def bare_tree_texture(rng: Generator) -> Uint8Array:
    """Return a leafless tree with trunk: (320, 288, 8), foot at the middle of the lower edge."""
    height, width = 320, 288
    canvas = np.zeros((height, width), np.uint8)
    stem = float(rng.uniform(60, 95))
    cv2.line(canvas, (144, 319), (144, int(318 - stem)), 255, 11)
    for _ in range(4):
        _branch(
            rng,
            canvas,
            (144, 320 - stem * rng.uniform(0.8, 1.0)),
            rng.normal(0, 0.45),
            rng.uniform(55, 80),
            7.0,
        )
    tone = int(rng.integers(52, 92))
    texels = texture(height, width, (tone + 4, tone, tone - 4))
    roughen(texels, spectral_noise(rng, height, width, 0.8), 0.2)
    _twigs(rng, canvas, int(height - stem))
    texels[..., ALPHA] = canvas
    return texels


def bark_texture(rng: Generator) -> Uint8Array:
    """Bark: (128, 32, 8)."""
    texels = texture(128, 32, (88, 80, 72))
    roughen(texels, spectral_noise(rng, 128, 32, 0.7), 0.2)
    roughen(texels, np.broadcast_to(np.linspace(0.25, -0.4, 32), (128, 32)), 1.0)
    return texels


def pole_texture() -> Uint8Array:
    """Return a round metal pole: (16, 16, 8), tinted."""
    texels = texture(16, 16, (255, 255, 255))
    texels[..., TINTED] = 255
    shade = np.sin(np.linspace(0.5, 3.0, 16)) * 0.7 - 0.6
    roughen(texels, np.broadcast_to(shade, (16, 16)), 1.0)
    return texels


def fence_texture(rng: Generator, kind: int) -> Uint8Array:
    """Two metres of fence: (96, 192, 8); even kinds metal railings, odd kinds wood or mesh."""
    texels = texture(96, 192, (70, 66, 62))
    if kind % 2 == 0:
        texels[..., ALPHA] = 0
        step = int(rng.choice([8, 10, 12]))
        bright = int(rng.choice([35, 60, 120, 150]))
        texels[..., :3] = bright
        for x in range(0, 192, step):
            texels[4:, x : x + 3 + kind % 3, ALPHA] = 255
        for y in (6, 84):
            texels[y : y + 5, :, ALPHA] = 255
        texels[:, :7, ALPHA] = 255
    else:
        base = rng.integers(70, 140)
        texels[..., :3] = (base, int(base * 0.85), int(base * 0.7))
        step = int(rng.choice([12, 16, 24]))
        for x in range(0, 192, step):
            roughen(texels[:, x : x + step], np.full((96, step), rng.normal(0, 0.12)), 1.0)
            texels[:, x : x + 1, :3] = 25
        top = int(rng.integers(0, 10))
        texels[: top + 1, :, ALPHA] = 0
    roughen(texels, spectral_noise(rng, 96, 192, 0.8), 0.08)
    return texels


def board_texture(rng: Generator, kind: int) -> Uint8Array:
    """Return the face of a sign or board: (64, 64, 8); kinds 0 to 3 round, 4, 5 triangles."""
    texels = texture(64, 64, (225, 225, 222))
    face = np.ascontiguousarray(texels[..., :3])
    mask = np.zeros((64, 64), np.uint8)
    if kind < 4:
        outer = (190, 25, 30) if kind < 2 else (25, 70, 170)
        inner = (235, 235, 232) if kind == 0 else (25, 60, 160)
        cv2.circle(mask, (32, 32), 31, 255, -1)
        cv2.circle(face, (32, 32), 32, outer, -1)
        cv2.circle(face, (32, 32), 23, inner, -1)
        cv2.line(face, (22, 42), (42, 22), (30, 30, 30) if kind == 0 else (230, 230, 230), 6)
    elif kind < 6:
        outline = np.array([[32, 2], [62, 60], [2, 60]], np.int32)
        cv2.fillPoly(mask, [outline], 255)
        face[:] = (195, 30, 30)
        cv2.fillPoly(face, [np.array([[32, 18], [50, 53], [14, 53]], np.int32)], (235, 235, 230))
        cv2.line(face, (32, 28), (32, 48), (20, 20, 20), 5)
    else:
        mask[:] = 255
        grounds = [(20, 60, 150), (10, 90, 60), (230, 230, 225), (220, 170, 20), (160, 30, 35)]
        ground = grounds[int(rng.integers(len(grounds)))]
        face[:] = ground
        ink = (240, 240, 235) if sum(ground) < 330 else (20, 20, 25)
        cv2.rectangle(face, (2, 2), (61, 61), ink, 1)
        for y in range(9, 54, int(rng.integers(10, 22))):
            left, right = int(rng.integers(6, 14)), int(rng.integers(36, 58))
            cv2.rectangle(face, (left, y), (right, y + int(rng.integers(3, 8))), ink, -1)
    texels[..., :3] = face
    texels[..., ALPHA] = mask
    return texels


def light_texture(kind: int) -> Uint8Array:
    """Return a traffic light head: (96, 40, 8); kinds red, amber, green and seen from behind."""
    texels = texture(96, 40, (26, 27, 28))
    draw_box(texels, (0, 0, 40, 96), (14, 15, 16))
    draw_box(texels, (4, 3, 36, 93), (30, 31, 32))
    colors = ((235, 40, 30), (240, 160, 30), (60, 235, 140))
    face = np.ascontiguousarray(texels[..., :3])
    glow = np.zeros((96, 40), np.uint8)
    for index, color in enumerate(colors):
        center = (20, 18 + 30 * index)
        cv2.circle(face, center, 12, color if index == kind else (12, 12, 12), -1)
        if index == kind:
            cv2.circle(glow, center, 12, 255, -1)
    if kind < len(colors):
        texels[..., :3] = face
        texels[..., GLOW] = glow
    return texels


def _limb(canvas: Uint8Array, points: list[tuple[float, float]], color: Color, width: int) -> None:
    """Draw a thick polyline on an RGBA-like canvas (H, W, 4)."""
    line = np.array(points, np.int32)
    cv2.polylines(canvas, [line], False, (*color, 255), width, cv2.LINE_8)


def _from_canvas(rng: Generator, canvas: Uint8Array, coat: Color) -> Uint8Array:
    """Texture of an RGBA canvas; the colour coat becomes tinted."""
    height, width = canvas.shape[:2]
    texels = texture(height, width)
    texels[..., :4] = canvas
    is_coat = (canvas[..., :3] == np.array(coat, np.uint8)).all(-1)
    texels[..., TINTED] = np.where(is_coat, 255, 0)
    roughen(texels, spectral_noise(rng, height, width, 1.0), 0.16)
    side = np.linspace(0.12, -0.12, width)[None, :]
    roughen(texels, np.broadcast_to(side, (height, width)), 1.0)
    return texels


_COAT: Color = (250, 251, 252)


def _dark(rng: Generator, high: int = 80) -> Color:
    """Return a dull random colour."""
    base = int(rng.integers(14, high))
    shift = rng.integers(-8, 12, 3)
    return (max(base + int(shift[0]), 5), max(base + int(shift[1]), 5), base + int(shift[2]) + 5)


def _skin(rng: Generator) -> Color:
    tone = float(rng.uniform(0.35, 1.0))
    return (int(205 * tone), int(160 * tone), int(135 * tone))


def walker_textures(rng: Generator) -> list[Uint8Array]:
    """One person in STRIDES phases of a step: (192, 96, 8) each."""
    trousers, shoes, hair, skin = _dark(rng), _dark(rng, 40), _dark(rng, 70), _skin(rng)
    long_coat, hood, bag = rng.random() < 0.4, rng.random() < 0.3, rng.random() < 0.4
    build = int(rng.integers(0, 5))
    sway = float(rng.uniform(0.7, 1.2))
    result = []
    for stride in range(STRIDES):
        swing = sway * math.sin(2 * math.pi * (stride + 0.5) / STRIDES)
        canvas = np.zeros((192, 96, 4), np.uint8)
        for sign in (-1, 1):
            knee = (48 + sign * (5 + 9 * swing), 140)
            foot = (48 + sign * (5 + 20 * swing) - 3 * (sign * swing < 0), 186)
            _limb(canvas, [(48 + sign * 6, 98), knee, foot], trousers, 11 + build // 2)
            _limb(canvas, [foot, (foot[0] + 7, foot[1] + 1)], shoes, 8)
        if bag:
            cv2.rectangle(canvas, (18, 92), (38, 124), (*shoes, 255), -1)
        for sign in (-1, 1):
            elbow = (48 + sign * (17 + build) - 5 * swing * sign, 76)
            hand = (48 + sign * (16 + build) - 13 * swing * sign, 102)
            _limb(canvas, [(48 + sign * (12 + build), 42), elbow, hand], _COAT, 9)
            cv2.circle(canvas, (int(hand[0]), int(hand[1]) + 3), 4, (*skin, 255), -1)
        low = 122 if long_coat else 104
        wide = 15 + build
        torso = [
            (48 - wide, 40),
            (42, 30),
            (54, 30),
            (48 + wide, 40),
            (48 + wide - 3, low),
            (48 - wide + 3, low),
        ]
        cv2.fillPoly(canvas, [np.array(torso, np.int32)], (*_COAT, 255))
        cv2.ellipse(canvas, (48, 16), (9, 13), 0, 0, 360, (*hair, 255), -1)
        if hood:
            cv2.circle(canvas, (48, 17), 13, (*_COAT, 255), -1)
        cv2.ellipse(canvas, (49, 19), (6, 9), 0, 0, 360, (*skin, 255), -1)
        result.append(_from_canvas(rng, canvas, _COAT))
    return result


def cyclist_side_texture(rng: Generator) -> Uint8Array:
    """Return a cyclist seen from the side, riding to the right: (192, 192, 8), 1.85 m square."""
    canvas = np.zeros((192, 192, 4), np.uint8)
    frame, trousers, skin, hair = _dark(rng, 130), _dark(rng), _skin(rng), _dark(rng, 60)
    for x in (38, 150):
        cv2.circle(canvas, (x, 154), 34, (22, 22, 24, 255), 4)
        cv2.circle(canvas, (x, 154), 5, (90, 90, 92, 255), -1)
        for angle in np.arange(0, math.pi, math.pi / 5):
            dx, dy = int(33 * math.cos(angle)), int(33 * math.sin(angle))
            cv2.line(canvas, (x - dx, 154 - dy), (x + dx, 154 + dy), (80, 80, 82, 255), 1)
    _limb(canvas, [(38, 154), (72, 112), (88, 156), (38, 154)], frame, 4)
    _limb(canvas, [(72, 112), (134, 104), (88, 156)], frame, 4)
    _limb(canvas, [(134, 90), (150, 154)], frame, 4)
    _limb(canvas, [(68, 96), (112, 112), (92, 150)], trousers, 15)
    _limb(canvas, [(68, 96), (104, 124), (84, 168)], trousers, 14)
    cv2.fillPoly(canvas, [np.array([(54, 100), (76, 108), (118, 54), (96, 36)])], (*_COAT, 255))
    _limb(canvas, [(106, 52), (122, 78), (140, 88)], _COAT, 10)
    cv2.ellipse(canvas, (118, 22), (10, 14), 0, 0, 360, (*skin, 255), -1)
    cv2.ellipse(canvas, (116, 14), (12, 9), 0, 0, 360, (*hair, 255), -1)
    return _from_canvas(rng, canvas, _COAT)


def cyclist_back_texture(rng: Generator) -> Uint8Array:
    """Return a cyclist seen along the road: (192, 72, 8), 0.7 m by 1.85 m."""
    canvas = np.zeros((192, 72, 4), np.uint8)
    trousers, skin, hair = _dark(rng), _skin(rng), _dark(rng, 60)
    cv2.rectangle(canvas, (33, 118), (38, 191), (20, 20, 22, 255), -1)
    _limb(canvas, [(28, 96), (22, 134), (26, 170)], trousers, 13)
    _limb(canvas, [(44, 96), (51, 126), (46, 158)], trousers, 13)
    _limb(canvas, [(10, 84), (62, 84)], (30, 30, 30), 4)
    for sign in (-1, 1):
        _limb(canvas, [(36 + sign * 16, 48), (36 + sign * 25, 70), (36 + sign * 23, 84)], _COAT, 9)
    torso = [(18, 46), (28, 36), (44, 36), (54, 46), (50, 104), (22, 104)]
    cv2.fillPoly(canvas, [np.array(torso, np.int32)], (*_COAT, 255))
    cv2.ellipse(canvas, (36, 22), (9, 13), 0, 0, 360, (*skin, 255), -1)
    cv2.ellipse(canvas, (36, 16), (10, 10), 0, 0, 360, (*hair, 255), -1)
    return _from_canvas(rng, canvas, _COAT)
