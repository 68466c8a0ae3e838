# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Procedural textures of buildings, vegetation, fences and the like."""

from __future__ import annotations

import itertools

import cv2
from depthforge_trainer.street.atlas import ALPHA, GLOSS, GLOW, LIT, texture, TINTED
from depthforge_trainer.street.camera import Float32Array, Uint8Array
import numpy as np
import numpy.typing as npt

Generator = np.random.Generator
Color = tuple[int, int, int]

WALL_TILES = 20
SHOP_TILES = 14
CROWNS = 8


def spectral_noise(rng: Generator, height: int, width: int, slope: float) -> Float32Array:
    """Return tileable noise (height, width), mean 0 and deviation 1; slope 0 is white."""
    fy = np.fft.fftfreq(height)[:, None] * height
    fx = np.fft.rfftfreq(width)[None, :] * width
    radius = np.sqrt(fy * fy + fx * fx)
    radius[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) / radius**slope
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, s=(height, width))
    return (noise / (noise.std() + 1e-9)).astype(np.float32)


def roughen(texels: Uint8Array, noise: npt.NDArray[np.floating], amount: float) -> None:
    """Multiply the colours of texels in place by 1 + amount * noise (H, W)."""
    factor = 1.0 + amount * noise[..., None]
    texels[..., :3] = np.clip(texels[..., :3] * factor, 0, 255).astype(np.uint8)


def draw_box(
    texels: Uint8Array, box: tuple[int, int, int, int], rgb: Color, **channels: int
) -> None:
    """Fill box = (x0, y0, x1, y1); channels are tinted, glow, gloss, lit, all else 0."""
    x0, y0, x1, y1 = box
    part = texels[y0:y1, x0:x1]
    part[..., :3] = rgb
    part[..., 4:] = 0
    for index, name in ((TINTED, 'tinted'), (GLOW, 'glow'), (GLOSS, 'gloss'), (LIT, 'lit')):
        part[..., index] = channels.get(name, 0)


def _bricks(rng: Generator, height: int, width: int) -> Float32Array:
    """Brightness factors (height, width) of a brick wall, 1 on average."""
    course, length = 3, 9
    rows = np.arange(height) // course
    columns = (np.arange(width)[None, :] + (rows[:, None] % 2) * (length // 2)) // length
    tone = rng.normal(1.0, 0.06, (rows.max() + 2, width // length + 3))
    wall = tone[rows[:, None], columns]
    wall[np.arange(height) % course == course - 1] *= 1.12
    return wall.astype(np.float32)


def wall_texture(rng: Generator, height: int, width: int, kind: int) -> Uint8Array:
    """Plain wall: kind 0, 1 brick, 2 render, 3 stone blocks; tinted by the building."""
    texels = texture(height, width, (232, 228, 224))
    texels[..., TINTED] = 255
    dirt = spectral_noise(rng, height, width, 1.2)
    if kind <= 1:
        texels[..., :3] = np.clip(
            texels[..., :3] * _bricks(rng, height, width)[..., None], 0, 255
        ).astype(np.uint8)
    if kind == 3:
        texels[::12, :, :3] = 190
        texels[:, ::24, :3] = 200
    roughen(texels, dirt, 0.06)
    roughen(texels, rng.standard_normal((height, width)), 0.04)
    return texels


def _glass(rng: Generator, texels: Uint8Array, box: tuple[int, int, int, int]) -> None:
    """Window panes with curtains, sky reflection and light on some evenings."""
    x0, y0, x1, y1 = box
    dark = int(rng.integers(15, 60))
    draw_box(texels, box, (dark, dark + 3, dark + 8), gloss=int(rng.integers(40, 130)))
    if rng.random() < 0.5:
        inset = max((x1 - x0) // 5, 1)
        tone = int(rng.integers(90, 190))
        draw_box(texels, (x0, y0, x0 + inset, y1), (tone, tone, tone - 8), gloss=30)
        draw_box(texels, (x1 - inset, y0, x1, y1), (tone, tone, tone - 8), gloss=30)
    if rng.random() < 0.3:
        tone = int(rng.integers(110, 190))
        draw_box(texels, (x0, y0, x1, y0 + (y1 - y0) // 3), (tone, tone - 4, tone - 14), gloss=30)
    pane = texels[y0:y1, x0:x1]
    fall = np.linspace(1.5, 0.4, y1 - y0)[:, None] * rng.uniform(0.5, 1.2)
    pane[..., GLOSS] = np.minimum(pane[..., GLOSS] * fall, 255).astype(np.uint8)
    pane[..., GLOW] = 150
    pane[..., LIT] = 255


def _window(rng: Generator, texels: Uint8Array, box: tuple[int, int, int, int]) -> None:
    """Draw a framed window with sill, lintel and glazing bars."""
    x0, y0, x1, y1 = box
    trim = int(rng.integers(120, 245))
    draw_box(texels, (x0 - 3, y0 - 5, x1 + 3, y0), (trim, trim, trim - 6), tinted=120)
    draw_box(texels, (x0 - 3, y1, x1 + 3, y1 + 3), (trim, trim, trim - 6))
    frame = int(rng.choice([235, 225, 60, 40]))
    draw_box(texels, (x0 - 1, y0, x1 + 1, y1), (frame, frame, frame - 4))
    bars, rows = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    xs = np.linspace(x0, x1, bars + 1).astype(int)
    ys = np.linspace(y0, y1, rows + 1).astype(int)
    for left, right in itertools.pairwise(xs):
        for top, bottom in itertools.pairwise(ys):
            _glass(rng, texels, (int(left) + 1, int(top) + 1, int(right) - 1, int(bottom) - 1))


def storey_tile(rng: Generator) -> Uint8Array:
    """One window bay of one upper storey, about 3 m square: (96, 96, 8)."""
    size = 96
    texels = wall_texture(rng, size, size, int(rng.integers(0, 4)))
    width = int(rng.integers(26, 50))
    top, bottom = int(rng.integers(14, 26)), int(rng.integers(64, 80))
    if rng.random() < 0.25:
        half = width // 2
        _window(rng, texels, (24 - half // 2, top, 24 + half // 2, bottom))
        _window(rng, texels, (72 - half // 2, top, 72 + half // 2, bottom))
    else:
        _window(rng, texels, (48 - width // 2, top, 48 + width // 2, bottom))
    if rng.random() < 0.4:
        tone = int(rng.integers(140, 235))
        draw_box(texels, (0, 90, size, 94), (tone, tone, tone), tinted=150)
    return texels


def office_tile(rng: Generator) -> Uint8Array:
    """Return a bay of a glazed or panelled office front: (96, 96, 8)."""
    texels = wall_texture(rng, 96, 96, 2)
    top = int(rng.integers(8, 36))
    columns = int(rng.integers(2, 6))
    for column in range(columns):
        left = column * 96 // columns + 2
        _glass(rng, texels, (left, top, (column + 1) * 96 // columns - 2, 88))
    return texels


def _letters(
    rng: Generator, texels: Uint8Array, box: tuple[int, int, int, int], rgb: Color
) -> None:
    """Strokes that look like writing from afar."""
    x0, y0, x1, y1 = box
    x = x0
    while x < x1 - 3:
        step = int(rng.integers(3, 7))
        if rng.random() < 0.85:
            texels[y0:y1, x : x + 1, :3] = rgb
            middle = int(rng.integers(y0, y1))
            texels[middle : middle + 2, x : min(x + step - 1, x1), :3] = rgb
        x += step


def shop_tile(rng: Generator) -> Uint8Array:
    """Return a shop front, about 6 m by 3.6 m: (112, 192, 8)."""
    height, width = 112, 192
    texels = wall_texture(rng, height, width, int(rng.integers(0, 4)))
    fascia = tuple(int(value) for value in rng.integers(20, 200, 3))
    if rng.random() < 0.5:
        fascia = (int(rng.integers(20, 60)),) * 3
    frame = tuple(int(value) for value in rng.integers(15, 120, 3))
    draw_box(texels, (4, 10, 188, 100), (frame[0], frame[1], frame[2]))
    draw_box(texels, (4, 10, 188, 30), (fascia[0], fascia[1], fascia[2]), glow=40, lit=255)
    ink = (235, 235, 225) if sum(fascia) < 380 else (30, 30, 40)
    start = int(rng.integers(12, 60))
    _letters(rng, texels, (start, 15, int(rng.integers(100, 180)), 26), ink)
    door = int(rng.choice([8, 80, 150]))
    for left in (8, 44, 80, 116, 152):
        _glass(rng, texels, (left, 34, left + 33, 88))
        texels[34:88, left : left + 33, GLOW] = 255
        for _ in range(5):
            x, y = int(rng.integers(left, left + 26)), int(rng.integers(50, 82))
            rgb = tuple(int(value) for value in rng.integers(20, 200, 3))
            texels[y : y + 6, x : x + 6, :3] = rgb
    draw_box(texels, (door, 36, door + 24, 108), (frame[0], frame[1], frame[2]))
    _glass(rng, texels, (door + 4, 40, door + 20, 90))
    return texels


def ground_tile(rng: Generator) -> Uint8Array:
    """Ground floor of a house with door and window, about 6 m by 3 m: (96, 192, 8)."""
    texels = wall_texture(rng, 96, 192, int(rng.integers(0, 4)))
    _window(rng, texels, (90, 22, int(rng.integers(130, 170)), 68))
    rgb = tuple(int(value) for value in rng.integers(20, 140, 3))
    draw_box(texels, (26, 20, 60, 94), (215, 215, 210))
    draw_box(texels, (30, 24, 56, 94), (rgb[0], rgb[1], rgb[2]), gloss=15)
    _glass(rng, texels, (33, 27, 53, 40))
    return texels


def gable_texture(rng: Generator) -> Uint8Array:
    """Return a triangle of wall under a roof: (96, 192, 8)."""
    texels = wall_texture(rng, 96, 192, 0)
    reach = np.abs(np.arange(192) - 95.5)[None, :]
    texels[..., ALPHA] = np.where(np.arange(96)[:, None] >= reach, 255, 0)
    return texels


def roof_tile(rng: Generator) -> Uint8Array:
    """Rows of slates or tiles: (64, 64, 8)."""
    base = (92, 88, 90) if rng.random() < 0.6 else (120, 78, 62)
    texels = texture(64, 64, base)
    texels[::5, :, :3] = (texels[::5, :, :3] * 0.75).astype(np.uint8)
    roughen(texels, spectral_noise(rng, 64, 64, 0.6), 0.12)
    return texels


def leaf_texture(rng: Generator, height: int, width: int) -> Uint8Array:
    """Foliage without holes, lit from above: (height, width, 8), tinted."""
    clumps = spectral_noise(rng, height, width, 1.1)
    leaves = spectral_noise(rng, height, width, 0.3)
    tone = np.clip(0.55 + 0.2 * clumps + 0.15 * leaves, 0.08, 1.1)
    texels = texture(height, width, (255, 255, 255))
    texels[..., TINTED] = 255
    roughen(texels, tone - 1.0, 1.0)
    return texels


def hedge_texture(rng: Generator) -> Uint8Array:
    """Return a hedge with an uneven top: (96, 256, 8), tinted."""
    texels = leaf_texture(rng, 96, 256)
    top = 6 + 4 * spectral_noise(rng, 1, 256, 1.2)[0]
    rows = np.arange(96)[:, None]
    texels[..., ALPHA] = np.where(rows > top[None, :], 255, 0)
    shade = np.linspace(1.15, 0.55, 96)[:, None] - 1.0
    roughen(texels, np.broadcast_to(shade, (96, 256)), 1.0)
    return texels


def crown_texture(rng: Generator, conifer: bool) -> Uint8Array:
    """Return a leafy crown with holes: (160, 160, 8), tinted."""
    size = 160
    texels = leaf_texture(rng, size, size)
    mask = np.zeros((size, size), np.float32)
    light = np.zeros((size, size), np.float32)
    for _ in range(46):
        radius = int(rng.integers(10, 26))
        if conifer:
            y = float(rng.uniform(8, 150))
            x = 80 + rng.normal(0, 0.16) * y
        else:
            angle, reach = rng.uniform(0, 6.283), 58 * np.sqrt(rng.uniform(0, 1))
            x, y = 80 + reach * np.cos(angle), 80 + reach * np.sin(angle)
        cv2.circle(mask, (int(x), int(y)), radius, 1.0, -1)
        tone = 1.25 - 0.7 * y / size + rng.normal(0, 0.12)
        cv2.circle(light, (int(x), int(y - radius // 3)), radius, float(tone), -1)
    edge = cv2.GaussianBlur(mask, (0, 0), 4.0) + 0.2 * spectral_noise(rng, size, size, 1.0)
    texels[..., ALPHA] = np.where(edge > 0.42, 255, 0)
    roughen(texels, cv2.GaussianBlur(np.maximum(light, 0.4), (0, 0), 3.0) - 1.0, 1.0)
    return texels
