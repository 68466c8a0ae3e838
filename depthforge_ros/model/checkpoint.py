# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Our checkpoints: safetensors with configuration, classes and provenance in the metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
from typing import Any

from depthforge_ros.errors import one_line, UserError
from depthforge_ros.labels import LabelSpace
from depthforge_ros.model.config import Eva02Config, NetworkConfig, VitConfig
from depthforge_ros.model.layouts.convert import convert_part, detect
from depthforge_ros.model.layouts.rules import some
from depthforge_ros.model.layouts.sizes import encoder_config
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.parts import (
    PART_FORMAT,
    read_metadata,
    read_safetensors,
    sizes_of,
    write_safetensors,
)
import torch
from torch import Tensor

FORMAT = 'depthforge-1'
FOUNDATION_PATCH = 14
"""Pixels; patch of all foundation weights. Kernels for another one are stored in checkpoints."""
DEPTH_PARTS = ('depth_encoder', 'depth_head')
VISUAL_PARTS = ('visual_encoder',)
PATCH_KERNEL = 'patch_embed.proj.weight'


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file says about itself."""

    config: NetworkConfig
    label_space: LabelSpace
    provenance: Mapping[str, Any]
    """Training data, their licences, command, figures."""
    frozen_digest: str
    """`digest` of the depth encoder that the rest was trained on."""
    foundation: str | None
    """Foundation weights that hold the depth encoder and head; None when they are stored here."""
    visual_digest: str | None = None
    """`digest` of the visual encoder, where it is left out here."""
    visual_foundation: str | None = None
    """Foundation weights that hold the visual encoder; None when it is stored here or shared."""


def digest(tensors: Mapping[str, Tensor]) -> str:
    """
    Hash tensors by name and half-precision value.

    The same for the official full-precision file and for its half-precision copies.
    """
    sha = hashlib.sha256()
    for name in sorted(tensors):
        sha.update(name.encode())
        # Adding zero makes minus zeros plain, which compare equal but differ in bits.
        sha.update((tensors[name].detach().cpu().half() + 0.0).contiguous().numpy().tobytes())
    return sha.hexdigest()


def save_checkpoint(
    path: Path,
    network: DepthForge,
    *,
    label_space: LabelSpace,
    provenance: Mapping[str, Any],
    foundation: str | None = None,
    visual_foundation: str | None = None,
) -> None:
    """Write a network in half precision; the parts that foundations hold are left out."""
    state = {name: value.half() for name, value in network.state_dict().items()}
    write_checkpoint(
        path,
        state,
        config=network.config,
        label_space=label_space,
        provenance=provenance,
        foundation=foundation,
        visual_foundation=visual_foundation,
    )


def write_checkpoint(
    path: Path,
    state: Mapping[str, Tensor],
    *,
    config: NetworkConfig,
    label_space: LabelSpace,
    provenance: Mapping[str, Any],
    foundation: str | None = None,
    visual_foundation: str | None = None,
) -> None:
    """Write a network's state as it is; the parts that foundations hold are left out."""
    left_out = (DEPTH_PARTS if foundation else ()) + (VISUAL_PARTS if visual_foundation else ())
    encoders = {'depth_encoder': config.encoder, 'visual_encoder': config.visual or config.encoder}
    resized = {
        f'{part}.{PATCH_KERNEL}'
        for part, encoder in encoders.items()
        if encoder.patch != FOUNDATION_PATCH
    }
    kept = {
        name: value
        for name, value in state.items()
        if _part(name) not in left_out or name in resized
    }
    fields: dict[str, Any] = {
        'config': config.to_json(),
        'label_space': label_space.to_json(),
        'provenance': dict(provenance),
        'frozen_digest': digest(_of(state, 'depth_encoder')),
        'foundation': foundation,
    }
    if visual_foundation:
        fields['visual_digest'] = digest(_of(state, 'visual_encoder'))
        fields['visual_foundation'] = visual_foundation
    write_safetensors(path, kept, {'format': FORMAT, 'depthforge': json.dumps(fields)})


def read_checkpoint(path: Path) -> tuple[Checkpoint, dict[str, Tensor]]:
    """Read a checkpoint's description and its tensors (as stored)."""
    return describe_checkpoint(path), read_safetensors(path)[1]


def describe_checkpoint(path: Path) -> Checkpoint:
    """Read what a checkpoint says about itself, without its tensors."""
    metadata = read_metadata(path)
    if metadata.get('format') != FORMAT:
        raise UserError(
            f'{path} is not a DepthForge checkpoint (format {metadata.get("format")!r}, expected '
            f'{FORMAT!r}); use a checkpoint that depthforge-train wrote, or `depthforge convert`'
        )
    try:
        fields = json.loads(metadata['depthforge'])
        return Checkpoint(
            config=NetworkConfig.from_json(fields['config']),
            label_space=LabelSpace.from_json(fields['label_space']),
            provenance=fields['provenance'],
            frozen_digest=fields['frozen_digest'],
            foundation=fields['foundation'],
            visual_digest=fields.get('visual_digest'),
            visual_foundation=fields.get('visual_foundation'),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f'{path} does not describe its network ({one_line(error)}); '
            'write it again with depthforge-train or `depthforge convert`'
        ) from error


def load_network(
    path: Path, foundation: Path | None = None, visual_foundation: Path | None = None
) -> tuple[DepthForge, Checkpoint]:
    """
    Build the network of a checkpoint, in evaluation mode on the CPU in full precision.

    The foundations are the files of the frozen parts that the checkpoint leaves out. Missing,
    unknown or misshapen tensors are errors that list them, and so are frozen weights that differ
    from those of the training.
    """
    checkpoint, tensors = read_checkpoint(path)
    config = checkpoint.config
    if checkpoint.foundation:
        frozen = _frozen(path, checkpoint.foundation, foundation, config.encoder)
        tensors = {**as_parts(frozen, 'depth_encoder'), **tensors}
    if checkpoint.visual_foundation:
        visual = config.visual or config.encoder
        frozen = _frozen(path, checkpoint.visual_foundation, visual_foundation, visual)
        tensors = {**as_parts(_only(frozen, 'encoder'), 'visual_encoder'), **tensors}
    with torch.device('meta'):
        network = DepthForge(config, len(checkpoint.label_space))
    load_strictly(network, tensors, source=path, assign=True)
    # Buffers are not in the file; on the meta device they have no values yet.
    network.mean, network.std = DepthForge.normalisation()
    _check_frozen(
        network.depth_encoder, checkpoint.frozen_digest, foundation or path, checkpoint.foundation
    )
    if checkpoint.visual_digest:
        _check_frozen(
            network.visual_encoder,
            checkpoint.visual_digest,
            visual_foundation or path,
            checkpoint.visual_foundation,
        )
    return network.eval(), checkpoint


def read_frozen(path: Path) -> dict[str, Tensor]:
    """Read the depth encoder and head from a checkpoint of ours or from foundation weights."""
    metadata, tensors = read_safetensors(path)
    if metadata.get('format') == FORMAT:
        return {name: value for name, value in tensors.items() if _part(name) in DEPTH_PARTS}
    return as_parts(read_foundation(path), 'depth_encoder')


def read_foundation(path: Path) -> dict[str, Tensor]:
    """
    Read foundation weights under our names: `encoder.*`, and `depth_head.*` where there is one.

    They are a file that `depthforge fetch` or `convert` made, or the safetensors file of a layout
    that these know.
    """
    metadata, tensors = read_safetensors(path)
    if metadata.get('format') == PART_FORMAT:
        return tensors
    return convert_part(tensors, detect(tensors, source=str(path)), source=path)


def as_parts(foundation: Mapping[str, Tensor], encoder: str) -> dict[str, Tensor]:
    """Name the encoder of foundation weights as a part of the network."""
    return {
        f'{encoder}.{name.removeprefix("encoder.")}' if _part(name) == 'encoder' else name: value
        for name, value in foundation.items()
    }


def load_strictly(
    module: torch.nn.Module, tensors: Mapping[str, Tensor], *, source: Path, assign: bool = False
) -> None:
    """Load every tensor, in full precision; any difference in names or shapes is an error."""
    expected = module.state_dict()
    missing = sorted(set(expected) - set(tensors))
    unknown = sorted(set(tensors) - set(expected))
    shapes = [
        f'{name} {tuple(tensors[name].shape)} instead of {tuple(expected[name].shape)}'
        for name in sorted(set(expected) & set(tensors))
        if tensors[name].shape != expected[name].shape
    ]
    if missing or unknown or shapes:
        raise UserError(
            f'{source} does not fit the model: missing {some(missing)}; unknown '
            f'{some(unknown)}; other shapes {some(shapes)}; use the file that the model was '
            'made for'
        )
    module.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=assign)


def _frozen(
    path: Path, name: str, file: Path | None, config: VitConfig | Eva02Config
) -> dict[str, Tensor]:
    """Read the foundation of a checkpoint, of the sizes that it was trained with."""
    if file is None:
        raise UserError(f'{path} leaves out its frozen weights {name}; give their file')
    tensors = read_foundation(file)
    found = sizes_of(encoder_config(tensors, 'encoder.'))
    expected = sizes_of(config)._replace(patch=FOUNDATION_PATCH)
    if found != expected:
        raise UserError(
            f'{file} holds an encoder of other sizes ({found}) than {path} was trained on '
            f'({expected}); use the genuine {name}'
        )
    return tensors


def _check_frozen(encoder: torch.nn.Module, expected: str, source: Path, name: str | None) -> None:
    found = digest(encoder.state_dict())
    if found != expected:
        raise UserError(
            f'the frozen encoder in {source} (digest {found[:12]}) is not the one that the '
            f'checkpoint was trained on ({expected[:12]}); use the genuine {name or "checkpoint"}'
        )


def _part(name: str) -> str:
    return name.split('.', 1)[0]


def _only(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if _part(name) == part}


def _of(state: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f'{part}.'): v for name, v in _only(state, part).items()}
