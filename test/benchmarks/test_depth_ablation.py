# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the ablation gives the decoder: a frame's own visual features, and the depth it names."""

from __future__ import annotations

import dataclasses

from depth_ablation import DepthFrom, gains
from depthforge_ros.model.answer import Answering
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.streams import KnownDepth
import pytest
from support.networks import DENSE, MINI, mini_network
import torch

APART = dataclasses.replace(DENSE, shared_encoder=False, tokens=MINI.tokens)


@pytest.mark.parametrize('config', [DENSE, APART], ids=['one encoder', 'two encoders'])
def test_depth_is_own_anothers_or_constant(config: NetworkConfig) -> None:
    network = mini_network(config)
    side = 4 * config.encoder.patch
    frames = torch.randint(0, 256, (2, 1, side, side, 3), dtype=torch.uint8)
    source = DepthFrom(Answering(network), len(frames))

    def answers(depth: str) -> list[torch.Tensor]:
        source.depth = depth
        found = []
        for index, frame in enumerate(frames):
            source.look_at(frame[0].numpy(), index)
            found.append(source(frame))
        return [torch.stack([one.confidence_BHW, one.inverse_depth_BHW]) for one in found]

    with torch.inference_mode():
        own, other, constant = (answers(depth) for depth in ('own', 'other', 'constant'))
        seen = [KnownDepth.of(network.depth_steps(network.normalize(one))) for one in frames]
        for index, frame in enumerate(frames):
            for found, depth in ((own, seen[index]), (other, seen[1 - index])):
                decoded = network.decode(frame, depth)
                expected = Answering(network).answer(decoded, (side, side))
                torch.testing.assert_close(
                    found[index][0], expected.confidence_BHW, atol=5e-3, rtol=0
                )
            assert float(constant[index][1].std()) < 1e-3
            assert not torch.allclose(constant[index][0], own[index][0], atol=1e-3)


def test_the_headline_is_of_the_unseen_sets() -> None:
    rows = [
        {'model': 'depthforge_small', 'set': name, 'own': own, 'other': 50.0}
        for name, own in (('camvid_test', 90.0), ('kitti', 51.0), ('bdd10k', 53.0))
    ]
    assert gains(rows)['unseen_gain'] == 2.0
