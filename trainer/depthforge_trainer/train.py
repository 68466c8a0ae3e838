# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The training loop of tokens, decoder and (where asked for) the visual encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
from dataclasses import replace
import math
from pathlib import Path
import time

from depthforge_ros.errors import UserError
from depthforge_ros.labels import LabelSpace
from depthforge_ros.model.mask2former import HeadOutput, LayerPrediction
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.patch import to_map
from depthforge_trainer.config import FitConfig
from depthforge_trainer.data import Loader, loaders, Source
from depthforge_trainer.features import (
    ahead,
    Batch,
    Batches,
    build_cache,
    Cache,
    drawn,
    Share,
)
from depthforge_trainer.log import Log
from depthforge_trainer.losses import auxiliary_loss, LossWeights, set_loss
from depthforge_trainer.networks import build_network, save
from depthforge_trainer.optimizer import build_optimizer
from depthforge_trainer.processes import launch, recompute_activations
from depthforge_trainer.provenance import steps_before
from depthforge_trainer.schedule import SCHEDULES
from depthforge_trainer.state import load_state, Place, restore_optimizer, save_state, STATE
from depthforge_trainer.validation import FrozenDepth, picture, validate
from lightning_fabric import Fabric
import numpy as np
import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

LAST = 'last.safetensors'
"""The averaged network after the last save."""
BEST = 'best.safetensors'
"""The averaged network that was best on the validation images."""
TARGETS = 'targets.csv'
"""What a run writes about the domains it never saw, when it is done."""
TARGET_COLUMNS = ('name', 'kind', 'root', 'split', 'exclude', 'corruption', 'severity')
"""Of a source; the mIoU follows. The severity of what is not corrupted is 0."""


class Training(nn.Module):
    """A network with what only its training has; called on a batch, it gives the loss."""

    def __init__(self, network: DepthForge, weights: LossWeights) -> None:
        super().__init__()
        self.network = network
        self.weights = weights
        self.phase = 'all'
        """What is trained, see `Phase.train`."""
        self.auxiliary: nn.Conv2d | None = None
        """Linear classifier of the visual encoder's tapped maps."""
        if weights.auxiliary > 0.0:
            width = len(network.config.taps) * network.config.encoder.width
            self.auxiliary = nn.Conv2d(width, network.head.classify.out_features - 1, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Loss of a batch in float32; the graph holds what the phase trains."""
        image = self.network.normalize(batch.image_BHW3)
        taps = self._taps(image, batch.depth_blocks or self._depth_blocks(image))
        logits_BKhw = None if self.auxiliary is None else self.auxiliary(torch.cat(taps, 1))
        output = None
        if self.phase != 'auxiliary':
            output = _in_float(self.network.segment(taps, every_layer=True))
        loss = image.new_zeros(())
        with torch.autocast(image.device.type, enabled=False):
            if logits_BKhw is not None:
                auxiliary = auxiliary_loss(logits_BKhw.float(), batch.labels_BHW)
                loss = loss + self.weights.auxiliary * auxiliary
            if output is not None:
                loss = loss + set_loss(output, batch.labels_BHW, self.weights, batch.seeds)
        return loss

    def _taps(self, image: Tensor, depth_blocks: list[Tensor]) -> list[Tensor]:
        if self.phase != 'head':
            return self.network.visual_taps(image, depth_blocks)
        # Without tokens both streams see the same features.
        return [to_map(x, self.network.grid(image)) for x in depth_blocks]

    @torch.no_grad()
    def _depth_blocks(self, image: Tensor) -> list[Tensor]:
        """Run the frozen depth stream, of which nothing is kept for the backward pass."""
        blocks = self.network.depth_blocks(image)
        if self.phase == 'head':
            return [blocks[tap] for tap in self.network.config.taps]
        return blocks


def _in_float(output: HeadOutput) -> HeadOutput:
    layers = [LayerPrediction(*(x.float() for x in layer)) for layer in output.layers]
    return HeadOutput(layers, output.mask_features_BDhw.float())


class Trainer:
    """One run: network, average, data; `run` goes through the phases from a place."""

    def __init__(
        self, config: FitConfig, fabric: Fabric, frozen: FrozenDepth | None = None
    ) -> None:
        self.config = config
        self.fabric = fabric
        self.frozen = frozen
        self.network = build_network(config).to(fabric.device)
        self.before = steps_before(config.start_from, config.foundation, config.visual_foundation)
        _check_head_phases(config, self.network)
        self.output = Path(config.output)
        self.output.mkdir(parents=True, exist_ok=True)
        # What is rendered or computed once is made by the first process.
        with fabric.rank_zero_first():
            self.samples = _loaders(config.sources, config.classes)
            self.validation = _loaders(config.validation, config.classes)
            self.targets = [loaders(source, config.classes) for source in config.targets]
            self.cache = self._cache()
        self.training = Training(self.network, config.loss).to(fabric.device)
        self.average = AveragedModel(
            self.training,
            multi_avg_fn=get_ema_multi_avg_fn(config.average_decay),
            use_buffers=False,
        )
        if config.activation_checkpointing:
            recompute_activations(self.network.visual)
        self.last = self.output / LAST

    def run(self, place: Place, moments: Mapping[str, Tensor]) -> Path:
        """Train what is left after `place`, with the optimiser's moments there."""
        with Log(self.config, place, write=self.fabric.is_global_zero) as log:
            for index in range(place.phase, len(self.config.phases)):
                place = self._phase(index, place, moments, log)
                moments = {}
                place = replace(place, phase=index + 1, step=0)
        if self.fabric.is_global_zero:
            # A run that was stopped after its last state has not written it yet.
            self._save_network(self.last, place)
            self._judge_targets()
            (self.output / STATE).unlink(missing_ok=True)
        self.fabric.barrier()
        return self.last

    def _judge_targets(self) -> None:
        network = _network_of(self.average)
        rows: list[tuple[object, ...]] = [(*TARGET_COLUMNS, 'miou')]
        for source, samples in zip(self.config.targets, self.targets, strict=True):
            with self.fabric.autocast():
                miou = validate(network, samples, self.config.classes, self.frozen)
            cells = {name: getattr(source, name) for name in TARGET_COLUMNS}
            if not source.corruption:
                cells['severity'] = 0
            rows.append((*cells.values(), f'{miou:.2f}'))
        if self.targets:
            with (self.output / TARGETS).open('w', newline='') as file:
                csv.writer(file).writerows(rows)

    def _phase(self, index: int, place: Place, moments: Mapping[str, Tensor], log: Log) -> Place:
        """Train one phase from `place` to its end."""
        config, phase = self.config, self.config.phases[index]
        optimizer = build_optimizer(self.training, phase, config.weight_decay)
        restore_optimizer(optimizer, self.training, moments, place.step)
        self.training.phase = phase.train
        module = self.fabric.setup_module(self.training)
        rates = [group['lr'] for group in optimizer.param_groups]
        start = time.perf_counter() - place.seconds
        steps = range(place.step + 1, phase.iterations + 1)
        progress = tqdm(
            steps,
            desc=f'train {phase.train}',
            initial=place.step,
            total=phase.iterations,
            mininterval=5.0,
            disable=not self.fabric.is_global_zero,
        )
        for step, batch in zip(progress, ahead(self._batches(index), steps), strict=True):
            share = SCHEDULES[phase.schedule](step / phase.iterations)
            for group, peak in zip(optimizer.param_groups, rates, strict=True):
                group['lr'] = peak * share
            loss = self._step(module, optimizer, batch)
            if not math.isfinite(loss):
                self._stop(loss, batch, place, optimizer)
            progress.set_postfix(loss=f'{loss:.3f}', refresh=False)
            seconds = time.perf_counter() - start
            place = replace(place, phase=index, step=step, seconds=seconds)
            log.step(place, loss, phase.learning_rate * share)
            if step % config.save_every == 0 or step == phase.iterations:
                place = self._save(place, optimizer, log)
        return place

    def _step(self, module: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
        """Return the mean loss of all processes; weights change only if it is finite."""
        loss = module(self.fabric.to_device(batch))
        mean = float(torch.as_tensor(self.fabric.all_reduce(loss.detach(), reduce_op='mean')))
        if not math.isfinite(mean):
            return mean
        optimizer.zero_grad()
        self.fabric.backward(loss)
        parameters = [p for group in optimizer.param_groups for p in group['params']]
        norm = nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)
        if not math.isfinite(float(norm)):
            return float(norm)
        optimizer.step()
        self.average.update_parameters(self.training)
        return mean

    def _stop(
        self, loss: float, batch: Batch, place: Place, optimizer: torch.optim.Optimizer
    ) -> None:
        """Name the batch whose loss or gradient is not finite; keep the state before it."""
        # In half precision, in which checkpoints are.
        sound = all(bool(p.half().isfinite().all()) for p in self.training.parameters())
        if place.step and sound and self.fabric.is_global_zero:
            self._write(place, optimizer)
        self.fabric.barrier()
        advice = 'nothing is trained yet: look at these files, or start with a lower learning rate'
        if (self.output / STATE).is_file():
            advice = (
                f'look at these files and go on by --resume, or give start_from: {self.last} with '
                'a lower learning rate and another output'
            )
        elif not sound:
            advice = 'no sound state was saved: start with a lower learning rate or save_every'
        raise UserError(
            f'the loss or its gradient became {loss} after iteration {place.step} of phase '
            f'{place.phase}, on {", ".join(batch.files)}; {advice}'
        )

    def _write(self, place: Place, optimizer: torch.optim.Optimizer) -> None:
        """Write the state, then the averaged network, which alone would look like a run's end."""
        save_state(self.output, self.config, place, self.training, self.average, optimizer)
        self._save_network(self.last, place)

    def _save_network(self, path: Path, place: Place) -> None:
        network = _network_of(self.average)
        save(path, network, self.config, seconds=place.seconds, before=self.before)

    def _save(self, place: Place, optimizer: torch.optim.Optimizer, log: Log) -> Place:
        """Write the run's state; keep the network if it is the best so far."""
        if self.fabric.is_global_zero:
            network = _network_of(self.average)
            if self.validation:
                with self.fabric.autocast():
                    miou = validate(network, self.validation, self.config.classes)
                log.validation(place, miou)
                if miou > place.best_miou:
                    place = replace(place, best_miou=miou)
                    self._save_network(self.output / BEST, place)
            self._write(place, optimizer)
            if log.wants_pictures:
                shown = self.validation or self.samples
                log.pictures(place, picture(network, shown, self.config.classes))
        self.fabric.barrier()
        return place

    def _cache(self) -> Cache | None:
        if not self.config.cached_views:
            return None
        return build_cache(
            Path(self.config.cache or self.output / 'cache'),
            self.network,
            self.samples,
            views=self.config.cached_views,
            augment=self.config.augment,
            rng=np.random.default_rng(self.config.seed),
            of=(self.config.seed, Path(self.config.foundation).name),
        )

    def _batches(self, index: int) -> Batches:
        config, phase = self.config, self.config.phases[index]
        # Another order in every phase.
        seed = config.seed * len(config.phases) + index
        share = Share(phase.batch, self.fabric.global_rank, self.fabric.world_size)
        if self.cache is None:
            return drawn(self.samples, config.augment, share=share, seed=seed)
        taps = self.network.config.taps
        blocks = taps if phase.train == 'head' else tuple(range(self.network.config.encoder.depth))
        return self.cache.batches(blocks, share=share, seed=seed, rare_classes=config.rare_classes)


def _network_of(average: AveragedModel) -> DepthForge:
    if not isinstance(average.module, Training):
        raise TypeError(type(average.module))
    return average.module.network


def _check_head_phases(config: FitConfig, network: DepthForge) -> None:
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


def _loaders(sources: Sequence[Source], space: LabelSpace) -> list[Loader]:
    return [loader for source in sources for loader in loaders(source, space)]


def fit(config: FitConfig, *, resume: bool = False, frozen: FrozenDepth | None = None) -> Path:
    """
    Train and return the path of the last checkpoint; `resume` goes on with a stopped run.

    `frozen` serves the targets of several runs with the same frozen depth stream.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    fabric = launch(config.precision)
    state = Path(config.output) / STATE
    if state.is_file() and not resume:
        raise UserError(
            f'{state} is of a run that was stopped; go on with it by --resume, or remove the file'
        )
    trainer = Trainer(config, fabric, frozen)
    if not resume:
        return trainer.run(Place(), {})
    return trainer.run(*load_state(trainer.output, config, trainer.training, trainer.average))
