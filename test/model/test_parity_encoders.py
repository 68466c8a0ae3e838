# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Our encoders against independent ones with the same random weights, block by block."""

from __future__ import annotations

from depthforge_ros.model.config import Eva02Config, VitConfig
from depthforge_ros.model.eva02 import Eva02
from depthforge_ros.model.vit import VisionTransformer
import pytest
from support.eva02_reference import eva02_blocks, positions
from support.parity import close, from_transformers, randomize, SIZES
import torch

transformers = pytest.importorskip('transformers', reason='pip install -e .[test]')

DINOV2 = {
    'hidden_size': 48, 'num_hidden_layers': 4, 'num_attention_heads': 4, 'patch_size': 14,
    'image_size': 70, 'out_indices': [1, 2, 3, 4], 'apply_layernorm': False,
    'reshape_hidden_states': False,
}  # fmt: skip


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_encoder_is_dinov2(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    # transformers resizes the position embedding without upstream's offset of 0.1.
    monkeypatch.setattr('depthforge_ros.model.vit.POSITION_OFFSET', 0.0)
    theirs = transformers.Dinov2Backbone(transformers.Dinov2Config(**DINOV2)).eval()
    randomize(theirs)
    ours = from_transformers(theirs, VitConfig(width=48, depth=4, heads=4, position_grid=5))
    image = torch.randn(2, 3, *size)
    x = ours.embed(image)
    for block, expected in zip(ours.blocks, theirs(image).feature_maps, strict=True):
        x = block(x)
        close(x, expected)


@pytest.mark.parametrize('grid', [(4, 7), (8, 3), (37, 25)])
@torch.no_grad()
def test_positions_are_shifted_as_those_of_official_dinov2(grid: tuple[int, int]) -> None:
    ours = VisionTransformer(VitConfig(width=48, depth=1, heads=4, position_grid=5))
    stored = ours.pos_embed[0].double().numpy()
    plain, shifted = (
        torch.from_numpy(positions(stored, grid, offset)).float() for offset in (0.0, 0.1)
    )
    close(ours.position_embedding(grid)[0], shifted, tolerance=1e-6)
    assert float((plain - shifted).abs().max()) > 1e-4


@pytest.mark.parametrize('registers', [1, 4])
@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_encoder_with_registers_is_dinov2_with_registers(
    size: tuple[int, int], registers: int
) -> None:
    config = transformers.Dinov2WithRegistersConfig(**DINOV2, num_register_tokens=registers)
    theirs = transformers.Dinov2WithRegistersBackbone(config).eval()
    randomize(theirs)
    ours = from_transformers(
        theirs,
        VitConfig(width=48, depth=4, heads=4, position_grid=5, registers=registers),
    )
    assert ours.prefix == 1 + registers
    image = torch.randn(2, 3, *size)
    x = ours.embed(image)
    for block, expected in zip(ours.blocks, theirs(image).feature_maps, strict=True):
        x = block(x)
        close(x, expected)
    close(ours.norm(x), theirs.layernorm(expected))


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('rope_grid', [5, 16])
@torch.no_grad()
def test_encoder_is_eva02(size: tuple[int, int], rope_grid: int) -> None:
    config = Eva02Config(width=48, depth=3, heads=4, position_grid=5, rope_grid=rope_grid)
    ours = Eva02(config).eval()
    randomize(ours)
    images = torch.randn(2, 3, *size)
    state = {name: value.double().numpy() for name, value in ours.state_dict().items()}
    expected = [
        eva02_blocks(state, image.double().numpy(), heads=4, patch=14, rope_grid=rope_grid)
        for image in images
    ]
    x = ours.embed(images)
    blocks = ours.blocks_for((size[0] // 14, size[1] // 14))
    for block, *reference in zip(blocks, *expected, strict=True):
        x = block(x)
        close(x, torch.stack([torch.from_numpy(array).float() for array in reference]))


def test_eva02_large_has_upstream_size_and_names() -> None:
    with torch.device('meta'):
        encoder = Eva02(Eva02Config())
    shapes = {name: tuple(value.shape) for name, value in encoder.state_dict().items()}
    assert shapes['blocks.23.mlp.fc1_g.weight'] == shapes['blocks.23.mlp.fc1_x.weight']
    assert shapes['blocks.0.mlp.norm.weight'] == (2730,)
    assert 'blocks.0.attn.k_proj.bias' not in shapes
    assert not any('rope' in name for name in shapes)
    # timm counts 305.08 million with 1000 classes and positions for 448 x 448 pixels.
    head, positions = 1000 * 1025, (32**2 - 16**2) * 1024
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert round((count + head + positions) / 1e6, 2) == 305.08
