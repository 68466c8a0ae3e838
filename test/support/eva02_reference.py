# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
EVA02 once more, in NumPy and double precision, for the test of `depthforge_ros.model.eva02`.

Written from reading two implementations, without taking their code: timm/models/eva.py and
timm/layers/pos_embed_sincos.py of huggingface/pytorch-image-models (Apache-2.0), whose model
`eva02_large_patch14_448` gives `state` its names; and EVA-02/seg/backbone/eva2.py of
baaivision/EVA (MIT), whose scripts resize position embeddings without antialiasing. It goes patch
by patch and head by head, and turns channels as complex numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def eva02_blocks(
    state: Mapping[str, Array], image: Array, *, heads: int, patch: int, rope_grid: int
) -> list[Array]:
    """Compute the tokens (1 + h w, C) that leave every block, for one image (3, H, W)."""
    grid = image.shape[1] // patch, image.shape[2] // patch
    rows = [state['cls_token'][0, 0]]
    for i in range(grid[0]):
        for j in range(grid[1]):
            cut = image[:, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]
            kernel = state['patch_embed.proj.weight']
            rows.append((kernel * cut).sum((1, 2, 3)) + state['patch_embed.proj.bias'])
    x = np.stack(rows) + positions(state['pos_embed'][0], grid)
    turns = phases(grid, pairs=x.shape[1] // heads // 2, rope_grid=rope_grid)
    outputs = []
    for number in range(1 + max(int(k.split('.')[1]) for k in state if k.startswith('blocks'))):
        block = {
            name.removeprefix(f'blocks.{number}.'): value
            for name, value in state.items()
            if name.startswith(f'blocks.{number}.')
        }
        x = x + attention(block, norm(block, 'norm1', x), heads, turns)
        x = x + feed_forward(block, norm(block, 'norm2', x))
        outputs.append(x)
    return outputs


def phases(grid: tuple[int, int], *, pairs: int, rope_grid: int) -> npt.NDArray[np.complex128]:
    """Make a unit complex number of every token and channel pair."""
    out = np.ones((1 + grid[0] * grid[1], pairs), np.complex128)
    for i in range(grid[0]):
        for j in range(grid[1]):
            for k in range(pairs // 2):
                frequency = 10000.0 ** (-2.0 * k / pairs)
                row = frequency * i * rope_grid / grid[0]
                column = frequency * j * rope_grid / grid[1]
                out[1 + i * grid[1] + j, k] = complex(math.cos(row), math.sin(row))
                out[1 + i * grid[1] + j, pairs // 2 + k] = complex(
                    math.cos(column), math.sin(column)
                )
    return out


def attention(
    block: Mapping[str, Array], x: Array, heads: int, turns: npt.NDArray[np.complex128]
) -> Array:
    query = x @ block['attn.q_proj.weight'].T + block['attn.q_proj.bias']
    key = x @ block['attn.k_proj.weight'].T
    value = x @ block['attn.v_proj.weight'].T + block['attn.v_proj.bias']
    wide = x.shape[1] // heads
    mixed = []
    for start in range(0, x.shape[1], wide):
        part = slice(start, start + wide)
        q, k = ((y[:, part][:, ::2] + 1j * y[:, part][:, 1::2]) * turns for y in (query, key))
        # The real part of a product with a conjugate is the scalar product of the pairs.
        scores = (q @ k.conj().T).real / math.sqrt(wide)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        mixed.append(weights / weights.sum(1, keepdims=True) @ value[:, part])
    return np.concatenate(mixed, 1) @ block['attn.proj.weight'].T + block['attn.proj.bias']


def feed_forward(block: Mapping[str, Array], x: Array) -> Array:
    gate = x @ block['mlp.fc1_g.weight'].T + block['mlp.fc1_g.bias']
    straight = x @ block['mlp.fc1_x.weight'].T + block['mlp.fc1_x.bias']
    inner = norm(block, 'mlp.norm', gate / (1.0 + np.exp(-gate)) * straight)
    return inner @ block['mlp.fc2.weight'].T + block['mlp.fc2.bias']


def norm(block: Mapping[str, Array], name: str, x: Array) -> Array:
    centred = x - x.mean(1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-6)
    return unit * block[f'{name}.weight'] + block[f'{name}.bias']


def positions(stored: Array, grid: tuple[int, int], offset: float = 0.0) -> Array:
    """Resize the positions, (1 + S S, C), bicubically, the first one untouched."""
    side = math.isqrt(stored.shape[0] - 1)
    image = stored[1:].reshape(side, side, -1)
    rows, columns = (cubic(side, cells, offset) for cells in grid)
    resized = np.einsum('is,jt,stc->ijc', rows, columns, image)
    return np.concatenate((stored[:1], resized.reshape(-1, stored.shape[1])))


def cubic(stored: int, wanted: int, offset: float) -> Array:
    """Make weights (wanted, stored) of cubic convolution, a = -0.75, with repeated borders."""
    weights = np.zeros((wanted, stored))
    for i in range(wanted):
        place = (i + 0.5) * stored / (wanted + offset) - 0.5
        for tap in range(math.floor(place) - 1, math.floor(place) + 3):
            weights[i, min(max(tap, 0), stored - 1)] += keys(abs(place - tap))
    return weights


def keys(distance: float, a: float = -0.75) -> float:
    if distance <= 1.0:
        return (a + 2.0) * distance**3 - (a + 3.0) * distance**2 + 1.0
    return a * distance**3 - 5.0 * a * distance**2 + 8.0 * a * distance - 4.0 * a
