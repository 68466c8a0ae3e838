# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What a stopped run needs to go on bit for bit: weights, their average, optimiser moments, place.

Batches and random points are functions of the seed and the iteration (`features`), so no
generator's state is kept. One safetensors file in full precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import dataclasses
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from depthforge_ros.errors import UserError
from safetensors import safe_open, SafetensorError
from safetensors.torch import save_file
import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel

STATE = 'state.safetensors'
MOMENTS = ('exp_avg', 'exp_avg_sq')


@dataclass(frozen=True)
class Place:
    """How far a run is."""

    phase: int = 0
    step: int = 0
    """Iterations done in the phase."""
    seconds: float = 0.0
    """Of training so far."""
    phase_began: float = 0.0
    """Seconds of training before the phase."""
    best_miou: float = -1.0
    """Best validation so far, in percent."""


def save_state(
    folder: Path,
    config: Any,
    place: Place,
    network: nn.Module,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state of a run, in place of the last one."""
    tensors = {f'network.{name}': value for name, value in network.state_dict().items()}
    averaged = average.state_dict()
    tensors |= {f'average.{name}': value for name, value in averaged.items()}
    for name, parameter in network.named_parameters():
        for moment in MOMENTS:
            if parameter in optimizer.state:
                tensors[f'{moment}.{name}'] = optimizer.state[parameter][moment]
    partial = folder / f'{STATE}.partial'
    save_file(
        # Copies, for tensors may share memory, and not on a GPU, whose memory may be full.
        {name: value.to('cpu', copy=True).contiguous() for name, value in tensors.items()},
        partial,
        metadata={'config': text_of(config), 'place': json.dumps(dataclasses.asdict(place))},
    )
    partial.replace(folder / STATE)


def load_state(
    folder: Path, config: Any, network: nn.Module, average: AveragedModel
) -> tuple[Place, dict[str, Tensor]]:
    """Put weights and average back; returns the place and the optimiser's moments by name."""
    path = folder / STATE
    if not path.is_file():
        raise UserError(f'{folder} holds no stopped run to go on with; start it without --resume')
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f'{path} cannot be read ({error}); start without --resume') from error
    check_same(path, metadata['config'], config, 'start without --resume')
    network.load_state_dict(_part(tensors, 'network.'))
    average.load_state_dict(_part(tensors, 'average.'))
    moments = {name: value for name, value in tensors.items() if name.startswith(MOMENTS)}
    return Place(**json.loads(metadata['place'])), moments


def restore_optimizer(
    optimizer: torch.optim.Optimizer, network: nn.Module, moments: Mapping[str, Tensor], step: int
) -> None:
    """Give an AdamW its moments back, after `step` iterations."""
    for name, parameter in network.named_parameters():
        if f'{MOMENTS[0]}.{name}' in moments:
            optimizer.state[parameter] = {
                'step': torch.tensor(float(step)),
                **{moment: moments[f'{moment}.{name}'].to(parameter.device) for moment in MOMENTS},
            }


def check_same(path: Path, stored: str, config: Any, otherwise: str) -> None:
    """Refuse a configuration other than the one that `path` was written with."""
    keys = list(_differing(json.loads(stored), json.loads(text_of(config))))
    if keys:
        raise UserError(
            f'{path} was written with another {", ".join(keys)}; give the same configuration, or '
            f'{otherwise}'
        )


def text_of(config: Any) -> str:
    """Write a configuration as JSON, to be compared."""
    return json.dumps(dataclasses.asdict(config), sort_keys=True)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Give the dotted keys whose values differ."""
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from (f'{name}.{key}' for key in _differing(one, other))
        elif _what_is_on({name: one}) != _what_is_on({name: other}):
            yield name


def _what_is_on(value: Any) -> Any:
    """Leave out keys that are off: one that an earlier version did not have changes nothing."""
    if isinstance(value, dict):
        return {key: _what_is_on(one) for key, one in value.items() if one}
    return [_what_is_on(one) for one in value] if isinstance(value, list) else value


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
