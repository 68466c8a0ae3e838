# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Our depth stream against Depth Anything of `transformers`, with the same random weights."""

from __future__ import annotations

import dataclasses

from depthforge_ros.model.config import DptConfig, NetworkConfig, VitConfig
from depthforge_ros.model.dpt import DptHead
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.patch import to_map
from depthforge_ros.model.presets import PRESETS
from depthforge_ros.model.streams import KnownDepth
import pytest
from support.networks import MINI, mini_network, variant
from support.parity import close, from_transformers, randomize, SIZES
import torch
from torch import Tensor

transformers = pytest.importorskip('transformers', reason='pip install -e .[test]')

RANGES_M = [0.0, 20.0, 80.0]
"""Relative, and the ranges of the indoor and outdoor metric weights."""


def depth_anything(config: DptConfig, encoder: VitConfig) -> torch.nn.Module:
    """Make transformers' model of the same shape, with random weights."""
    theirs = transformers.DepthAnythingForDepthEstimation(
        transformers.DepthAnythingConfig(
            backbone_config=transformers.Dinov2Config(
                hidden_size=encoder.width, num_hidden_layers=encoder.depth, patch_size=14,
                num_attention_heads=encoder.heads, image_size=14 * encoder.position_grid,
                out_indices=[1 + tap for tap in config.taps], reshape_hidden_states=False,
            ),
            reassemble_hidden_size=encoder.width, neck_hidden_sizes=list(config.out_channels),
            fusion_hidden_size=config.features,
            depth_estimation_type='metric' if config.max_depth_m else 'relative',
            max_depth=int(config.max_depth_m) or 1,
        )
    ).eval()  # fmt: skip
    randomize(theirs)
    return theirs


def load_head(ours: DptHead, theirs: torch.nn.Module) -> None:
    names = {
        'projects.': 'neck.reassemble_stage.layers.',
        'resize_layers.': 'neck.reassemble_stage.layers.',
        'scratch.output_conv1': 'head.conv1',
        'scratch.output_conv2.0': 'head.conv2',
        'scratch.output_conv2.2': 'head.conv3',
    }
    for index in range(4):
        names[f'scratch.layer{index + 1}_rn'] = f'neck.convs.{index}'
        names[f'scratch.refinenet{index + 1}'] = f'neck.fusion_stage.layers.{3 - index}'
    names |= {'resConfUnit': 'residual_layer', 'out_conv': 'projection', '.conv': '.convolution'}
    source = theirs.state_dict()
    state = {}
    for name in ours.state_dict():
        other = name
        for old, new in names.items():
            if new == '.convolution' and 'residual_layer' not in other:
                continue
            other = other.replace(old, new)
        kind = {'projects': '.projection.', 'resize_layers': '.resize.'}.get(name.split('.')[0])
        if kind:
            head, last = other.rsplit('.', 1)
            other = f'{head}{kind}{last}'
        state[name] = source[other]
    ours.load_state_dict(state)


@pytest.mark.parametrize('grid', [(5, 5), (4, 7), (8, 3)])
@pytest.mark.parametrize('max_depth_m', RANGES_M)
@torch.no_grad()
def test_depth_head_is_depth_anything(grid: tuple[int, int], max_depth_m: float) -> None:
    config = DptConfig(
        features=16,
        out_channels=(8, 16, 24, 32),
        taps=(0, 1, 2, 3),
        max_depth_m=max_depth_m,
    )
    theirs = depth_anything(config, VitConfig(width=48, depth=4, heads=4, position_grid=5))
    ours = DptHead(config, 48).eval()
    load_head(ours, theirs)
    maps = [torch.randn(2, 1 + grid[0] * grid[1], 48) for _ in range(4)]
    expected = theirs.head(theirs.neck(maps, *grid), *grid)
    size = 14 * grid[0], 14 * grid[1]
    depth = ours([to_map(x[:, 1:], grid) for x in maps], size).depth_BHW
    assert float(expected.std()) > 0.0
    close(depth, expected)


def depth_stream(config: NetworkConfig, image: Tensor) -> tuple[Tensor, Tensor]:
    """Answer of the whole depth stream: ours, theirs."""
    theirs = depth_anything(
        dataclasses.replace(config.dpt, taps=config.depth_taps), config.encoder
    )
    ours = DepthForge(config, 3).eval()
    ours.depth_encoder = from_transformers(theirs.backbone, config.encoder)
    load_head(ours.depth_head, theirs)
    depth = KnownDepth.of(ours.depth_steps(image))
    return depth.maps().depth_BHW, theirs(image).predicted_depth


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('max_depth_m', RANGES_M)
@torch.no_grad()
def test_depth_stream_is_depth_anything(
    size: tuple[int, int], max_depth_m: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # transformers resizes the position embedding without upstream's offset of 0.1.
    monkeypatch.setattr('depthforge_ros.model.vit.POSITION_OFFSET', 0.0)
    config = variant(
        encoder=VitConfig(width=48, depth=5, heads=4, position_grid=5),
        dpt=DptConfig(
            features=16, out_channels=(8, 16, 24, 32), taps=(0, 2, 3, 4), max_depth_m=max_depth_m
        ),
    )
    depth, expected = depth_stream(config, torch.randn(2, 3, *size))
    close(1.0 / depth if max_depth_m else depth, expected)


@torch.no_grad()
def test_depth_stream_of_the_small_preset_is_depth_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('depthforge_ros.model.vit.POSITION_OFFSET', 0.0)
    preset = PRESETS['depthforge_small']
    config = dataclasses.replace(
        preset,
        encoder=dataclasses.replace(preset.encoder, depth=4),
        taps=(0, 1, 2, 3),
        head=MINI.head,
    )
    depth, expected = depth_stream(config, torch.randn(1, 3, 70, 98))
    close(depth, expected)


@torch.no_grad()
def test_metric_depth_is_given_as_its_inverse() -> None:
    dpt = DptConfig(features=8, out_channels=(8, 8, 8, 8), max_depth_m=80.0)
    metric, relative = mini_network(variant(dpt=dpt)), mini_network()
    image = torch.randint(0, 256, (1, 56, 70, 3), dtype=torch.uint8)
    inverse = metric(image).inverse_depth_BHW
    assert float(inverse.min()) >= 1.0 / 80.0
    assert not torch.allclose(inverse, relative(image).inverse_depth_BHW)
    # A pixel that touches the camera has a large inverse depth, not an infinite one.
    metric.depth_head.scratch.output_conv2[2].bias.fill_(-1e4)
    assert bool(metric(image).inverse_depth_BHW.isfinite().all())


@pytest.mark.parametrize(
    ('name', 'millions'),
    [('depthforge_small', 24.8), ('depthforge_base', 97.5), ('depthforge_large', 335.3)],
)
def test_presets_have_the_published_size_of_depth_anything_v2(name: str, millions: float) -> None:
    with torch.device('meta'):
        network = DepthForge(PRESETS[name], 19)
    parts = (network.depth_encoder, network.depth_head)
    count = sum(parameter.numel() for part in parts for parameter in part.parameters())
    assert round(count / 1e6, 1) == millions
