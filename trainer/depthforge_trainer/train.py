# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The training loop of tokens, decoder and (where asked for) the visual encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
import csv
from dataclasses import replace
import math
from pathlib import Path
import shutil
import time

from depthforge_ros.errors import UserError
from depthforge_ros.model.network import DepthForge, FROZEN
from depthforge_ros.model.patch import to_map
from depthforge_trainer.config import FitConfig, Phase
from depthforge_trainer.data import loaders
from depthforge_trainer.features import Batch, Batches, build_cache, Cache, drawn
from depthforge_trainer.losses import auxiliary_loss, LossWeights, set_loss
from depthforge_trainer.networks import build_network, save
from depthforge_trainer.schedule import cosine
from depthforge_trainer.state import load_state, Place, restore_optimizer, save_state, STATE
from depthforge_trainer.validation import validate
import numpy as np
import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

NO_DECAY = ('norm', 'level_embed', 'tokens.a', 'tokens.b', 'tokens.scale')
LOGS = {
    'log.csv': ('phase', 'iteration', 'loss', 'learning_rate', 'seconds'),
    'validation.csv': ('phase', 'iteration', 'miou'),
}


class Training(nn.Module):
    """A network with what only its training has; called on a batch, it gives the loss."""

    def __init__(self, network: DepthForge, *, auxiliary: bool) -> None:
        super().__init__()
        self.network = network
        self.auxiliary: nn.Conv2d | None = None
        """Linear classifier of the visual encoder's tapped maps."""
        if auxiliary:
            width = len(network.config.taps) * network.config.encoder.width
            self.auxiliary = nn.Conv2d(width, network.head.classify.out_features - 1, 1)

    def forward(self, batch: Batch, phase: Phase, weights: LossWeights) -> Tensor:
        """Loss of a batch; the graph holds what the phase trains."""
        network = self.network
        image = network.normalize(batch.image_BHW3)
        if phase.train == 'head':
            # The cached blocks are the taps: without tokens both streams see the same features.
            taps = [to_map(x, network.grid(image)) for x in batch.depth_blocks]
        else:
            taps = network.visual_taps(image, batch.depth_blocks)
        loss = image.new_zeros(())
        if self.auxiliary is not None:
            logits_BKhw = self.auxiliary(torch.cat(taps, 1))
            loss = weights.auxiliary * auxiliary_loss(logits_BKhw, batch.labels_BHW)
        if phase.train == 'auxiliary':
            return loss
        loss = loss + set_loss(network.segment(taps, every_layer=True), batch.labels_BHW, weights)
        return loss


class Trainer:
    """One run: network, average, data; `run` goes through the phases from a place."""

    def __init__(self, config: FitConfig) -> None:
        self.config = config
        self.network = build_network(config)
        self.output = Path(config.output)
        self.output.mkdir(parents=True, exist_ok=True)
        self.samples = [loader for source in config.sources for loader in loaders(source)]
        self.validation = [loader for source in config.validation for loader in loaders(source)]
        self.cache = self._cache()
        self.training = Training(self.network, auxiliary=config.loss.auxiliary > 0.0)
        self.average = AveragedModel(
            self.training,
            multi_avg_fn=get_ema_multi_avg_fn(config.average_decay),
            use_buffers=False,
        )
        self.last = self.output / 'last.safetensors'

    def run(self, place: Place, moments: Mapping[str, Tensor]) -> Path:
        """Train what is left after `place`, with the optimiser's moments there."""
        for name, columns in LOGS.items():
            _cut_log(self.output / name, columns, place)
        with (self.output / 'log.csv').open('a', newline='') as log:
            writer = csv.writer(log)
            for index in range(place.phase, len(self.config.phases)):
                for done, row in self._phase(index, place, moments):
                    writer.writerow(row)
                    log.flush()
                    place = done
                moments = {}
                place = replace(place, phase=index + 1, step=0)
        (self.output / STATE).unlink(missing_ok=True)
        return self.last

    def _phase(
        self, index: int, place: Place, moments: Mapping[str, Tensor]
    ) -> Iterator[tuple[Place, tuple[object, ...]]]:
        """Train one phase, yielding the place and a row of the log after every iteration."""
        config, phase = self.config, self.config.phases[index]
        optimizer = torch.optim.AdamW(_groups(self.training, phase, config.weight_decay))
        restore_optimizer(optimizer, self.training, moments, place.step)
        rates = [group['lr'] for group in optimizer.param_groups]
        batches = self._batches(index)
        start = time.perf_counter() - place.seconds
        progress = tqdm(
            range(place.step + 1, phase.iterations + 1),
            desc=f'train {phase.train}',
            initial=place.step,
            total=phase.iterations,
            mininterval=5.0,
        )
        for step in progress:
            share = cosine(step / phase.iterations)
            for group, peak in zip(optimizer.param_groups, rates, strict=True):
                group['lr'] = peak * share
            # The points of the loss are a function of the place, like the batch.
            torch.manual_seed(hash((config.seed, index, step)))
            loss = self._step(phase, optimizer, batches(step))
            progress.set_postfix(loss=f'{loss:.3f}', refresh=False)
            seconds = time.perf_counter() - start
            place = replace(place, phase=index, step=step, seconds=seconds)
            if step % config.save_every == 0 or step == phase.iterations:
                place = self._save(place, optimizer)
            rate = f'{phase.learning_rate * share:.2e}'
            yield place, (index, step, f'{loss:.4f}', rate, f'{seconds:.1f}')

    def _step(self, phase: Phase, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
        loss = self.training(batch, phase, self.config.loss)
        if not math.isfinite(loss.item()):
            raise UserError(
                f'the loss became {loss.item()} in a phase that trains {phase.train!r}; the last '
                'checkpoint is kept; lower the learning rate'
            )
        optimizer.zero_grad()
        loss.backward()
        parameters = [p for group in optimizer.param_groups for p in group['params']]
        nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)
        optimizer.step()
        self.average.update_parameters(self.training)
        return loss.item()

    def _save(self, place: Place, optimizer: torch.optim.Optimizer) -> Place:
        """Write the averaged network and the state; keep the network if it is the best so far."""
        averaged = self.average.module
        if not isinstance(averaged, Training):
            raise TypeError(type(averaged))
        network = averaged.network
        save(self.last, network, self.config, seconds=place.seconds)
        if self.validation:
            miou = validate(network, self.validation)
            tqdm.write(f'phase {place.phase}, iteration {place.step}: validation mIoU {miou:.1f}')
            with (self.output / 'validation.csv').open('a', newline='') as file:
                csv.writer(file).writerow((place.phase, place.step, f'{miou:.2f}'))
            if miou > place.best_miou:
                place = replace(place, best_miou=miou)
                shutil.copyfile(self.last, self.output / 'best.safetensors')
        save_state(self.output, self.config, place, self.training, self.average, optimizer)
        return place

    def _cache(self) -> Cache | None:
        if not self.config.cached_views:
            return None
        return build_cache(
            self.output / 'cache',
            self.network,
            self.samples,
            views=self.config.cached_views,
            augment=self.config.augment,
            rng=np.random.default_rng(self.config.seed),
        )

    def _batches(self, index: int) -> Batches:
        config, phase = self.config, self.config.phases[index]
        # Another order in every phase.
        seed = config.seed * len(config.phases) + index
        if self.cache is None:
            return drawn(self.network, self.samples, config.augment, size=phase.batch, seed=seed)
        taps = self.network.config.taps
        blocks = taps if phase.train == 'head' else tuple(range(self.network.config.encoder.depth))
        return self.cache.batches(
            blocks, size=phase.batch, seed=seed, rare_classes=config.rare_classes
        )


def fit(config: FitConfig, *, resume: bool = False) -> Path:
    """Train and return the path of the last checkpoint; `resume` goes on with a stopped run."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    state = Path(config.output) / STATE
    if state.is_file() and not resume:
        raise UserError(
            f'{state} is of a run that was stopped; go on with it by --resume, or remove the file'
        )
    trainer = Trainer(config)
    if not resume:
        return trainer.run(Place(), {})
    return trainer.run(*load_state(trainer.output, config, trainer.training, trainer.average))


def _groups(training: Training, phase: Phase, weight_decay: float) -> Iterable[dict[str, object]]:
    """Optimiser groups: with and without decay, and the encoder where it is trained."""
    decay: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    encoder: list[nn.Parameter] = []
    encoder_trains = phase.train in ('encoder', 'auxiliary')
    for long_name, parameter in training.named_parameters():
        name = long_name.removeprefix('network.')
        frozen = name.split('.', 1)[0] in FROZEN
        trains_encoder = encoder_trains and name.startswith('visual_encoder.')
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


def _cut_log(path: Path, columns: tuple[str, ...], place: Place) -> None:
    """Start a log, or keep of it what was written before `place`."""
    rows = list(csv.reader(path.open(newline=''))) if path.is_file() else []
    done = [row for row in rows[1:] if (int(row[0]), int(row[1])) <= (place.phase, place.step)]
    with path.open('w', newline='') as file:
        csv.writer(file).writerows((columns, *done))
