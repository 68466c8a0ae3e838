# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
How far an image lies from those that a model was trained on, by its features.

Each image is described by the mean and the deviation of every channel of the visual stream's last
map. The distance is the root mean square of these, standardised with what the training images
gave: about 1 for images like them, more the less alike they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
import json
import math
from pathlib import Path
import threading

from depthforge_ros.engine.base import Engine, NetworkOutput
from depthforge_ros.errors import UserError
from depthforge_ros.model.registry import find_checkpoint
import numpy as np
import numpy.typing as npt

SUFFIX = '.domain.json'
SMOOTHING = 0.1
"""Weight of the newest frame."""
LEAST_DEVIATION = 1e-6


@dataclass(frozen=True)
class DomainStatistics:
    """What a model's training images gave; lies beside its checkpoint, as `NAME.domain.json`."""

    fingerprint: str
    """Of the engine whose features these are."""
    source: str
    """The images."""
    images: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(
        cls, features: Iterable[npt.NDArray[np.float32]], *, fingerprint: str, source: str
    ) -> DomainStatistics:
        """Summarise the features (F,) of training images."""
        rows = np.stack(list(features))
        return cls(
            fingerprint=fingerprint,
            source=source,
            images=len(rows),
            mean=tuple(rows.mean(0).round(6).tolist()),
            deviation=tuple(rows.std(0).round(6).tolist()),
        )

    @classmethod
    def load(cls, checkpoint: Path) -> DomainStatistics | None:
        """Read the file beside a checkpoint; None where there is none."""
        path = checkpoint.with_suffix(SUFFIX)
        if not path.is_file():
            return None
        try:
            return cls(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise UserError(
                f'{path} does not hold the statistics of training images; write it anew with '
                'benchmarks/domain_shift.py, or remove it'
            ) from error

    @classmethod
    def fitting(cls, engine: Engine) -> DomainStatistics | None:
        """Find those of an engine's model; None where there are none for its weights."""
        if engine.name == 'null':
            return None
        found = cls.load(find_checkpoint(engine.model))
        return found if found and found.fingerprint == engine.fingerprint else None

    def save(self, checkpoint: Path) -> Path:
        """Write the file beside a checkpoint, and return its path."""
        path = checkpoint.with_suffix(SUFFIX)
        path.write_text(json.dumps(asdict(self)) + '\n')
        return path

    def distance(self, features: npt.NDArray[np.float32]) -> float:
        """Distance of an image with the features (F,), in standard deviations."""
        deviation = np.maximum(np.asarray(self.deviation), LEAST_DEVIATION)
        return float(np.sqrt(np.mean(((features - np.asarray(self.mean)) / deviation) ** 2)))


class DomainMonitor:
    """Smooths one camera's figures; the worker's thread writes, others may read."""

    def __init__(self, statistics: DomainStatistics | None) -> None:
        self._statistics = statistics
        self._lock = threading.Lock()
        self._figures: dict[str, float] = {}

    def update(self, output: NetworkOutput, index: int) -> None:
        """Take in frame `index` of a batch; a figure that is not finite leaves the last value."""
        new = {
            'mean_confidence': float(output.confidence[index].mean()),
            'mean_entropy': float(output.entropy[index].mean()),
        }
        if self._statistics is not None and output.features is not None:
            new['domain_shift'] = self._statistics.distance(output.features[index])
        with self._lock:
            self._figures |= {
                name: value + (1.0 - SMOOTHING) * (self._figures.get(name, value) - value)
                for name, value in new.items()
                if math.isfinite(value)
            }

    def figures(self) -> dict[str, float]:
        """Smoothed `mean_confidence`, `mean_entropy` and, where it is known, `domain_shift`."""
        with self._lock:
            return dict(self._figures)
