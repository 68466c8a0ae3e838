# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Reading weights that came from elsewhere: the only place where a pickle is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
import warnings

from depthforge_ros.errors import UserError
from depthforge_ros.files import require_utf_8
from depthforge_ros.model.layouts.pickles import load_tensors, module_tensors
from safetensors import SafetensorError
from safetensors.torch import load_file
import torch
from torch import Tensor

WRAPPERS = (
    *('state_dict_ema', 'model_ema', 'ema', 'state_dict', 'model_state_dict', 'model', 'module'),
    *('teacher', 'net', 'network', 'weights'),
)
"""Keys under which training frameworks store the weights, averaged ones first."""
PICKLES = (b'PK', b'\x80')
"""First bytes of what torch.save writes: a zip file, or in old versions a plain pickle."""
HEADER_AT = 8
"""Where a safetensors file has the brace of its JSON header, after the header's length, which may
begin as a pickle does."""
FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
PARALLEL = 'module.'
"""Prefix that data-parallel training puts before every name."""


def read_source(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, or of a pickle, of which nothing else is run."""
    if not path.is_file():
        found = 'is a folder' if path.is_dir() else 'does not exist'
        raise UserError(f'{path} {found}; give a .safetensors, .pth or .pt file')
    with path.open('rb') as file:
        start = file.read(HEADER_AT + 1)
    is_pickle = start.startswith(PICKLES) and not start.endswith(b'{', HEADER_AT)
    content = _unpickled(path) if is_pickle else _safetensors(path)
    stored = _unwrapped(content)
    tensors = {name: value for name, value in stored.items() if isinstance(value, Tensor)}
    other = [name for name in tensors if not isinstance(name, str)]
    if other:
        raise UserError(
            f'{path} has {len(tensors)} tensors, of which {len(other)} have no name '
            f'({", ".join(map(str, other[:3]))}); give a file whose weights are a state dict'
        )
    if not tensors:
        raise UserError(
            f'{path} holds no tensors by name; give a file whose weights are a state dict'
        )
    for name, value in tensors.items():
        if not value.is_floating_point():
            continue
        if value.dtype not in FLOATS:
            raise UserError(
                f'{path} has {name} in {value.dtype}; give the weights before they were quantised'
            )
        if not value.isfinite().all():
            raise UserError(
                f'{path} has numbers in {name} that are not finite; get the file again, or an '
                'earlier checkpoint of its training'
            )
    if all(name.startswith(PARALLEL) for name in tensors):
        return {name.removeprefix(PARALLEL): value for name, value in tensors.items()}
    return dict(tensors)


def _safetensors(path: Path) -> dict[str, Tensor]:
    require_utf_8(path, 'safetensors')
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(
            f'{path} is neither a safetensors file nor a PyTorch checkpoint, or is cut short '
            f'({error}); get the file again'
        ) from error


def _unpickled(path: Path) -> Any:
    try:
        # A file object: from a path, PyTorch would go by the suffix. Its warnings are about
        # pickles that it then refuses.
        with path.open('rb') as file, warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return load_tensors(file)
    # Damaged pickles raise whatever their bytes ask for.
    except Exception as error:
        raise UserError(
            f'{path} is damaged or cut short ({_reason(error)}); get the file again'
        ) from error


def _reason(error: Exception) -> str:
    """Take the sentence that says what was wrong out of PyTorch's long advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if 'WeightsUnpickler error' in line or 'Unsupported' in line]
    return (told or lines or ['no data'])[0].partition('. ')[0][:120]


def _unwrapped(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        return {}
    if '_modules' in content:
        return dict(module_tensors(content))
    for name in WRAPPERS:
        inner = content.get(name)
        if isinstance(inner, Mapping) and (unwrapped := _unwrapped(inner)):
            return unwrapped
    return content
