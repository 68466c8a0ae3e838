# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The training loop of tokens, decoder and (where asked for) the visual encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
import csv
import dataclasses
import math
from pathlib import Path
import time

from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID
from depthforge_ros.model.checkpoint import load_network, save_checkpoint
from depthforge_ros.model.network import DepthForge, FROZEN
from depthforge_trainer.config import FitConfig, Phase
from depthforge_trainer.data import loaders
from depthforge_trainer.features import Batch, Batches, build_cache, Cache, drawn
from depthforge_trainer.losses import set_loss
from depthforge_trainer.schedule import cosine
from depthforge_trainer.teacher import load_foundation
import numpy as np
import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

NO_DECAY = ('norm', 'level_embed', 'tokens.a', 'tokens.b', 'tokens.scale')
SAVE_EVERY = 200


def fit(config: FitConfig) -> Path:
    """Train and return the path of the checkpoint."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    rng = np.random.default_rng(config.seed)
    network = build_network(config)
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    samples = [loader for source in config.sources for loader in loaders(source)]
    cache = None
    if config.cached_views:
        cache = build_cache(
            output / 'cache',
            network,
            samples,
            views=config.cached_views,
            augment=config.augment,
            rng=rng,
        )
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay), use_buffers=False
    )
    path = output / 'last.safetensors'
    start = time.perf_counter()
    with (output / 'log.csv').open('w', newline='') as log:
        writer = csv.writer(log)
        writer.writerow(('phase', 'iteration', 'loss', 'learning_rate', 'seconds'))
        for index, phase in enumerate(config.phases):
            batches = _batches(config, phase, network, cache, rng) or drawn(
                network, samples, config.augment, rng
            )
            for step, loss, rate in _run(config, phase, network, average, batches):
                writer.writerow((index, step, f'{loss:.4f}', f'{rate:.2e}', _since(start)))
                if step % SAVE_EVERY == 0 or step == phase.iterations:
                    log.flush()
                    save(path, average.module, config, seconds=time.perf_counter() - start)
    return path


def build_network(config: FitConfig) -> DepthForge:
    """Make the network of a run, with its foundation or starting weights."""
    if config.start_from:
        foundation = Path(config.foundation) if config.foundation else None
        network, _ = load_network(Path(config.start_from), foundation)
        if network.config != config.model:
            raise UserError(
                f'{config.start_from} holds another model than the configuration asks for; make '
                'the model fields equal'
            )
        return network
    if not config.foundation:
        raise UserError('the configuration needs a foundation or start_from; give one path')
    network = DepthForge(config.model, len(CAMVID))
    load_foundation(network, Path(config.foundation))
    return network.eval()


def save(path: Path, network: nn.Module, config: FitConfig, *, seconds: float) -> None:
    """Write the checkpoint with where it comes from."""
    if not isinstance(network, DepthForge):
        raise TypeError(type(network))
    save_checkpoint(
        path,
        network,
        label_space=CAMVID,
        provenance={
            'data': [dataclasses.asdict(s) | {'root': Path(s.root).name} for s in config.sources],
            'data_licence': config.data_licence,
            'phases': [dataclasses.asdict(phase) for phase in config.phases],
            'augment': dataclasses.asdict(config.augment),
            'loss': dataclasses.asdict(config.loss),
            'seed': config.seed,
            'seconds': round(seconds),
        },
        foundation=config.foundation_name or None,
    )


def _batches(
    config: FitConfig,
    phase: Phase,
    network: DepthForge,
    cache: Cache | None,
    rng: np.random.Generator,
) -> Batches | None:
    if cache is None:
        return None
    taps = network.config.taps
    blocks = taps if phase.train == 'head' else tuple(range(network.config.encoder.depth))
    return cache.batches(rng, blocks, rare_classes=config.rare_classes)


def _run(
    config: FitConfig,
    phase: Phase,
    network: DepthForge,
    average: AveragedModel,
    batches: Batches,
) -> Iterator[tuple[int, float, float]]:
    """Train one phase, yielding iteration, loss and learning rate."""
    optimizer = torch.optim.AdamW(_groups(network, phase, config.weight_decay))
    parameters = [p for group in optimizer.param_groups for p in group['params']]
    peaks = [group['lr'] for group in optimizer.param_groups]
    progress = tqdm(range(1, phase.iterations + 1), desc=f'train {phase.train}', mininterval=5.0)
    for step, batch in zip(progress, batches(phase.batch), strict=False):
        share = cosine(step / phase.iterations)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group['lr'] = peak * share
        loss = _loss(config, phase, network, batch)
        if not math.isfinite(loss.item()):
            raise UserError(
                f'the loss became {loss.item()} at iteration {step} of phase {phase.train!r}; the '
                'last checkpoint is kept; lower the learning rate'
            )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, config.gradient_clip)
        optimizer.step()
        average.update_parameters(network)
        progress.set_postfix(loss=f'{loss.item():.3f}', refresh=False)
        yield step, loss.item(), phase.learning_rate * share


def _loss(config: FitConfig, phase: Phase, network: DepthForge, batch: Batch) -> Tensor:
    image = network.normalize(batch.image_BHW3)
    if phase.train == 'head':
        # The cached blocks are the taps: without tokens both streams see the same features.
        taps = [network.to_map(x, image) for x in batch.depth_blocks]
    else:
        taps = network.visual_taps(image, batch.depth_blocks)
    return set_loss(network.segment(taps, every_layer=True), batch.labels_BHW, config.loss)


def _groups(network: DepthForge, phase: Phase, weight_decay: float) -> Iterable[dict[str, object]]:
    """Optimiser groups: with and without decay, and the encoder where it is trained."""
    decay: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    encoder: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        frozen = name.split('.', 1)[0] in FROZEN
        trains_encoder = phase.train == 'encoder' and name.startswith('visual_encoder.')
        parameter.requires_grad_(not frozen or trains_encoder)
        if trains_encoder:
            encoder.append(parameter)
        elif not frozen:
            skip = parameter.ndim < 2 or any(part in name for part in NO_DECAY)
            (plain if skip else decay).append(parameter)
    groups: list[dict[str, object]] = [
        {'params': decay, 'lr': phase.learning_rate, 'weight_decay': weight_decay},
        {'params': plain, 'lr': phase.learning_rate, 'weight_decay': 0.0},
    ]
    if encoder:
        rate = phase.encoder_learning_rate
        groups.append({'params': encoder, 'lr': rate, 'weight_decay': weight_decay})
    return groups


def _since(start: float) -> str:
    return f'{time.perf_counter() - start:.1f}'
