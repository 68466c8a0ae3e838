# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Distils Depth Anything V2 into a small encoder and depth head of our own.

Shapes: B batch, N patches, C teacher width, c student width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import csv
import dataclasses
from dataclasses import dataclass, field
import math
from pathlib import Path
import time

from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID
from depthforge_ros.model.checkpoint import (
    describe_checkpoint,
    FOUNDATION_PATCH,
    load_network,
    save_checkpoint,
)
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.network import DepthForge
from depthforge_trainer.augment import Augment
from depthforge_trainer.data import loaders, Source
from depthforge_trainer.features import in_rounds
from depthforge_trainer.provenance import joined, Provenance, steps_before
from depthforge_trainer.schedule import cosine
from depthforge_trainer.slicing import slice_encoder
from depthforge_trainer.targets import ask_teacher, draw, Targets, View
from depthforge_trainer.teacher import load_foundation, load_teacher, visual_from_depth
import numpy as np
import numpy.typing as npt
import torch
from torch import nn, Tensor
from torch.nn import functional
from tqdm import tqdm

SLICING_VIEWS = 12
SAVE_EVERY = 200


@dataclass(frozen=True)
class DistillConfig:
    """Everything that `depthforge-train distill` needs."""

    output: str
    """Folder of the checkpoint, the log and what the teacher said."""
    teacher: str
    """Depth Anything V2 Small weights (.safetensors)."""
    model: NetworkConfig
    """Of the student."""
    kept_blocks: tuple[int, ...]
    """Teacher blocks from which the student's are cut; the taps must match the teacher's."""
    sources: tuple[Source, ...]
    """What is distilled on; labels are not looked at."""
    iterations: int
    """Each takes one batch and changes the weights once."""
    start_from: str = ''
    """Checkpoint of a student to go on from, instead of cutting one out of the teacher; what is
    not distilled (tokens, decoder) is kept."""
    batch: int = 8
    """Views per iteration."""
    learning_rate: float = 5e-4
    """Peak of a cosine."""
    views: int = 1
    """Views per image, drawn once; the teacher's answers are kept on disk."""
    augment: Augment = field(default_factory=Augment)
    """What the views look like; sides are multiples of 14."""
    distortion: float = 0.2
    """Photometric distortion that only the student sees."""
    seed: int = 0
    """Of views, their order and the weights that are fresh."""
    threads: int = 2
    """CPU threads."""
    data_licence: str = ''
    """Written into the checkpoint, with those of the steps before it."""

    def __post_init__(self) -> None:
        if not self.sources:
            raise UserError('sources are empty; name at least one')
        if self.augment.height % FOUNDATION_PATCH or self.augment.width % FOUNDATION_PATCH:
            raise UserError(
                f'augment: views of {self.augment.height} x {self.augment.width} pixels came; '
                f"height and width must be multiples of the teacher's patch, {FOUNDATION_PATCH}"
            )


class Student(nn.Module):
    """The network under training with the linear maps to the teacher's features."""

    def __init__(self, network: DepthForge, to_teacher: list[nn.Linear]) -> None:
        super().__init__()
        self.network = network
        self.to_teacher = nn.ModuleList(to_teacher)

    def forward(self, view: View) -> tuple[list[Tensor], Tensor]:
        """Guess the teacher's tapped features (B, N, C) and inverse depth (B, H, W)."""
        network = self.network
        image = network.normalize(view.image_BHW3)
        blocks = network.depth_blocks(image)
        taps = [blocks[index] for index in network.config.taps]
        guesses = [layer(x) for layer, x in zip(self.to_teacher, taps, strict=True)]
        return guesses, _guess_depth(network, blocks, image, view.inverse_depth_BHW)


def distill(config: DistillConfig) -> Path:
    """Distil and return the path of a checkpoint whose two encoders are the same."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    rng = np.random.default_rng(config.seed)
    targets = _targets(config, rng)
    student = _student(config, targets)

    def step(indices: npt.NDArray[np.int64]) -> dict[str, Tensor]:
        seen = draw(targets, indices, student.network, rng, config.distortion)
        guesses, guessed_depth = student(seen)
        return {
            'feature_loss': _feature_loss(guesses, seen.taps_B4NC),
            'depth_loss': _depth_loss(guessed_depth, seen.inverse_depth_BHW),
        }

    parameters = [p for p in student.parameters() if p.requires_grad]
    return _optimize(config, student.network, parameters, len(targets.rgb), step)


def _optimize(
    config: DistillConfig,
    network: DepthForge,
    parameters: list[nn.Parameter],
    views: int,
    losses: Callable[[npt.NDArray[np.int64]], dict[str, Tensor]],
) -> Path:
    """Minimise the sum of the losses of batches of views; log, save and return the path."""
    optimizer = torch.optim.AdamW(parameters, config.learning_rate, weight_decay=0.02)
    before = steps_before(config.start_from)
    output = Path(config.output)
    path = output / 'last.safetensors'
    start = time.perf_counter()
    with (output / 'log.csv').open('w', newline='') as log:
        writer = csv.writer(log)
        progress = tqdm(range(1, config.iterations + 1), desc='distil', mininterval=5.0)
        for step in progress:
            for group in optimizer.param_groups:
                group['lr'] = config.learning_rate * cosine(step / config.iterations)
            parts = losses(in_rounds(views, config.batch, step, config.seed))
            optimizer.zero_grad()
            torch.stack(list(parts.values())).sum().backward()
            norm = float(nn.utils.clip_grad_norm_(parameters, 1.0))
            if not math.isfinite(norm):
                raise _diverged(path, step)
            optimizer.step()
            figures = {name: f'{value.item():.4f}' for name, value in parts.items()}
            seconds = time.perf_counter() - start
            if step == 1:
                writer.writerow(('iteration', *figures, 'seconds'))
            writer.writerow((step, *figures.values(), f'{seconds:.1f}'))
            progress.set_postfix(figures, refresh=False)
            if step % SAVE_EVERY == 0 or step == config.iterations:
                log.flush()
                _save(path, network, config, seconds, before)
    return path


def _diverged(path: Path, step: int) -> UserError:
    """Say where to go on from; a loss that is not finite has such a gradient."""
    last = (step - 1) // SAVE_EVERY * SAVE_EVERY
    advice = 'start with a lower learning_rate'
    if last:
        advice += f', or give start_from: {path}, of iteration {last}, and another output'
    return UserError(f'the gradient of iteration {step} is not finite; {advice}')


def _student(config: DistillConfig, targets: Targets) -> Student:
    views = np.linspace(0, len(targets.rgb) - 1, SLICING_VIEWS).astype(int)
    images = torch.from_numpy(targets.rgb[views])
    if config.start_from:
        network = _start(Path(config.start_from), config.model)
        seen = draw(targets, views, network, np.random.default_rng(config.seed), 0.0)
        to_teacher = _fitted_maps(network, seen)
    else:
        teacher = load_teacher(config.teacher)
        network = DepthForge(config.model, len(CAMVID))
        encoder, basis = slice_encoder(
            teacher.depth_encoder,
            config.model.encoder,
            kept=config.kept_blocks,
            images_B3HW=teacher.normalize(images),
        )
        network.depth_encoder.load_state_dict(encoder.state_dict())
        to_teacher = [_linear(basis.expand, torch.zeros(len(basis.expand))) for _ in range(4)]
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith(('depth_encoder.', 'depth_head.')))
    return Student(network, to_teacher)


def _start(path: Path, config: NetworkConfig) -> DepthForge:
    """Load a student whole, or into another network the parts that are distilled."""
    if describe_checkpoint(path).config == config:
        return load_network(path)[0]
    network = DepthForge(config, len(CAMVID))
    load_foundation(network, path)
    return network


def _fitted_maps(network: DepthForge, seen: View) -> list[nn.Linear]:
    """Least-squares maps from the student's tapped features to the teacher's."""
    with torch.no_grad():
        blocks = network.depth_blocks(network.normalize(seen.image_BHW3))
    maps = []
    for index, block in enumerate(network.config.taps):
        features = functional.pad(blocks[block].flatten(0, 1), (0, 1), value=1.0)
        solution = torch.linalg.lstsq(features, seen.taps_B4NC[:, index].flatten(0, 1)).solution
        maps.append(_linear(solution[:-1].T, solution[-1]))
    return maps


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({'weight': weight, 'bias': bias})
    return layer


def tune_depth_head(config: DistillConfig) -> Path:
    """Train the depth head of `start_from` further, on its own encoder, and return the path."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    rng = np.random.default_rng(config.seed)
    targets = _targets(config, rng)
    network, _ = load_network(Path(config.start_from))
    network.requires_grad_(False)
    network.depth_head.requires_grad_(True)

    def step(indices: npt.NDArray[np.int64]) -> dict[str, Tensor]:
        seen = draw(targets, indices, network, rng, config.distortion)
        image = network.normalize(seen.image_BHW3)
        with torch.no_grad():
            blocks = network.depth_blocks(image)
        guess = _guess_depth(network, blocks, image, seen.inverse_depth_BHW)
        return {'depth_loss': _depth_loss(guess, seen.inverse_depth_BHW)}

    return _optimize(
        config, network, list(network.depth_head.parameters()), len(targets.rgb), step
    )


def _guess_depth(
    network: DepthForge, blocks: list[Tensor], image_B3HW: Tensor, like_BHW: Tensor
) -> Tensor:
    """Inverse depth (B, H, W), without the last ReLU, from the patches after every block."""
    maps = network.normed(network.depth_maps(blocks, image_B3HW))
    return network.depth_head.unbounded(maps, (like_BHW.shape[1], like_BHW.shape[2]))


def _feature_loss(guesses: list[Tensor], taps_B4NC: Tensor) -> Tensor:
    """Mean squared error of the layer-normalised features."""
    width = (taps_B4NC.shape[-1],)
    return torch.stack(
        [
            functional.mse_loss(
                functional.layer_norm(guess, width),
                functional.layer_norm(taps_B4NC[:, index], width),
            )
            for index, guess in enumerate(guesses)
        ]
    ).mean()


def _depth_loss(guess_BHW: Tensor, truth_BHW: Tensor) -> Tensor:
    """Mean absolute error and that of the gradients at four scales (MiDaS), over the mean."""
    mean = truth_BHW.mean((1, 2), keepdim=True).clamp_min(1e-3)
    error = (guess_BHW - truth_BHW) / mean
    loss = error.abs().mean()
    for step in (1, 2, 4, 8):
        part = error[:, ::step, ::step]
        loss = loss + 0.25 * (part.diff(dim=1).abs().mean() + part.diff(dim=2).abs().mean())
    return loss


def _targets(config: DistillConfig, rng: np.random.Generator) -> Targets:
    samples = [loader for source in config.sources for loader in loaders(source)]
    return ask_teacher(
        Path(config.output) / 'teacher',
        config.teacher,
        samples,
        config.augment,
        views=config.views,
        rng=rng,
    )


def _save(
    path: Path,
    network: DepthForge,
    config: DistillConfig,
    seconds: float,
    before: Sequence[Provenance],
) -> None:
    if not network.config.shared_encoder:
        visual_from_depth(network)
    own = {
        'teacher': 'Depth Anything V2 Small',
        'data': [dataclasses.asdict(s) | {'root': Path(s.root).name} for s in config.sources],
        'data_licence': config.data_licence,
        'iterations': config.iterations,
        'seconds': math.ceil(seconds),
    }
    save_checkpoint(path, network, label_space=CAMVID, provenance=joined(own, before))
