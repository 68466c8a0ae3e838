# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The bank of all textures, built once per process from a fixed seed."""

from __future__ import annotations

import functools

from depthforge_trainer.street import figures, textures
from depthforge_trainer.street.atlas import Atlas, GLOW, texture, TINTED
from depthforge_trainer.street.camera import Float32Array, Uint8Array
from depthforge_trainer.street.vehicles import vehicle_textures
import numpy as np

_SEED = 20260
GROUND_TILE = 512
CLOUD_TILE = 512


@functools.cache
def atlas() -> Atlas:
    """All textures; the same in every process."""
    rng = np.random.default_rng(_SEED)
    bank: dict[str, Uint8Array] = {}
    for index in range(textures.WALL_TILES):
        bank[f'house{index}'] = textures.storey_tile(rng)
        bank[f'office{index}'] = textures.office_tile(rng)
        bank[f'wall{index}'] = textures.wall_texture(rng, 96, 192, index % 4)
    for index in range(textures.SHOP_TILES):
        bank[f'shop{index}'] = textures.shop_tile(rng)
        bank[f'ground{index}'] = textures.ground_tile(rng)
        bank[f'roof{index}'] = textures.roof_tile(rng)
        bank[f'hedge{index}'] = textures.hedge_texture(rng)
    for index in range(textures.CROWNS):
        bank[f'leafy{index}'] = textures.crown_texture(rng, conifer=False)
        bank[f'conifer{index}'] = textures.crown_texture(rng, conifer=True)
    bank.update(_figures(rng))
    bank.update(vehicle_textures(rng))
    return Atlas(bank)


def _figures(rng: np.random.Generator) -> dict[str, Uint8Array]:
    bank: dict[str, Uint8Array] = {'bark': figures.bark_texture(rng)}
    bank['gable'] = textures.gable_texture(rng)
    bank['pole'] = figures.pole_texture()
    bank['plain'] = texture(8, 8, (255, 255, 255))
    bank['plain'][..., TINTED] = 255
    bank['lamp'] = texture(8, 8, (255, 225, 170))
    bank['lamp'][..., GLOW] = 255
    for index in range(figures.BARE_TREES):
        bank[f'bare{index}'] = figures.bare_tree_texture(rng)
    for index in range(figures.FENCES):
        bank[f'fence{index}'] = figures.fence_texture(rng, index)
    for index in range(figures.BOARDS):
        bank[f'board{index}'] = figures.board_texture(rng, index)
    for index in range(figures.LIGHTS):
        bank[f'light{index}'] = figures.light_texture(index)
    for index in range(figures.PEOPLE):
        for stride, texels in enumerate(figures.walker_textures(rng)):
            bank[f'walker{index}_{stride}'] = texels
    for index in range(figures.CYCLISTS):
        bank[f'cyclist_side{index}'] = figures.cyclist_side_texture(rng)
        bank[f'cyclist_back{index}'] = figures.cyclist_back_texture(rng)
    return bank


@functools.cache
def ground_tiles() -> Float32Array:
    """Brightness factors of asphalt, paving, grass, coarse stains: (4, 512, 512) float32."""
    rng = np.random.default_rng(_SEED + 1)
    size = GROUND_TILE
    fine = textures.spectral_noise(rng, size, size, 0.15)
    stains = textures.spectral_noise(rng, size, size, 1.5)
    asphalt = 1.0 + 0.14 * fine + 0.05 * textures.spectral_noise(rng, size, size, 1.0)
    paving = 1.0 + 0.06 * fine + 0.04 * stains
    step = size // 16
    tone = rng.normal(1.0, 0.05, (16, 16)).astype(np.float32)
    paving *= np.kron(tone, np.ones((step, step), np.float32))
    paving[::step] *= 0.72
    paving[:, ::step] *= 0.72
    grass = 1.0 + 0.22 * textures.spectral_noise(rng, size, size, 0.5) + 0.08 * stains
    return np.stack([asphalt, paving, grass, 1.0 + 0.1 * stains]).astype(np.float32)


@functools.cache
def cloud_tile() -> Float32Array:
    """Tileable cloud density: (512, 512) float32, mean 0, deviation 1."""
    rng = np.random.default_rng(_SEED + 2)
    return textures.spectral_noise(rng, CLOUD_TILE, CLOUD_TILE, 1.9)
