# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Memory and hours of a run, before it is started.

Operations and kept activations of one iteration are counted on tensors without storage, for the
very configuration. What time they take is measured small: the same run's shape with fewer and
narrower layers, on this machine, beside its matrix rate. The share of the matrix rate that the
small run reaches is then taken to hold for the target too, whose matrix rate the user gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
import statistics
import time
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.model.config import NetworkConfig, VitConfig
from depthforge_ros.model.dense import DenseOutput
from depthforge_ros.model.network import DepthForge
from depthforge_trainer.classes import Targets
from depthforge_trainer.config import FitConfig
from depthforge_trainer.features import Batch
from depthforge_trainer.optimizer import build_optimizer
from depthforge_trainer.phase import Phase
from depthforge_trainer.processes import recompute_activations
from depthforge_trainer.training import Training
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

SMALL = VitConfig(width=192, depth=4, heads=3)
SMALL_GRID = 16
"""Patches along each side of the small run's views."""
REPEATS = 3
MATRIX = 1024
"""Side of the square matrices whose product gives the matrix rate."""


@dataclass(frozen=True)
class Cost:
    """Of one iteration of one process."""

    operations: int
    """Floating-point operations, two per multiply-add, forward and backward."""
    weight_bytes: int
    """Weights, their average, gradients and AdamW's moments, float32."""
    activation_bytes: int
    """Kept from the forward to the backward pass, taken as all in the run's precision; workspace
    and fragmentation come on top."""


@dataclass(frozen=True)
class Measured:
    """What the small run reached on this machine, medians; operations per second."""

    step_rate: float
    matrix_rate: float

    @property
    def share(self) -> float:
        """Share of the matrix rate that training reaches."""
        return self.step_rate / self.matrix_rate


def estimate(
    config: FitConfig, *, matrix_tflops: float, processes: Sequence[int]
) -> dict[str, Any]:
    """
    Estimate memory per process, and hours on so many processes of a device of that matrix rate.

    Returns what was `measured` here, the `matrix_tflops` that are assumed, and for each of the
    `phases` the cost of an iteration and `hours` by number of processes: for the views that one
    process would see, which several see in fewer iterations.
    """
    if matrix_tflops <= 0.0:
        raise UserError(f'--matrix-tflops is {matrix_tflops}; give what your device reaches')
    measured = measure(config)
    rate = measured.share * matrix_tflops * 1e12
    phases = []
    for phase in config.phases:
        cost = count(config, phase)
        hours = phase.iterations * cost.operations / rate / 3600.0
        phases.append(
            {
                'train': phase.train,
                'iterations': phase.iterations,
                'batch': phase.batch,
                'tflop_per_iteration': round(cost.operations / 1e12, 2),
                'weights_gib': round(cost.weight_bytes / 2**30, 2),
                'activations_gib': round(cost.activation_bytes / 2**30, 2),
                'hours': {str(number): round(hours / number, 2) for number in processes},
            }
        )
    return {
        'measured': {
            'step_gflops': round(measured.step_rate / 1e9, 1),
            'matrix_gflops': round(measured.matrix_rate / 1e9, 1),
            'share': round(measured.share, 3),
        },
        'matrix_tflops': matrix_tflops,
        'phases': phases,
    }


def lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """Say what `estimate` gave."""
    measured = figures['measured']
    yield (
        f'measured here, small and in float32: {measured["step_gflops"]} of '
        f'{measured["matrix_gflops"]} GFLOP/s, {100.0 * measured["share"]:.0f} %'
    )
    yield (
        f'assumed of the device: the same share of {figures["matrix_tflops"]:g} TFLOP/s; data and '
        'communication take no time'
    )
    for index, phase in enumerate(figures['phases']):
        yield (
            f'phase {index}, {phase["train"]}: {phase["tflop_per_iteration"]} TFLOP per iteration '
            f'and process, weights and moments {phase["weights_gib"]} GiB, activations '
            f'{phase["activations_gib"]} GiB'
        )
        for number, hours in phase['hours'].items():
            views = int(number) * phase['batch']
            yield (
                f'  {phase["iterations"] * phase["batch"]} views on {number}, {views} per '
                f'iteration: {hours} h'
            )


def count(config: FitConfig, phase: Phase) -> Cost:
    """Count an iteration without computing it; the loss itself is left out."""
    if phase.train not in ('all', 'encoder'):
        raise UserError(
            f'no estimate of a phase that trains {phase.train!r}; leave it out of the run'
        )
    with torch.device('meta'):
        training = _training(config)
    training.to('meta')
    build_optimizer(training, phase, config.weight_decay)
    if config.activation_checkpointing:
        recompute_activations(training.network.visual)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    weights = {p.untyped_storage()._cdata for p in training.parameters()}
    with FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            output = _forward(training, config, phase)
        output.backward()
    trained = sum(p.numel() for p in training.parameters() if p.requires_grad)
    every = sum(p.numel() for p in training.parameters())
    half = 0.5 if config.precision == 'bf16-mixed' else 1.0
    activations = sum(size for key, size in kept.items() if key not in weights)
    return Cost(counter.get_total_flops(), 4 * (2 * every + 3 * trained), int(half * activations))


def _forward(training: Training, config: FitConfig, phase: Phase) -> Tensor:
    network = training.network
    size = (phase.batch, config.augment.height, config.augment.width, 3)
    image = network.normalize(torch.zeros(size, dtype=torch.uint8, device='meta'))
    with torch.no_grad():
        depth = network.see_depth(image)
    output = network.segment(network.visual_taps(image, depth), depth, every_layer=True)
    if isinstance(output, DenseOutput):
        return output.logits_BKhw.sum()
    terms = [x.sum() for layer in output.layers for x in layer]
    return torch.stack(terms).sum() + output.mask_features_BDhw.sum()


def _training(config: FitConfig) -> Training:
    network = DepthForge(config.model, len(config.classes))
    return Training(network, config.loss, Targets(config.classes, ()))


def measure(config: FitConfig) -> Measured:
    """Time whole iterations of a small encoder with the run's head, and matrix products."""
    phase = Phase('all', iterations=1, batch=1)
    patch = config.model.encoder.patch
    model = NetworkConfig(
        encoder=replace(SMALL, patch=patch), taps=(0, 1, 2, 3), head=config.model.head
    )
    augment = replace(config.augment, height=SMALL_GRID * patch, width=SMALL_GRID * patch)
    small = replace(config, model=model, augment=augment, activation_checkpointing=False)
    training = _training(small)
    optimizer = build_optimizer(training, phase, config.weight_decay)
    size = (1, augment.height, augment.width)
    batch = Batch(
        torch.randint(256, (*size, 3), dtype=torch.uint8),
        torch.randint(len(config.classes), size, dtype=torch.uint8),
        {}, None, ['random'], [0],
    )  # fmt: skip
    matrix = torch.randn(MATRIX, MATRIX)

    def step() -> None:
        optimizer.zero_grad()
        training(batch).backward()
        optimizer.step()

    steps, products = [], []
    for _ in range(REPEATS):
        steps.append(_seconds(step))
        products.append(_seconds(lambda: matrix @ matrix))
    return Measured(
        step_rate=count(small, phase).operations / statistics.median(steps),
        matrix_rate=2 * MATRIX**3 / statistics.median(products),
    )


def _seconds(work: Callable[[], object]) -> float:
    """Processor time of this process, which others on the machine hardly change."""
    work()
    start = time.process_time()
    work()
    return time.process_time() - start
