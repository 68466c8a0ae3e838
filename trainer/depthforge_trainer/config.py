# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A training run as frozen dataclasses, read from YAML."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
import typing
from typing import Any, Union

from depthforge_ros.errors import nearest, UserError
from depthforge_ros.labels import LABEL_SPACES, LabelSpace
from depthforge_ros.model.config import NetworkConfig, VISUAL_KINDS
from depthforge_trainer.augment import Augment
from depthforge_trainer.data import Source
from depthforge_trainer.datasets import DATASETS
from depthforge_trainer.losses import LossWeights
from depthforge_trainer.phase import Phase
from depthforge_trainer.ranges import Range, RANGES
import yaml

T = typing.TypeVar('T')


@dataclass(frozen=True)
class FitConfig:
    """Everything that `depthforge-train fit` needs."""

    output: str
    """Folder of checkpoints, logs and the feature cache."""
    model: NetworkConfig
    """Sizes and forms of the network; those of the weights that are read."""
    sources: tuple[Source, ...]
    """What is trained on; at least one with labels."""
    phases: tuple[Phase, ...]
    """Done one after the other."""
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
    new view every time and computes them with it. A source may have its own number."""
    cache: str = ''
    """Folder of these features; in `output` if none is named."""
    cached_augment: Augment | None = None
    """What the cached views look like, where phases train the whole network: they then take views
    of these views by `augment`, and the teacher's depth with them."""
    teacher: str = ''
    """A checkpoint of ours on the `foundation` that labels the cached views of sources without
    labels. Their depth is the foundation's, with or without it."""
    rare_classes: bool = False
    """Half of each batch (of all processes; at least 2 each) by rare class sampling; with cached
    views only."""
    augment: Augment = field(default_factory=Augment)
    """What the views of the training look like."""
    loss: LossWeights = field(default_factory=LossWeights)
    """Weights of its terms."""
    weight_decay: float = 0.05
    """AdamW's, of matrices; norms, biases, tokens and embeddings do not decay."""
    gradient_clip: float = 1.0
    """Longest gradient of an iteration, over all that is trained; .inf clips nothing."""
    average_decay: float = 0.995
    """Of the moving average of the weights, which is what is saved."""
    precision: str = '32-true'
    """`32-true`, or `bf16-mixed`: matrix products in bfloat16, weights and loss in float32."""
    activation_checkpointing: bool = False
    """Compute the visual encoder's activations again in the backward pass instead of keeping
    them: less memory for about a third more time."""
    seed: int = 0
    """Of views, their order and the weights that are fresh."""
    threads: int = 2
    """CPU threads of each process."""
    data_licence: str = ''
    """Written into the checkpoint, with those of the steps before it."""

    def __post_init__(self) -> None:
        if self.label_space not in LABEL_SPACES:
            raise UserError(
                f'label_space {self.label_space!r} is not known; choose one of '
                f'{", ".join(LABEL_SPACES)}'
            )
        if not self.sources or not self.phases:
            raise UserError('sources or phases are empty; name at least one of each')
        patch = self.model.encoder.patch
        if self.cached_augment is not None and not self.foundation:
            raise UserError('cached_augment needs a foundation, whose depth the views show')
        if self.augment.height % patch or self.augment.width % patch:
            raise UserError(
                f'augment: views have {self.augment.height} x {self.augment.width} pixels; '
                f'height and width must be multiples of the patch, {patch}'
            )
        if not self.loss.auxiliary and any(phase.train == 'auxiliary' for phase in self.phases):
            raise UserError('a phase trains auxiliary, but loss: auxiliary is 0; give it a weight')
        if self.loss.features and self.cached_augment is None:
            raise UserError(
                'loss: features compares with a teacher, whose features cached views alone have; '
                'give views and cached_augment, or leave it out'
            )
        self._check_labels()
        self._check_head()
        if self.rare_classes and not self.cached_views:
            raise UserError(
                'rare_classes draws from cached_views, and there are none; give some, or leave '
                'rare_classes out'
            )
        if self.rare_classes and min(phase.batch for phase in self.phases) < 2:
            raise UserError(
                'rare_classes draws half of each batch, and the batch is 1; make the '
                'batch at least 2, or leave rare_classes out'
            )

    def _check_labels(self) -> None:
        if not any(source.labelled for source in self.sources):
            raise UserError('sources are images without labels; name one with labels to learn by')
        for name in ('validation', 'targets'):
            for source in getattr(self, name):
                if not source.labelled:
                    raise UserError(
                        f'{name} names {source.root} of kind {source.kind}, without labels; there '
                        'is nothing to judge by: name a labelled source, or leave it out'
                    )

    def _check_head(self) -> None:
        """Refuse coarser labels for a head whose loss cannot take them, and caches that change."""
        coarser = {
            source.kind
            for source in self.sources
            if source.labelled
            and source.kind in DATASETS
            and len(DATASETS[source.kind].space) < len(self.classes)
        }
        if coarser and self.model.head.kind != 'dense':
            raise UserError(
                f'{", ".join(sorted(coarser))} has coarser classes than '
                f'{self.label_space}; only a dense head learns from them: model: head: kind'
            )
        whole = [phase.train == 'network' for phase in self.phases]
        if any(whole) and not all(whole):
            raise UserError(
                'some phases train network, others a part of it; make these two configurations, '
                'the second with start_from'
            )
        if any(source.depth for source in self.sources) and not all(whole):
            raise UserError('a source has depth, which is for phases that train network alone')
        if (self.cached_augment is not None) != (all(whole) and self.views_anything):
            raise UserError(
                'cached_augment says what cached views look like of which phases that train '
                'network take their views; give it for these, and for nothing else'
            )

    @property
    def trains_network(self) -> bool:
        """Tell whether every weight is trained; all phases agree in that."""
        return self.phases[0].train == 'network'

    @property
    def views_anything(self) -> bool:
        """Tell whether any source has cached views."""
        return bool(self.cached_views) or any(source.views for source in self.sources)

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
    return _build(kind, value, where, None)


def _build(kind: Any, value: Any, where: str, within: Range | None) -> Any:
    """Build what is no network; numbers are to be `within`."""
    if typing.get_origin(kind) in (Union, UnionType):
        if value is None:
            return None
        # The networks' alternatives are with a value, and without.
        (kind,) = (one for one in typing.get_args(kind) if one is not type(None))
    if typing.get_origin(kind) is tuple:
        return _build_tuple(typing.get_args(kind), value, where, within)
    if dataclasses.is_dataclass(kind):
        return _build_fields(kind, value, where)
    if kind in (bool, int, float, str):
        return _build_plain(kind, value, where, within)
    if typing.get_origin(kind) is dict and not isinstance(value, dict):
        raise UserError(f'{where} is {value!r}; expected a mapping')
    return value


def _build_network(value: Any, where: str) -> NetworkConfig:
    try:
        return NetworkConfig.from_json(_plain_network(NetworkConfig, value, where))
    except (TypeError, ValueError) as error:
        prefix = '' if str(error).startswith(where) else f'{where}: '
        raise UserError(f'{prefix}{error}') from error


def _plain_network(kind: Any, value: Any, where: str) -> Any:
    """Check a network's plain values; what is none, or unknown, is left to `from_json`."""
    if not isinstance(value, dict):
        return value
    hints = typing.get_type_hints(kind)
    values = dict(value)
    for name, one in value.items():
        place = f'{where}: {name}'
        if name == 'visual':
            encoder = VISUAL_KINDS.get(str(one.get('kind'))) if isinstance(one, dict) else None
            values[name] = _plain_network(encoder, one, place) if encoder else one
        elif dataclasses.is_dataclass(hints.get(name)):
            values[name] = _plain_network(hints[name], one, place)
        elif name in hints:
            values[name] = _build(hints[name], one, place, _range(kind, name))
    return values


def _range(kind: Any, name: str) -> Range | None:
    return RANGES.get(kind.__name__, {}).get(name)


def _build_tuple(
    kinds: Sequence[Any], value: Any, where: str, within: Range | None
) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise UserError(f'{where} is {value!r}; expected a list')
    if kinds[-1] is Ellipsis:
        kinds = [kinds[0]] * len(value)
    if len(kinds) != len(value):
        raise UserError(f'{where} is {value!r}; expected {len(kinds)} values')
    return tuple(
        _build(kind, one, f'{where}[{index}]', within)
        for index, (kind, one) in enumerate(zip(kinds, value, strict=True))
    )


def _build_fields(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise UserError(f'{where} is {value!r}; expected a mapping of options')
    hints = typing.get_type_hints(kind)
    for name in value:
        if name not in hints:
            hint = nearest(str(name), hints)
            raise UserError(f'{where}: {kind.__name__} has no key {name!r}; {hint}')
    needed = [one.name for one in dataclasses.fields(kind) if is_needed(one)]
    lacking = [name for name in needed if name not in value]
    if lacking:
        raise UserError(f'{where} has no {", ".join(lacking)}; give {", ".join(needed)}')
    fields = {}
    for name, one in value.items():
        place = f'{where}: {name}'
        if hints[name] is NetworkConfig:
            fields[name] = _build_network(one, place)
        else:
            fields[name] = _build(hints[name], one, place, _range(kind, name))
    try:
        return kind(**fields)
    except UserError as error:
        raise UserError(f'{where}: {error}') from error


def is_needed(field: dataclasses.Field[Any]) -> bool:
    """Tell whether a key has no default."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _build_plain(kind: Any, value: Any, where: str, within: Range | None) -> Any:
    """Numbers may come as text, which 1e-4 is to YAML."""
    allowed = (bool,) if kind is bool else (int, float, str)
    try:
        if type(value) in allowed and (kind is not int or float(value).is_integer()):
            plain = kind(value)
            if within is None or plain in within:
                return plain
    except ValueError:
        pass
    words = f'{kind.__name__} {within or ""}'.rstrip()
    raise UserError(f'{where} is {value!r}; expected {words}')
