# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A training run as frozen dataclasses, read from YAML."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
import typing
from typing import Any

from depthforge_ros.errors import nearest, UserError
from depthforge_ros.labels import LABEL_SPACES, LabelSpace
from depthforge_ros.model.config import NetworkConfig
from depthforge_trainer.augment import Augment
from depthforge_trainer.data import Source
from depthforge_trainer.losses import LossWeights
from depthforge_trainer.schedule import SCHEDULES
import yaml

T = typing.TypeVar('T')


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one learning-rate cycle."""

    train: str
    """`head`: decoder and queries on cached features of the untouched encoder; `all`: tokens too,
    through the encoder; `encoder`: the visual encoder's own weights as well; `auxiliary`: tokens
    and visual encoder by the auxiliary loss alone, which costs a third."""
    iterations: int
    batch: int = 2
    """Views per iteration and process."""
    schedule: str = 'cosine'
    """`cosine`, `poly` or `one_cycle`, see `depthforge_trainer.schedule`."""
    learning_rate: float = 1e-4
    """Peak of the cycle, for the head and the tokens."""
    token_learning_rate: float = 0.0
    """Peak for the tokens and their projections; 0 = as the head."""
    encoder_learning_rate: float = 0.0
    """Peak for the visual encoder's weights, where they are trained."""

    def __post_init__(self) -> None:
        if self.train not in ('head', 'all', 'encoder', 'auxiliary'):
            raise UserError(f'phase trains {self.train!r}; choose head, all, encoder or auxiliary')
        if self.schedule not in SCHEDULES:
            raise UserError(
                f'schedule {self.schedule!r} came; choose one of {", ".join(SCHEDULES)}'
            )
        if self.iterations < 1 or self.batch < 1:
            raise UserError(
                f'phase of {self.iterations} iterations with batch {self.batch}: both must be at '
                'least 1'
            )


@dataclass(frozen=True)
class FitConfig:
    """Everything that `depthforge-train fit` needs."""

    output: str
    """Folder of checkpoints, logs and the feature cache."""
    model: NetworkConfig
    sources: tuple[Source, ...]
    phases: tuple[Phase, ...]
    label_space: str = 'camvid'
    """Classes of the network: `camvid` (11), `camvid_32` (31 and void) or `cityscapes` (19)."""
    validation: tuple[Source, ...] = ()
    """Whole labelled images; the checkpoint with the best mIoU on them is kept as best."""
    targets: tuple[Source, ...] = ()
    """Whole labelled images of domains that are never trained on: the mIoU of the last checkpoint
    on each goes to targets.csv, and nothing is chosen by it."""
    save_every: int = 100
    """Iterations between checkpoints, and between validations."""
    tensorboard: bool = False
    """Write loss, rate, validation mIoU and pictures of predictions for TensorBoard too."""
    foundation: str = ''
    """Depth Anything V2 weights (.safetensors) for the frozen parts."""
    visual_foundation: str = ''
    """DINOv2 or EVA02 weights (.safetensors) for the visual encoder; without, it starts as the
    depth encoder."""
    start_from: str = ''
    """A checkpoint of ours to go on from, whose tokens may get another `attention`,
    `depth_weight` or `cosine`, and a new scale where `scale_init` differs. A `foundation` then
    fills the depth parts, whether they are in it or not; `visual_foundation` is only read if
    the checkpoint leaves it out."""
    foundation_name: str = ''
    """Set: the saved checkpoint refers to this name and leaves the depth parts out."""
    visual_foundation_name: str = ''
    """Likewise of the visual encoder."""
    cached_views: int = 0
    """Views per image whose frozen depth features are computed once and kept on disk; 0 draws a
    new view every time and computes them with it."""
    cache: str = ''
    """Folder of these features; in `output` if none is named."""
    rare_classes: bool = False
    """Half of each batch, which is at least 2, by rare class sampling; with cached views only."""
    augment: Augment = field(default_factory=Augment)
    loss: LossWeights = field(default_factory=LossWeights)
    weight_decay: float = 0.05
    gradient_clip: float = 1.0
    average_decay: float = 0.995
    """Of the moving average of the weights, which is what is saved."""
    precision: str = '32-true'
    """`32-true`, or `bf16-mixed`: matrix products in bfloat16, weights and loss in float32."""
    activation_checkpointing: bool = False
    """Compute the visual encoder's activations again in the backward pass instead of keeping
    them: less memory for about a third more time."""
    seed: int = 0
    threads: int = 2
    data_licence: str = ''
    """Written into the checkpoint."""

    def __post_init__(self) -> None:
        if self.label_space not in LABEL_SPACES:
            raise UserError(
                f'label_space {self.label_space!r} came; choose one of {", ".join(LABEL_SPACES)}'
            )
        if not self.sources or not self.phases:
            raise UserError('sources or phases are empty; name at least one of each')
        if self.rare_classes and min(phase.batch for phase in self.phases) < 2:
            raise UserError(
                'rare_classes came with a batch of 1, of which no half can be drawn so; make the '
                'batch at least 2, or leave rare_classes out'
            )

    @property
    def classes(self) -> LabelSpace:
        """Return the label space."""
        return LABEL_SPACES[self.label_space]


def read_config(path: Path, kind: type[T]) -> T:
    """Read a YAML file as `kind`; unknown keys are refused with the nearest known one."""
    if not path.is_file():
        raise UserError(f'{path} does not exist; give the path of a YAML training configuration')
    try:
        fields = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f'{path} is no YAML: {" ".join(str(error).split())}; mend it') from error
    config: T = build_config(kind, fields, str(path))
    return config


def build_config(kind: Any, value: Any, where: str) -> Any:
    """Turn plain YAML values into the annotated type; errors begin with `where`."""
    if kind is NetworkConfig:
        return _build_network(value, where)
    if typing.get_origin(kind) is tuple:
        return _build_tuple(typing.get_args(kind), value, where)
    if dataclasses.is_dataclass(kind):
        return _build_fields(kind, value, where)
    if kind in (bool, int, float, str):
        return _build_plain(kind, value, where)
    if typing.get_origin(kind) is dict and not isinstance(value, dict):
        raise UserError(f'{where} is {value!r}; expected a mapping')
    return value


def _build_network(value: Any, where: str) -> NetworkConfig:
    try:
        return NetworkConfig.from_json(value)
    except (TypeError, ValueError) as error:
        raise UserError(f'{where}: {error}') from error


def _build_tuple(kinds: Sequence[Any], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise UserError(f'{where} is {value!r}; expected a list')
    if kinds[-1] is Ellipsis:
        kinds = [kinds[0]] * len(value)
    if len(kinds) != len(value):
        raise UserError(f'{where} is {value!r}; expected {len(kinds)} values')
    return tuple(build_config(k, v, where) for k, v in zip(kinds, value, strict=True))


def _build_fields(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise UserError(f'{where} is {value!r}; expected a mapping of options')
    hints = typing.get_type_hints(kind)
    for name in value:
        if name not in hints:
            hint = nearest(str(name), hints)
            raise UserError(f'{where}: {kind.__name__} has no key {name!r}; {hint}')
    fields = {name: build_config(hints[name], v, f'{where}: {name}') for name, v in value.items()}
    try:
        return kind(**fields)
    except TypeError as error:
        raise UserError(f'{where}: {error}') from error


def _build_plain(kind: Any, value: Any, where: str) -> Any:
    """Numbers may come as text, which 1e-4 is to YAML."""
    allowed = (bool,) if kind is bool else (int, float, str)
    try:
        if type(value) in allowed and (kind is not int or float(value).is_integer()):
            return kind(value)
    except ValueError:
        pass
    raise UserError(f'{where} is {value!r}; expected {kind.__name__}')
