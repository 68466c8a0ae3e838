# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A miniature network with random weights, for tests of everything but accuracy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from depthforge_ros.engine.null import NullEngine
from depthforge_ros.labels import CAMVID, LabelSpace
from depthforge_ros.model.checkpoint import save_checkpoint
from depthforge_ros.model.config import (
    DptConfig,
    HeadConfig,
    NetworkConfig,
    TokenConfig,
    VitConfig,
)
from depthforge_ros.model.network import DepthForge
from depthforge_ros.preprocess import Preprocess
import torch

MINI = NetworkConfig(
    encoder=VitConfig(width=48, depth=4, heads=4, position_grid=5),
    taps=(0, 1, 2, 3),
    tokens=TokenConfig(count=12, rank=4, scale_init=0.1),
    head=HeadConfig(
        width=64, attention_heads=4, pixel_layers=1, pixel_ffn=32, decoder_layers=3, decoder_ffn=32
    ),
    dpt=DptConfig(features=8, out_channels=(8, 8, 8, 8)),
    short_side=56,
)


DENSE = dataclasses.replace(
    MINI,
    encoder=VitConfig(width=48, depth=4, heads=4, patch=16, position_grid=4, stem=(8, 12, 16)),
    shared_encoder=True,
    tokens=dataclasses.replace(MINI.tokens, first_block=4),
    head=HeadConfig(kind='dense', depth='fused', normed=True, gate_on='grid', width=64),
    dpt=dataclasses.replace(MINI.dpt, from_stem=True, full_size=False),
    short_side=64,
)
"""Every form that `depthforge_tiny` has: a stem, one encoder, no tokens, the dense head."""

SHORT = dataclasses.replace(
    MINI,
    shared_encoder=True,
    tokens=dataclasses.replace(MINI.tokens, first_block=4),
    head=HeadConfig(kind='dense', depth='fused', width=64),
)
"""The fewest operations: for tests that compile any network, in half the time."""

WITH_DEPTH = dataclasses.replace(MINI, head=dataclasses.replace(MINI.head, depth='fused'))
"""Two streams and queries; the decoder takes depth."""

DEPTH_FORMS = {'dense': DENSE, 'with_depth': WITH_DEPTH}


def mini_network(config: NetworkConfig = MINI) -> DepthForge:
    """Make a network whose every parameter matters."""
    torch.manual_seed(0)
    network = DepthForge(config, len(CAMVID)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if float(parameter.abs().max()) == 0.0:
                parameter.normal_(std=0.1)
    return network


def mini_checkpoint(
    path: Path, config: NetworkConfig = MINI, *, foundation: str | None = None
) -> DepthForge:
    """Save a miniature network; returns it."""
    network = mini_network(config)
    save_checkpoint(
        path, network, label_space=CAMVID, provenance={'data': 'none'}, foundation=foundation
    )
    return network


def variant(**changes: object) -> NetworkConfig:
    """Copy the miniature configuration with some fields changed."""
    return dataclasses.replace(MINI, **changes)  # type: ignore[arg-type]


CLASSES = 300
MANY = LabelSpace(
    'many', tuple(map(str, range(CLASSES))), tuple((i % 256, i // 256, 7) for i in range(CLASSES))
)


def many_classes() -> NullEngine:
    """Make an engine that answers with more classes than a byte has."""
    engine = NullEngine('many', Preprocess(patch=16, short_side=48))
    engine.label_space = MANY
    return engine
