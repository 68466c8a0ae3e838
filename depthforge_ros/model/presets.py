# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The named sizes: Depth Anything V2 beside DINOv2 or EVA02; the decoder takes depth.

`PUBLISHED` has the paper's forms of the same sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

from depthforge_ros.model.config import (
    DptConfig,
    Eva02Config,
    HeadConfig,
    NetworkConfig,
    VitConfig,
)

VIT_SMALL = VitConfig(width=384, depth=12, heads=6)
VIT_BASE = VitConfig(width=768, depth=12, heads=12)
VIT_LARGE = VitConfig(width=1024, depth=24, heads=16)
EVA02_LARGE = Eva02Config(width=1024, depth=24, heads=16)

DPT_SMALL = DptConfig(features=64, out_channels=(48, 96, 192, 384))
DPT_BASE = DptConfig(features=128, out_channels=(96, 192, 384, 768))
DPT_LARGE = DptConfig(features=256, out_channels=(256, 512, 1024, 1024), taps=(4, 11, 17, 23))

WITH_DEPTH = HeadConfig(depth='fused')

SHORT_SIDE = 518
"""Pixels; 37 patches, what the position embeddings are stored for."""


def depthforge_small() -> NetworkConfig:
    """DINOv2-S beside Depth Anything V2 Small."""
    return NetworkConfig(
        encoder=VIT_SMALL,
        taps=(2, 5, 8, 11),
        head=WITH_DEPTH,
        dpt=DPT_SMALL,
        short_side=SHORT_SIDE,
    )


def depthforge_base() -> NetworkConfig:
    """DINOv2-B beside Depth Anything V2 Base."""
    return dataclasses.replace(depthforge_small(), encoder=VIT_BASE, dpt=DPT_BASE)


def depthforge_large() -> NetworkConfig:
    """DINOv2-L beside Depth Anything V2 Large."""
    return NetworkConfig(
        encoder=VIT_LARGE,
        taps=(7, 11, 15, 23),
        head=WITH_DEPTH,
        dpt=DPT_LARGE,
        short_side=SHORT_SIDE,
    )


def depthforge_eva02_large() -> NetworkConfig:
    """EVA02-L beside Depth Anything V2 Large."""
    return dataclasses.replace(depthforge_large(), visual=EVA02_LARGE)


PRESETS: Mapping[str, NetworkConfig] = {
    make.__name__: make()
    for make in (depthforge_small, depthforge_base, depthforge_large, depthforge_eva02_large)
}

PUBLISHED: Mapping[str, NetworkConfig] = {
    name: dataclasses.replace(config, head=HeadConfig()) for name, config in PRESETS.items()
}
"""By the same names: depth reaches the masks by the tokens alone."""
