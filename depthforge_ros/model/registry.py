# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Models by name, and where their files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import os
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.model.checkpoint import Checkpoint, load_network, read_checkpoint
from depthforge_ros.model.network import DepthForge
from depthforge_ros.resources import share_directory

WEIGHTS_VARIABLE = 'DEPTHFORGE_WEIGHTS'
DEFAULT_MODEL = 'depthforge_tiny'


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be asked for by name."""

    name: str
    summary: str
    licence: str
    """Of the weights."""


MODELS: Mapping[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name='depthforge_tiny',
            summary='bundled, every weight in the file; for CPUs',
            licence='CC BY-NC-SA 4.0 (training images); see models/depthforge_tiny.md',
        ),
        ModelEntry(
            name='depthforge_small',
            summary='on the frozen Depth Anything V2 Small encoder, which is fetched',
            licence='CC BY-NC 4.0 (training images); encoder Apache-2.0',
        ),
    )
}


def weights_directory() -> Path:
    """Folder of the foundation weights: $DEPTHFORGE_WEIGHTS, or a folder in the user's cache."""
    named = os.environ.get(WEIGHTS_VARIABLE)
    if named:
        return Path(named)
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return cache / 'depthforge' / 'weights'


def find_checkpoint(model: str) -> Path:
    """Path of a model's checkpoint, by name or by the path of a .safetensors file."""
    path = Path(model)
    if model in MODELS:
        path = share_directory() / 'models' / f'{model}.safetensors'
    elif path.suffix != '.safetensors' and not path.exists():
        raise UserError(
            f'model {model!r} is not known; choose one of {", ".join(MODELS)}, or give the path '
            'of a .safetensors checkpoint'
        )
    if not path.is_file():
        raise UserError(f'checkpoint {path} does not exist; give an existing .safetensors file')
    return path


def find_foundation(name: str) -> Path:
    """Path of foundation weights on this machine."""
    directory = weights_directory()
    for stem in (name, f'{name}_fp16'):
        path = directory / f'{stem}.safetensors'
        if path.is_file():
            return path
    raise UserError(
        f'foundation weights {name} are not in {directory}; put {name}.safetensors there, or set '
        f'{WEIGHTS_VARIABLE} to the folder that has it'
    )


def load_model(model: str) -> tuple[DepthForge, Checkpoint]:
    """Load a model by name or path, with the foundation weights that it needs."""
    path = find_checkpoint(model)
    checkpoint, _ = read_checkpoint(path)
    foundation = find_foundation(checkpoint.foundation) if checkpoint.foundation else None
    return load_network(path, foundation)
