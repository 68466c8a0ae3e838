# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The training loop of tokens, decoder and (where asked for) the visual encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
import math
from pathlib import Path
from statistics import fmean
import time

from depthforge_ros.errors import UserError
from depthforge_ros.model.checkpoint import load_network
from depthforge_ros.model.network import DepthForge
from depthforge_trainer.cache import CachedLoader, least_blocks, open_cache, pseudo_labels
from depthforge_trainer.classes import Targets
from depthforge_trainer.config import FitConfig
from depthforge_trainer.data import all_loaders, Loader, loaders, Source
from depthforge_trainer.features import (
    ahead,
    Batch,
    Batches,
    cached,
    drawn,
    label_counts,
    Share,
)
from depthforge_trainer.log import Log
from depthforge_trainer.networks import build_network, check_head_phases, Make, save
from depthforge_trainer.optimizer import build_optimizer
from depthforge_trainer.phase import Phase
from depthforge_trainer.pixel_loss import class_weights
from depthforge_trainer.processes import launch, recompute_activations
from depthforge_trainer.provenance import steps_before
from depthforge_trainer.schedule import SCHEDULES
from depthforge_trainer.state import load_state, Place, restore_optimizer, save_state, STATE
from depthforge_trainer.targets import judge_targets
from depthforge_trainer.teacher import load_teacher
from depthforge_trainer.training import Training
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
COUNTED = 200
"""About so many images tell how rare the classes are, where no views are cached."""


class Trainer:
    """One run: network, average, data; `run` goes through the phases from a place."""

    def __init__(
        self, config: FitConfig, fabric: Fabric, frozen: FrozenDepth | None, make: Make
    ) -> None:
        self.config = config
        self.fabric = fabric
        # What the depth stream says of judged images, where no phase changes it.
        self.frozen = frozen or (None if config.trains_network else FrozenDepth([config.model]))
        self.network = make(config).to(fabric.device)
        self.before = steps_before(config.start_from, config.foundation, config.visual_foundation)
        check_head_phases(config, self.network)
        self.teacher = self._teacher()
        self.output = Path(config.output)
        self.output.mkdir(parents=True, exist_ok=True)
        # What is rendered or computed once is made by the first process.
        with fabric.rank_zero_first():
            self.samples: list[Loader | CachedLoader] = [*_loaders(config.sources)]
            self.validation = [loaders(source) for source in config.validation]
            self.targets = [loaders(source) for source in config.targets]
            self.views = self._cached_views()
            if config.trains_network:
                fresh = [one for one in config.sources if not (one.views or config.cached_views)]
                self.samples = [*_loaders(fresh), *self.views]
        spaces = {load.space.name: load.space for load in self.samples if load.labelled}
        self.class_targets = Targets(config.classes, spaces.values())
        self.training = Training(
            self.network,
            config.loss,
            self.class_targets,
            self._class_weights(),
            self.teacher.config.encoder.width,
        ).to(fabric.device)
        self.average = AveragedModel(
            self.training,
            multi_avg_fn=get_ema_multi_avg_fn(config.average_decay),
            use_buffers=True,
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
                place = replace(place, phase=index + 1, step=0, phase_began=place.seconds)
        if self.fabric.is_global_zero:
            # A run that was stopped after its last state has not written it yet.
            self._save_network(self.last, place)
            if self.targets:
                network = _network_of(self.average)
                with self.fabric.autocast():
                    judge_targets(network, self.config, self.targets, self.frozen)
            (self.output / STATE).unlink(missing_ok=True)
        self.fabric.barrier()
        return self.last

    def _phase(self, index: int, place: Place, moments: Mapping[str, Tensor], log: Log) -> Place:
        """Train one phase from `place` to its end."""
        config, phase = self.config, self.config.phases[index]
        optimizer = build_optimizer(self.training, phase, config.weight_decay)
        restore_optimizer(optimizer, self.training, moments, place.step)
        self.training.phase = phase.train
        # The norms of what is frozen keep their statistics.
        self.training.train(phase.train == 'network')
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
            share = SCHEDULES[phase.schedule](self._done(phase, place, step))
            for group, peak in zip(optimizer.param_groups, rates, strict=True):
                group['lr'] = peak * share
            loss = self._step(module, optimizer, batch)
            if not math.isfinite(loss):
                self._stop(loss, batch, place, optimizer)
            progress.set_postfix(loss=f'{loss:.3f}', refresh=False)
            seconds = time.perf_counter() - start
            place = replace(place, phase=index, step=step, seconds=seconds)
            log.step(place, loss, phase.learning_rate * share)
            ended = self._done(phase, place, step) == 1.0
            if step % config.save_every == 0 or ended:
                place = self._save(place, optimizer, log)
            if ended:
                break
        return place

    def _done(self, phase: Phase, place: Place, step: int) -> float:
        """Return the share of a phase that is done, the same in all processes."""
        seconds = place.seconds - place.phase_began
        # Only a limit of time has to be told to the other processes.
        return phase.done(step, self.fabric.broadcast(seconds) if phase.seconds else seconds)

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
                    miou = fmean(
                        validate(network, samples, self.config.classes, self.frozen)
                        for samples in self.validation
                    )
                log.validation(place, miou)
                if miou > place.best_miou:
                    place = replace(place, best_miou=miou)
                    self._save_network(self.output / BEST, place)
            self._write(place, optimizer)
            if log.wants_pictures:
                shown = [one for samples in self.validation for one in samples] or self.samples
                log.pictures(place, picture(network, shown, self.config.classes))
        self.fabric.barrier()
        return place

    def _cached_views(self) -> list[CachedLoader]:
        """Open the caches of all sources, one for each round of views; nothing without."""
        config = self.config
        folder = Path(config.cache or self.output / 'cache')
        views = []
        for source in config.sources:
            every, chosen = all_loaders(source), {load.image for load in loaders(source)}
            wanted = [index for index, load in enumerate(every) if load.image in chosen]
            for turn in range(source.views or config.cached_views):
                cache = open_cache(
                    folder / f'{source.title}_{turn}',
                    self.teacher,
                    every,
                    wanted,
                    blocks=self._cached_blocks(),
                    augment=config.cached_augment or config.augment,
                    seed=(config.seed, turn),
                )
                labelled = source.labelled or not config.teacher
                labels = None if labelled else pseudo_labels(cache, self.teacher, wanted)
                space = every[0].space if labelled else self.config.classes
                views += [CachedLoader(cache, index, space, labels) for index in wanted]
        return views

    def _teacher(self) -> DepthForge:
        """Return what says the depth of cached views."""
        config = self.config
        if config.teacher:
            return load_network(Path(config.teacher), Path(config.foundation))[0]
        if config.trains_network and config.views_anything:
            return load_teacher(config.foundation)
        return self.network

    def _cached_blocks(self) -> tuple[int, ...]:
        """Blocks whose tokens are kept: the tapped ones, and what the tokens begin with."""
        model = self.teacher.config
        if self.config.trains_network:
            return model.taps
        if model.tokens.first_block == 0 and any(
            phase.train != 'head' for phase in self.config.phases
        ):
            return tuple(range(model.encoder.depth))
        return tuple(sorted(least_blocks(model)))

    def _class_weights(self) -> Tensor | None:
        """Weights of the pixel-wise loss: by the rarity of classes where that is asked for."""
        targets = self.class_targets
        if not self.config.loss.balance:
            return None
        if self.views and not self.config.trains_network:
            counts = label_counts(self.views, targets).sum(0)
        else:
            counts = sum(
                np.bincount(targets.of(load().labels, load.space).ravel(), minlength=256)[
                    : len(targets)
                ]
                for load in self.samples[:: max(1, len(self.samples) // COUNTED)]
            )
        return class_weights(counts, targets.members)

    def _batches(self, index: int) -> Batches:
        config, phase = self.config, self.config.phases[index]
        # Another order in every phase.
        seed = config.seed * len(config.phases) + index
        share = Share(phase.batch, self.fabric.global_rank, self.fabric.world_size)
        if not self.views or config.trains_network:
            return drawn(
                self.samples,
                self.class_targets,
                config.augment,
                share=share,
                seed=seed,
                patch=self.network.visual.config.patch if config.loss.features else 0,
            )
        return cached(
            self.views,
            self.class_targets,
            share=share,
            seed=seed,
            rare_classes=config.rare_classes,
        )


def _network_of(average: AveragedModel) -> DepthForge:
    if not isinstance(average.module, Training):
        raise TypeError(type(average.module))
    return average.module.network


def _loaders(sources: Sequence[Source]) -> list[Loader]:
    return [loader for source in sources for loader in loaders(source)]


def fit(
    config: FitConfig,
    *,
    resume: bool = False,
    frozen: FrozenDepth | None = None,
    make: Make = build_network,
) -> Path:
    """
    Train and return the path of the last checkpoint; `resume` goes on with a stopped run.

    `frozen` serves the targets of several runs with the same frozen depth stream; `make` makes the
    network.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    fabric = launch(config.precision)
    state = Path(config.output) / STATE
    if state.is_file() and not resume:
        raise UserError(
            f'{state} is of a run that was stopped; go on with it by --resume, or remove the file'
        )
    trainer = Trainer(config, fabric, frozen, make)
    if not resume:
        return trainer.run(Place(), {})
    return trainer.run(*load_state(trainer.output, config, trainer.training, trainer.average))
