# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Running a model over sources and writing masks, depth and overlays as image files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

from depthforge_ros.bags.image_files import write_image
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.sources import Source, SourceFrame
from depthforge_ros.labels import LabelSpace
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import overlay, Result
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

FOLDERS = ('masks', 'depth', 'overlays')
SIDECAR = 'figures.json'
DEPTH_LEVELS = 65535


@dataclass
class Predicted:
    """The outcome of a run over the sources."""

    latencies_ms: list[float] = field(default_factory=list)
    """Frame to result, per frame, without reading and writing files."""
    skipped: int = 0
    """Broken frames."""

    def figures(self) -> dict[str, Any]:
        """Return the figures of `--json`."""
        return {
            'frames': len(self.latencies_ms),
            'skipped': self.skipped,
            'latency_ms_p50': percentile(self.latencies_ms, 50),
            'latency_ms_p99': percentile(self.latencies_ms, 99),
        }


def percentile(values: Sequence[float], q: float) -> float | None:
    """Percentile q in [0, 100] with three decimals; None of no values."""
    return round(float(np.percentile(values, q)), 3) if len(values) else None


def check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Refuse to write where an input lies."""
    for folder in FOLDERS:
        target = (output / folder).resolve()
        for path in inputs:
            if target in (path.resolve(), path.resolve().parent):
                raise UserError(
                    f'--output {output} would write over the input {path}; choose another folder'
                )


def predict(
    pipeline: Pipeline,
    sources: Sequence[Source],
    output: Path,
    *,
    report: Callable[[str], None],
) -> Predicted:
    """
    Write `masks/NAME.png`, `depth/NAME.png`, `overlays/NAME.jpg` and `figures.json`.

    A mask holds train ids. A depth image is 16-bit relative inverse depth: the value times
    `depth_scale`, which figures.json has per frame, is the model's output. `report` is given one
    line for each broken frame, which is skipped.
    """
    writer = _Writer(output, pipeline.engine.label_space)
    predicted = Predicted()
    total = sum(source.count for source in sources) or None
    bar = tqdm(_all_frames(sources), desc='predict', unit='frame', total=total)
    for frame in bar:
        try:
            rgb = frame.read()
            result, timings = pipeline(rgb)
        except UserError as error:
            predicted.skipped += 1
            report(f'skipped {frame.name}: {error}')
            continue
        predicted.latencies_ms.append(timings.total_ms)
        writer.write(frame.name, rgb, result)
    if not predicted.latencies_ms:
        raise UserError(f'none of {predicted.skipped} frames could be read; see the lines above')
    writer.write_sidecar(predicted.figures(), pipeline)
    return predicted


def _all_frames(sources: Sequence[Source]) -> Iterator[SourceFrame]:
    for source in sources:
        yield from source.frames()


class _Writer:
    """Writes results under names that no other frame of this run has."""

    def __init__(self, output: Path, space: LabelSpace) -> None:
        self._output = output
        self._space = space
        self._depth_scales: dict[str, float] = {}
        for folder in FOLDERS:
            try:
                (output / folder).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f'--output {output} cannot be written ({error.strerror}); choose another place'
                ) from error

    def write(self, name: str, rgb: npt.NDArray[np.uint8], result: Result) -> None:
        unique = self._unique(name)
        depth, scale = depth_levels(result.inverse_depth)
        self._depth_scales[unique] = scale
        self._save(f'masks/{unique}.png', result.labels)
        self._save(f'depth/{unique}.png', depth)
        self._save(f'overlays/{unique}.jpg', overlay(rgb, result.labels, self._space)[..., ::-1])

    def write_sidecar(self, figures: dict[str, Any], pipeline: Pipeline) -> None:
        content = {
            **figures,
            'model': pipeline.engine.model,
            'label_space': self._space.to_json(),
            'depth_scale': self._depth_scales,
        }
        text = json.dumps(content, indent=2)
        (self._output / SIDECAR).write_text(text + '\n', encoding='utf-8')

    def _unique(self, name: str) -> str:
        candidate, number = name, 1
        while candidate in self._depth_scales:
            number += 1
            candidate = f'{name}_{number}'
        return candidate

    def _save(self, name: str, image: npt.NDArray[Any]) -> None:
        write_image(self._output / name, image)


def depth_levels(
    inverse_depth: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.uint16], float]:
    """Quantise to 16 bits; returns the levels and the scale that takes them back."""
    scale = float(inverse_depth.max(initial=0.0)) / DEPTH_LEVELS or 1.0
    return np.rint(inverse_depth / scale).clip(0, DEPTH_LEVELS).astype(np.uint16), scale
