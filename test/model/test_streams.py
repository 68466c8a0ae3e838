# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Two streams whose encoders differ: EVA02 or registers on one side."""

from __future__ import annotations

import dataclasses
import json

from depthforge_ros.model.config import (
    DptConfig,
    Eva02Config,
    HeadConfig,
    NetworkConfig,
    VitConfig,
)
from depthforge_ros.model.eva02 import Eva02
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.presets import PRESETS, PUBLISHED
from depthforge_ros.model.streams import in_parallel, KnownDepth
import pytest
from support.networks import MINI, mini_network, variant
from support.refusals import refused
import torch
from torch import nn, Tensor
from torch.export import Dim, export

EVA02 = Eva02Config(width=48, depth=4, heads=4, position_grid=5)
REGISTERS = dataclasses.replace(MINI.encoder, registers=4)
STREAMS = {
    'eva02': variant(visual=EVA02),
    'visual registers': variant(visual=REGISTERS),
    'both registers': variant(encoder=REGISTERS),
    'shared registers': variant(encoder=REGISTERS, shared_encoder=True),
    'metric, registers, other taps': variant(
        encoder=dataclasses.replace(REGISTERS, depth=5),
        dpt=dataclasses.replace(MINI.dpt, taps=(0, 2, 3, 4), max_depth_m=80.0),
    ),
}


def images(batch: int) -> Tensor:
    return torch.randint(0, 256, (batch, 56, 98, 3), dtype=torch.uint8)


@pytest.mark.parametrize('config', STREAMS.values(), ids=STREAMS)
@torch.no_grad()
def test_streams_side_by_side_equal_one_after_the_other(config: NetworkConfig) -> None:
    network = mini_network(config)
    image = network.normalize(images(2))
    known = KnownDepth.of(network.depth_steps(image))
    expected = network.visual_taps(image, known)
    tokens = network.depth_encoder.prefix + 28
    with in_parallel(lambda: network.depth_steps(image), config.encoder.depth) as depth:
        for ours, other in zip(network.visual_taps(image, depth), expected, strict=True):
            torch.testing.assert_close(ours, other, atol=1e-5, rtol=1e-5)
        for block in range(config.encoder.depth):
            assert tuple(depth.block(block).shape) == (2, tokens, 48)
            torch.testing.assert_close(depth.block(block), known.block(block))
        for ours, other in zip(depth.maps(), known.maps(), strict=True):
            torch.testing.assert_close(ours, other)


class Streams(nn.Module):
    """The network without the segmentation head, which is the same for all encoders."""

    def __init__(self, network: DepthForge) -> None:
        super().__init__()
        self.network = network

    def forward(self, image_BHW3: Tensor) -> tuple[Tensor, ...]:
        image = self.network.normalize(image_BHW3)
        depth = KnownDepth.of(self.network.depth_steps(image))
        return *self.network.visual_taps(image, depth), *depth.maps()


@pytest.mark.parametrize('name', ['eva02', 'metric, registers, other taps'])
@torch.no_grad()
def test_exported_streams_answer_as_the_streams_for_every_batch(name: str) -> None:
    streams = Streams(mini_network(STREAMS[name]).fold())
    shapes = {'image_BHW3': {0: Dim('batch', min=1, max=6)}}
    program = export(streams, (images(2),), dynamic_shapes=shapes).module()
    for batch in (1, 3):
        frames = images(batch)
        for ours, expected in zip(program(frames), streams(frames), strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_eva02_is_built_for_the_visual_stream_only() -> None:
    with torch.device('meta'):
        network = DepthForge(PRESETS['depthforge_eva02_large'], 19)
    assert isinstance(network.visual, Eva02)
    assert sum(parameter.numel() for parameter in network.tokens.parameters()) == 2_990_081
    assert not isinstance(network.depth_encoder, Eva02)


@pytest.mark.parametrize('name', PRESETS)
def test_named_models_take_depth_in_the_decoder_and_published_ones_do_not(name: str) -> None:
    ours, published = PRESETS[name], PUBLISHED[name]
    assert (ours.head.depth, published.head) == ('fused', HeadConfig())
    assert dataclasses.replace(ours, head=published.head) == published
    with torch.device('meta'):
        added = {*DepthForge(ours, 19).state_dict()} - {*DepthForge(published, 19).state_dict()}
    assert {key.rpartition('.')[0] for key in added} == {
        f'refinement.geometry.{part}' for part in ('fused_norm', 'project', 'norm')
    }


@pytest.mark.parametrize('config', [*STREAMS.values(), *PRESETS.values()])
def test_configurations_survive_json(config: NetworkConfig) -> None:
    assert NetworkConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_checkpoints_from_before_these_fields_load() -> None:
    fields = MINI.to_json()
    del fields['visual'], fields['encoder']['registers']
    del fields['dpt']['taps'], fields['dpt']['max_depth_m']
    assert NetworkConfig.from_json(fields) == MINI


def stored(**changes: object) -> NetworkConfig:
    return NetworkConfig.from_json({**MINI.to_json(), **changes})


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda: variant(visual=Eva02Config()), ['width 1024', 'width 48']),
        (lambda: variant(visual=VitConfig(width=48, depth=5, heads=4)), ['depth 5', 'depth 4']),
        (
            lambda: variant(visual=dataclasses.replace(EVA02, patch=16)),
            ['patch 16', 'patch 14', 'multiple', 'resize_patch_kernel'],
        ),
        (lambda: variant(visual=EVA02, shared_encoder=True), ['shared_encoder']),
        (lambda: Eva02Config(width=48, heads=16), ['48', '16', 'multiple']),
        (lambda: DptConfig(max_depth_m=-1.0), ['-1.0', 'metres']),
        (lambda: variant(dpt=DptConfig(taps=(0, 1, 2, 4))), ['(0, 1, 2, 4)', '4']),
        (lambda: stored(visual={'width': 48}), ['None', 'dinov2', 'eva02']),
        (lambda: stored(visual={'kind': 'sam'}), ['sam', 'dinov2', 'eva02']),
        (lambda: stored(visual={'kind': 'eva02', 'registers': 4}), ['Eva02Config', 'registers']),
    ],
)
def test_streams_that_do_not_fit_are_refused_in_one_line(make: object, words: list[str]) -> None:
    with refused(*words):
        make()  # type: ignore[operator]
