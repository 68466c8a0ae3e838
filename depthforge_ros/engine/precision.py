# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Precisions of engines by name, and which chips have them."""

from __future__ import annotations

from collections.abc import Mapping
import ctypes
import hashlib

from depthforge_ros.errors import one_line, UserError
import torch

PRECISIONS: Mapping[str, torch.dtype] = {
    'fp32': torch.float32,
    'bf16': torch.bfloat16,
    'fp16': torch.float16,
    'fp8': torch.float8_e4m3fn,
}
CAPABILITIES = {'bf16': (8, 0), 'fp8': (8, 9)}
"""Least compute capability: Ampere, Ada."""
BF16_UNITS = ('avx512_bf16', 'amx_bf16')
"""What PyTorch calls them on CPUs."""


def precision(name: str) -> torch.dtype:
    """Find a precision by name; UserError for one that is not known."""
    if name not in PRECISIONS:
        raise UserError(f'precision {name!r} is not known; choose {", ".join(PRECISIONS)}')
    return PRECISIONS[name]


def require_precision(name: str, device: torch.device) -> None:
    """Raise UserError for a precision that is not known, or that the chip has no units for."""
    wanted = precision(name)
    if wanted == torch.float32:
        return
    if device.type == 'cpu':
        if wanted == torch.bfloat16 and has_bf16_units(device):
            return
        units = ' without bf16 units, which this one is' if wanted == torch.bfloat16 else ''
        others = 'fp32 or bf16' if has_bf16_units(device) else 'fp32'
        raise UserError(f'precision {name} is not for CPUs{units}; use {others}')
    if torch.cuda.get_device_capability(device) < CAPABILITIES.get(name, (0, 0)):
        raise UserError(
            f'{torch.cuda.get_device_name(device)} has no {name} units; use fp16 or engine eager'
        )


def has_bf16_units(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 in hardware."""
    if device.type == 'cuda':
        return torch.cuda.get_device_capability(device) >= CAPABILITIES['bf16']
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in BF16_UNITS)


def gpu_units(device: torch.device) -> str:
    """Name what a GPU's programs may be made of; a slice of one has fewer multiprocessors."""
    found = torch.cuda.get_device_properties(device)
    return f'{found.name} sm_{found.major}{found.minor} {found.multi_processor_count}'


def driver_level() -> str:
    """Name the CUDA version of the GPU's driver, e.g. 13000; UserError where there is none."""
    version = ctypes.c_int()
    try:
        failed = ctypes.CDLL('libcuda.so.1').cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError) as error:
        raise UserError(f"the GPU's driver does not load ({one_line(error)})") from error
    if failed:
        raise UserError(f"the GPU's driver does not tell its version (error {failed})")
    return str(version.value)


def cpu_units() -> str:
    """Name what this CPU's programs may be made of: vector units, and a digest of all flags."""
    flags = sorted(name for name, value in torch.cpu.get_capabilities().items() if value is True)
    digest = hashlib.sha256(' '.join(flags).encode()).hexdigest()[:8]
    return f'{torch.backends.cpu.get_cpu_capability()} {digest}'
