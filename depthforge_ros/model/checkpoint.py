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

from depthforge_ros.errors import UserError
from depthforge_ros.labels import LabelSpace
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.network import DepthForge, FROZEN
from safetensors import safe_open, SafetensorError
from safetensors.torch import save_file
import torch
from torch import Tensor

FORMAT = 'depthforge-1'
UPSTREAM_PREFIX = {'pretrained.': 'depth_encoder.', 'depth_head.': 'depth_head.'}
UNUSED_UPSTREAM = ('pretrained.mask_token',)
"""Upstream tensors that only pre-training uses."""


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
    """Name of the foundation weights that hold the frozen parts; None when all is stored here."""


def digest(tensors: Mapping[str, Tensor]) -> str:
    """
    Hash tensors by name and half-precision value.

    The same for the official full-precision file and for its half-precision copies.
    """
    sha = hashlib.sha256()
    for name in sorted(tensors):
        sha.update(name.encode())
        # Adding zero makes minus zeros plain, which compare equal but differ in bits.
        sha.update((tensors[name].detach().half() + 0.0).contiguous().numpy().tobytes())
    return sha.hexdigest()


def save_checkpoint(
    path: Path,
    network: DepthForge,
    *,
    label_space: LabelSpace,
    provenance: Mapping[str, Any],
    foundation: str | None = None,
) -> None:
    """Write a network in half precision; with `foundation` the frozen parts are left out."""
    state = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    if foundation is not None:
        state = {name: value for name, value in state.items() if not _is_frozen(name)}
    fields = {
        'config': network.config.to_json(),
        'label_space': label_space.to_json(),
        'provenance': dict(provenance),
        'frozen_digest': digest(network.depth_encoder.state_dict()),
        'foundation': foundation,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + '.partial')
    save_file(state, partial, metadata={'format': FORMAT, 'depthforge': json.dumps(fields)})
    partial.replace(path)


def read_checkpoint(path: Path) -> tuple[Checkpoint, dict[str, Tensor]]:
    """Read a checkpoint's description and its tensors (as stored)."""
    metadata, tensors = _read_safetensors(path)
    if metadata.get('format') != FORMAT:
        raise UserError(
            f'{path} is not a DepthForge checkpoint (format {metadata.get("format")!r}, expected '
            f'{FORMAT!r}); use a checkpoint that depthforge-train wrote'
        )
    fields = json.loads(metadata['depthforge'])
    checkpoint = Checkpoint(
        config=NetworkConfig.from_json(fields['config']),
        label_space=LabelSpace.from_json(fields['label_space']),
        provenance=fields['provenance'],
        frozen_digest=fields['frozen_digest'],
        foundation=fields['foundation'],
    )
    return checkpoint, tensors


def load_network(path: Path, foundation: Path | None = None) -> tuple[DepthForge, Checkpoint]:
    """
    Build the network of a checkpoint, in evaluation mode on the CPU in full precision.

    `foundation` is the file of the frozen parts, needed when the checkpoint leaves them out.
    Missing, unknown or misshapen tensors are errors that list them, and so are frozen weights
    that differ from those of the training.
    """
    checkpoint, tensors = read_checkpoint(path)
    if checkpoint.foundation is not None:
        if foundation is None:
            raise UserError(
                f'{path} leaves out its frozen weights {checkpoint.foundation}; give their file'
            )
        tensors = {**read_foundation(foundation), **tensors}
    with torch.device('meta'):
        network = DepthForge(checkpoint.config, len(checkpoint.label_space))
    load_strictly(network, tensors, source=path, assign=True)
    # Buffers are not in the file; on the meta device they have no values yet.
    network.mean, network.std = DepthForge.normalisation()
    _check_frozen(network, checkpoint, foundation or path)
    return network.eval(), checkpoint


def read_frozen(path: Path) -> dict[str, Tensor]:
    """Read the frozen parts from a checkpoint of ours or from foundation weights."""
    metadata, tensors = _read_safetensors(path)
    if metadata.get('format') == FORMAT:
        return {name: value for name, value in tensors.items() if _is_frozen(name)}
    return read_foundation(path)


def read_foundation(path: Path) -> dict[str, Tensor]:
    """Read Depth Anything V2 weights (official names) as the frozen parts of our network."""
    _, tensors = _read_safetensors(path)
    renamed: dict[str, Tensor] = {}
    foreign = []
    for name, value in tensors.items():
        prefix = next((old for old in UPSTREAM_PREFIX if name.startswith(old)), None)
        if name in UNUSED_UPSTREAM:
            continue
        if prefix is None:
            foreign.append(name)
        else:
            renamed[UPSTREAM_PREFIX[prefix] + name.removeprefix(prefix)] = value
    if foreign or not renamed:
        raise UserError(
            f'{path} is not Depth Anything V2: unknown tensors {_some(foreign)}; expected names '
            'that begin with pretrained. or depth_head.'
        )
    return renamed


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
            f'{source} does not fit the model: missing {_some(missing)}; unknown '
            f'{_some(unknown)}; other shapes {_some(shapes)}; use the file that the model was '
            'made for'
        )
    module.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=assign)


def _check_frozen(network: DepthForge, checkpoint: Checkpoint, source: Path) -> None:
    found = digest(network.depth_encoder.state_dict())
    if found != checkpoint.frozen_digest:
        raise UserError(
            f'the frozen encoder in {source} (digest {found[:12]}) is not the one that the '
            f'checkpoint was trained on ({checkpoint.frozen_digest[:12]}); use the genuine '
            f'{checkpoint.foundation or "checkpoint"}'
        )


def _read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise UserError(f'{path} does not exist; give the path of a .safetensors file')
    try:
        with safe_open(path, framework='pt') as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return dict(file.metadata() or {}), tensors
    except SafetensorError as error:
        raise UserError(
            f'{path} is not a safetensors file ({error}); pickled weights are never loaded'
        ) from error


def _is_frozen(name: str) -> bool:
    return name.split('.', 1)[0] in FROZEN


def _some(names: list[str], limit: int = 6) -> str:
    if not names:
        return 'none'
    rest = f' and {len(names) - limit} more' if len(names) > limit else ''
    return ', '.join(names[:limit]) + rest
