# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Foundation weights as a network of ours."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.labels import CAMVID
from depthforge_ros.model.checkpoint import load_strictly, read_frozen
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.patch import resize_patch_kernel

KERNEL = 'depth_encoder.patch_embed.proj.weight'


def load_teacher(path: str) -> DepthForge:
    """Depth Anything V2 Small; the segmentation part is fresh and not meant to be used."""
    network = DepthForge(NetworkConfig(shared_encoder=True), len(CAMVID))
    load_foundation(network, Path(path))
    return network.eval().requires_grad_(False)


def load_foundation(network: DepthForge, path: Path) -> None:
    """
    Fill the depth encoder and head, and the visual encoder with the depth encoder's weights.

    `path` holds Depth Anything V2 weights (official names), or is a checkpoint of ours. Its patch
    kernel is resized to the network's patch.
    """
    tensors = read_frozen(path)
    if KERNEL in tensors:
        patch = network.config.encoder.patch
        tensors[KERNEL] = resize_patch_kernel(tensors[KERNEL].float(), patch)
    for part in ('depth_encoder', 'depth_head'):
        own = {
            name.removeprefix(f'{part}.'): value
            for name, value in tensors.items()
            if name.startswith(f'{part}.')
        }
        load_strictly(getattr(network, part), own, source=path)
    if not network.config.shared_encoder:
        network.visual_encoder.load_state_dict(network.depth_encoder.state_dict())
