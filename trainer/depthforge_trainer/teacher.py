# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Foundation weights as a network of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.labels import CITYSCAPES
from depthforge_ros.model.checkpoint import (
    as_parts,
    DEPTH_PARTS,
    FORMAT,
    load_strictly,
    read_foundation,
    read_frozen,
)
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.parts import read_safetensors
from depthforge_ros.model.patch import resize_patch_kernel
from depthforge_ros.model.vit import VisionTransformer
from torch import Tensor

KERNEL = 'patch_embed.proj.weight'


def load_teacher(path: str) -> DepthForge:
    """Depth Anything V2 Small; its segmentation part is fresh and not meant to be used."""
    network = DepthForge(NetworkConfig(shared_encoder=True), len(CITYSCAPES))
    load_foundation(network, Path(path))
    return network.eval().requires_grad_(False)


def load_foundation(network: DepthForge, path: Path, visual: Path | None = None) -> None:
    """
    Fill the depth encoder and head from `path`, and the visual encoder from `visual`.

    `path` holds Depth Anything V2 weights (official names), or is a checkpoint of ours; `visual`
    holds DINOv2 or EVA02, or is a checkpoint of ours. Without it the visual encoder gets the depth
    encoder's weights. Patch kernels are resized to the network's patches.
    """
    load_depth(network, path)
    if visual is not None:
        _fill(network, 'visual_encoder', _visual(visual), visual)
    elif not network.config.shared_encoder:
        visual_from_depth(network)


def load_depth(network: DepthForge, path: Path) -> None:
    """Fill the depth encoder and head from `path`, see `load_foundation`."""
    tensors = read_frozen(path)
    for part in DEPTH_PARTS:
        _fill(network, part, tensors, path)


def visual_from_depth(network: DepthForge) -> None:
    """Give the visual encoder the depth encoder's weights; its patch may be another."""
    if not isinstance(network.visual, VisionTransformer):
        raise UserError(
            "the visual encoder is not of the depth encoder's kind, and no weights were given for "
            'it; give visual_foundation'
        )
    weights = network.depth_encoder.state_dict()
    tensors = {f'visual_encoder.{name}': value for name, value in weights.items()}
    _fill(network, 'visual_encoder', tensors, Path('the depth encoder'))


def _visual(path: Path) -> dict[str, Tensor]:
    metadata, tensors = read_safetensors(path)
    if metadata.get('format') == FORMAT:
        return tensors
    return as_parts(read_foundation(path), 'visual_encoder')


def _fill(network: DepthForge, part: str, tensors: Mapping[str, Tensor], path: Path) -> None:
    own = {
        name.removeprefix(f'{part}.'): value
        for name, value in tensors.items()
        if name.startswith(f'{part}.')
    }
    if KERNEL in own:
        patch = getattr(network, part).config.patch
        own[KERNEL] = resize_patch_kernel(own[KERNEL].float(), patch)
    load_strictly(getattr(network, part), own, source=path)
