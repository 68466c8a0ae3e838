# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Models by name, and where their files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import os
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.labels import CITYSCAPES, LabelSpace
from depthforge_ros.model.checkpoint import Checkpoint, describe_checkpoint, load_network
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.manifest import read_manifest
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.presets import PRESETS
from depthforge_ros.resources import share_directory
import torch

WEIGHTS_VARIABLE = 'DEPTHFORGE_WEIGHTS'
NO_WEIGHTS = 'no_weights'
"""Reason of the errors of a named model that is sound, and not on this machine."""
DEFAULT_MODEL = 'depthforge_tiny'


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be asked for by name."""

    name: str
    summary: str
    licence: str
    """Of what was trained on the foundations."""
    foundations: tuple[str, ...] = ()
    """Names in the manifest: that of the depth stream, then that of another visual stream."""

    @property
    def terms(self) -> str:
        """Return the licence of the trained weights and of each foundation."""
        manifest = read_manifest()
        return '; '.join([self.licence, *(f'{n}: {manifest[n].terms}' for n in self.foundations)])


YOURS = 'your own checkpoint: as your training images allow'

MODELS: Mapping[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name='depthforge_tiny',
            summary='bundled, every weight in the file; for CPUs',
            licence='research use (training images); see models/depthforge_tiny.md',
        ),
        ModelEntry(
            name='depthforge_small',
            summary='bundled, on the frozen Depth Anything V2 Small encoder, which is fetched',
            licence='research use (training images); see models/depthforge_small.md',
            foundations=('depth_anything_v2_vits',),
        ),
        ModelEntry(
            name='depthforge_base',
            summary='DINOv2-B beside Depth Anything V2 Base',
            licence=YOURS,
            foundations=('depth_anything_v2_vitb', 'dinov2_vitb14'),
        ),
        ModelEntry(
            name='depthforge_large',
            summary="DINOv2-L beside Depth Anything V2 Large, the paper's",
            licence=YOURS,
            foundations=('depth_anything_v2_vitl', 'dinov2_vitl14'),
        ),
        ModelEntry(
            name='depthforge_eva02_large',
            summary='EVA02-L beside Depth Anything V2 Large',
            licence=YOURS,
            foundations=('depth_anything_v2_vitl', 'eva02_large_patch14'),
        ),
    )
}


def weights_directory() -> Path:
    """Folder of foundations and of your models: $DEPTHFORGE_WEIGHTS, or in the user's cache."""
    named = os.environ.get(WEIGHTS_VARIABLE)
    if named:
        return Path(named)
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return cache / 'depthforge' / 'weights'


def find_checkpoint(model: str) -> Path:
    """Path of a model's checkpoint, by name or by the path of a .safetensors file."""
    if model in MODELS:
        return _named_checkpoint(model)
    path = Path(model)
    if path.suffix != '.safetensors' and not path.exists():
        raise UserError(
            f'model {model!r} is not known; choose one of {", ".join(MODELS)}, or give the path '
            'of a .safetensors checkpoint'
        )
    if not path.is_file():
        raise UserError(f'checkpoint {path} does not exist; give an existing .safetensors file')
    return path


def _named_checkpoint(model: str) -> Path:
    """Look among the bundled files, then in the folder of weights."""
    file = f'{model}.safetensors'
    for folder in (share_directory() / 'models', weights_directory()):
        if (folder / file).is_file():
            return folder / file
    raise UserError(
        f'{model} comes without a checkpoint; put one at {weights_directory() / file}: trained '
        f'with `depthforge-train fit` on what `depthforge fetch {model}` gets, or made of a '
        'published one by `depthforge convert`',
        reason=NO_WEIGHTS,
    )


def foundation_in(directory: Path, name: str) -> Path | None:
    """Path of foundation weights in a folder, in full or in half precision."""
    paths = (directory / f'{stem}.safetensors' for stem in (name, f'{name}_fp16'))
    return next((path for path in paths if path.is_file()), None)


def find_foundation(name: str) -> Path:
    """Path of foundation weights on this machine."""
    directory = weights_directory()
    path = foundation_in(directory, name)
    if path is not None:
        return path
    raise UserError(
        f'foundation weights {name} are not in {directory}; get them with `depthforge fetch '
        f'{name}`, or set {WEIGHTS_VARIABLE} to the folder that has {name}.safetensors',
        reason=NO_WEIGHTS,
    )


def load_model(model: str) -> tuple[DepthForge, Checkpoint]:
    """Load a model by name or path, with the foundation weights that it needs."""
    path = find_checkpoint(model)
    checkpoint = describe_checkpoint(path)
    foundation, visual = (
        find_foundation(name) if name else None
        for name in (checkpoint.foundation, checkpoint.visual_foundation)
    )
    return load_network(path, foundation, visual)


def plan(model: str) -> tuple[NetworkConfig, LabelSpace]:
    """Tell how a named model is built: by its checkpoint, else by its preset with 19 classes."""
    try:
        checkpoint = describe_checkpoint(find_checkpoint(model))
    except UserError:
        return PRESETS[model], CITYSCAPES
    return checkpoint.config, checkpoint.label_space


def outline(model: str) -> DepthForge:
    """Build a named model without any weights, to count its parameters."""
    config, label_space = plan(model)
    with torch.device('meta'):
        return DepthForge(config, len(label_space))
