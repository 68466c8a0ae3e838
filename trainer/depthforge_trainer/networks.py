# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The network of a run: made from its configuration, and written with where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.model.checkpoint import load_network, save_checkpoint
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.tokens import DepthAwareTokens
from depthforge_trainer.config import FitConfig
from depthforge_trainer.provenance import joined, Provenance
from depthforge_trainer.teacher import load_depth, load_foundation
import torch
from torch import nn

Make = Callable[[FitConfig], DepthForge]


def build_network(config: FitConfig) -> DepthForge:
    """Make the network of a run, with its foundation or starting weights."""
    foundation = Path(config.foundation) if config.foundation else None
    visual = Path(config.visual_foundation) if config.visual_foundation else None
    if config.start_from:
        network, start = load_network(Path(config.start_from), foundation, visual)
        _reconfigure(network, config.model)
        if start.label_space != config.classes:
            raise UserError(
                f'{config.start_from} has the classes of {start.label_space.name}, the '
                f'configuration those of {config.label_space}; make label_space equal'
            )
        if network.config != config.model:
            raise UserError(
                f'{config.start_from} holds another model than the configuration asks for; make '
                'the model fields equal'
            )
        if foundation is not None and start.foundation is None and not config.trains_network:
            load_depth(network, foundation)
        return network
    network = DepthForge(config.model, len(config.classes))
    if config.trains_network:
        network.depth_head.start_near()
        return network.eval()
    if foundation is None:
        raise UserError('the configuration needs a foundation or start_from; give one path')
    load_foundation(network, foundation, visual)
    return network.eval()


def take_over(before: NetworkConfig, wanted: NetworkConfig) -> NetworkConfig:
    """Change what a training may change although the weights were trained otherwise."""
    tokens = dataclasses.replace(
        before.tokens,
        attention=wanted.tokens.attention,
        depth_weight=wanted.tokens.depth_weight,
        scale_init=wanted.tokens.scale_init,
        cosine=wanted.tokens.cosine,
    )
    return dataclasses.replace(before, tokens=tokens, short_side=wanted.short_side)


def _reconfigure(network: DepthForge, wanted: NetworkConfig) -> None:
    before = network.config.tokens
    network.config = take_over(network.config, wanted)
    tokens = network.config.tokens
    if isinstance(network.tokens, DepthAwareTokens):
        network.tokens.config = tokens
        if tokens.scale_init != before.scale_init:
            nn.init.constant_(network.tokens.scale, tokens.scale_init)


def save(
    path: Path,
    network: DepthForge,
    config: FitConfig,
    *,
    seconds: float,
    before: Sequence[Provenance],
) -> None:
    """Write the checkpoint with where it comes from, after the steps `before`."""
    own = {
        'data': [dataclasses.asdict(s) | {'root': Path(s.root).name} for s in config.sources],
        'data_licence': config.data_licence,
        'phases': [dataclasses.asdict(phase) for phase in config.phases],
        'augment': dataclasses.asdict(config.augment),
        'loss': dataclasses.asdict(config.loss),
        'seed': config.seed,
        'seconds': round(seconds),
    }
    save_checkpoint(
        path,
        network,
        label_space=config.classes,
        provenance=joined(own, before),
        foundation=config.foundation_name or None,
        visual_foundation=config.visual_foundation_name or None,
    )


def check_head_phases(config: FitConfig, network: DepthForge) -> None:
    """Refuse phases that would train the head on features which are not the visual stream's."""
    trains = [phase.train for phase in config.phases]
    if 'head' not in trains:
        return
    first = min((trains.index(t) for t in ('encoder', 'auxiliary') if t in trains), default=None)
    late = first is not None and 'head' in trains[first:]
    if late or not _streams_are_equal(network):
        raise UserError(
            'a phase trains head, on the features of the depth encoder, but the visual encoder '
            f'{"is trained before it" if late else "has other weights"}; train all instead'
        )


def _streams_are_equal(network: DepthForge) -> bool:
    one, other = network.depth_encoder.state_dict(), network.visual.state_dict()
    return one.keys() == other.keys() and all(
        value.shape == other[name].shape and bool(torch.equal(value, other[name]))
        for name, value in one.items()
    )
