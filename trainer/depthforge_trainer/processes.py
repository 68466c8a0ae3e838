# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Devices, precision, processes and memory of a run; the first three by Lightning Fabric."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
import os

from depthforge_ros.errors import UserError
from depthforge_ros.model.eva02 import Eva02
from depthforge_ros.model.vit import VisionTransformer
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
import torch
from torch.utils.checkpoint import checkpoint

PRECISIONS = ('32-true', 'bf16-mixed')
PATIENCE = timedelta(days=1)
"""How long processes wait for the first one, which alone validates and makes caches."""


def launch(precision: str) -> Fabric:
    """
    Start on the GPU where there is one, else on the CPU.

    Under `torchrun` every process takes one device, and gradients are averaged over all of them.
    """
    if precision not in PRECISIONS:
        raise UserError(
            f'precision {precision!r} is not known; choose one of {", ".join(PRECISIONS)}'
        )
    local = int(os.environ.get('LOCAL_WORLD_SIZE', '1'))
    nodes = int(os.environ.get('GROUP_WORLD_SIZE', '1'))
    fabric = Fabric(
        accelerator='cuda' if torch.cuda.is_available() else 'cpu',
        devices=local,
        num_nodes=nodes,
        # A phase may leave parts of the network out of its loss.
        strategy='auto'
        if local * nodes == 1
        else DDPStrategy(find_unused_parameters=True, timeout=PATIENCE),
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def recompute_activations(encoder: VisionTransformer | Eva02) -> None:
    """Let every block keep its input alone, and compute the rest again in the backward pass."""
    for block in encoder.blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
