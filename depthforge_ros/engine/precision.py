# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Precisions of engines by name, and which chips have them."""

from __future__ import annotations

from collections.abc import Mapping

from depthforge_ros.errors import UserError
import torch

PRECISIONS: Mapping[str, torch.dtype] = {
    'fp32': torch.float32,
    'bf16': torch.bfloat16,
    'fp16': torch.float16,
}
BF16_CAPABILITY = (8, 0)
"""Ampere."""


def demand_precision(name: str, device: torch.device) -> None:
    """Raise UserError for a precision that is not known, or that the chip has no units for."""
    if name not in PRECISIONS:
        raise UserError(f'precision {name!r} is not known; choose {", ".join(PRECISIONS)}')
    if name == 'fp32':
        return
    if device.type == 'cpu':
        raise UserError(f'precision {name} is not for CPUs here; use fp32')
    if name == 'bf16' and torch.cuda.get_device_capability(device) < BF16_CAPABILITY:
        raise UserError(
            f'{torch.cuda.get_device_name(device)} has no bf16 units; use --precision fp16'
        )
