# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Running a model over sources and writing masks, depth and overlays as image files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
import time
from typing import Any

from depthforge_ros.bags.image_files import write_image
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.sources import damage_of, Source, SourceFrame
from depthforge_ros.files import fitting, write_text
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import overlay, Result
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

FOLDERS = ('masks', 'depth', 'overlays')
SIDECAR = 'figures.json'
DEPTH_LEVELS = 65535
SIDECAR_SHARE = 20.0
"""The time from one writing of figures.json to the next, over the time that it takes."""


@dataclass
class Predicted:
    """The outcome of a run over the sources."""

    latencies_ms: list[float] = field(default_factory=list)
    """Frame to result, per frame, without reading and writing files."""
    skipped: int = 0
    """Broken frames."""
    damage: str | None = None
    """Why fewer frames were read than the inputs promise."""

    def figures(self) -> dict[str, Any]:
        """Return the figures of `--json`."""
        return {
            'frames': len(self.latencies_ms),
            'skipped': self.skipped,
            'complete': not self.skipped and self.damage is None,
            'damage': self.damage,
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
    predicted = Predicted()
    writer = _Writer(output, pipeline, predicted)
    total = sum(source.count for source in sources) or None
    bar = tqdm(_all_frames(sources), desc='predict', unit='frame', total=total)
    try:
        for frame in bar:
            try:
                rgb = frame.read()
                result, timings = pipeline(rgb)
            except UserError as error:
                predicted.skipped += 1
                report(f'skipped {frame.name}: {error}')
                continue
            writer.write(frame, rgb, result)
            predicted.latencies_ms.append(timings.total_ms)
        if not predicted.latencies_ms:
            raise UserError(
                f'none of {predicted.skipped} frames could be read; see the lines above'
            )
        predicted.damage = damage_of(sources)
    finally:
        if predicted.latencies_ms:
            writer.finish()
    return predicted


def _all_frames(sources: Sequence[Source]) -> Iterator[SourceFrame]:
    for source in sources:
        yield from source.frames()


class _Writer:
    """
    Writes results under names that no other frame of this run has, and figures.json beside them.

    figures.json is written as it goes, for without it depth images have no scale, in at most a
    twentieth of the time. What an earlier run wrote into the folder keeps its own.
    """

    def __init__(self, output: Path, pipeline: Pipeline, predicted: Predicted) -> None:
        self._output = output
        self._pipeline, self._predicted = pipeline, predicted
        self._space = pipeline.engine.label_space
        self._depth_scales: dict[str, float] = {}
        self._inputs: dict[str, str] = {}
        self._earlier = _earlier(output / SIDECAR)
        self._due_s = 0.0
        for folder in FOLDERS:
            try:
                (output / folder).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f'--output {output} cannot be written ({error.strerror}); choose another place'
                ) from error

    def write(self, frame: SourceFrame, rgb: npt.NDArray[np.uint8], result: Result) -> None:
        name = self._unique(frame.name)
        depth, scale = depth_levels(result.inverse_depth)
        painted = overlay(rgb, result.labels, self._space)[..., ::-1]
        self._depth_scales[name], self._inputs[name] = scale, str(frame.path)
        try:
            write_image(self._output / f'masks/{name}.png', result.labels)
            write_image(self._output / f'overlays/{name}.jpg', painted)
            write_image(self._output / f'depth/{name}.png', depth)
            self._write_when_due()
        except BaseException:
            self._remove(name)
            raise

    def _write_when_due(self) -> None:
        begun_s = time.monotonic()
        if begun_s >= self._due_s:
            self._write_sidecar()
            now_s = time.monotonic()
            self._due_s = now_s + SIDECAR_SHARE * (now_s - begun_s)

    def finish(self) -> None:
        """Write figures.json; on a full disk the newest frames make room for it."""
        while True:
            try:
                self._write_sidecar()
            except UserError:
                if not self._depth_scales:
                    raise
                self._remove(next(reversed(self._depth_scales)))
            else:
                return

    def _remove(self, name: str) -> None:
        """Leave nothing of a frame."""
        del self._depth_scales[name], self._inputs[name]
        for path in (f'masks/{name}.png', f'overlays/{name}.jpg', f'depth/{name}.png'):
            (self._output / path).unlink(missing_ok=True)

    def _write_sidecar(self) -> None:
        content = {
            **self._predicted.figures(),
            'model': self._pipeline.engine.model,
            'label_space': self._space.to_json(),
            'depth_scale': {**self._earlier.get('depth_scale', {}), **self._depth_scales},
            'inputs': {**self._earlier.get('inputs', {}), **self._inputs},
        }
        write_text(self._output / SIDECAR, json.dumps(content, indent=2) + '\n')

    def _unique(self, name: str) -> str:
        candidate, number = name, 1
        while candidate in self._depth_scales:
            number += 1
            ending = f'_{number}'
            candidate = fitting(name, len(ending)) + ending
        return candidate


def _earlier(path: Path) -> Mapping[str, Any]:
    """Read what an earlier run said of the files that it wrote; nothing where that is broken."""
    try:
        stored = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict):
        return {}
    maps = {key: stored.get(key) for key in ('depth_scale', 'inputs')}
    return {key: value for key, value in maps.items() if isinstance(value, dict)}


def depth_levels(
    inverse_depth: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.uint16], float]:
    """Quantise to 16 bits; returns the levels and the scale that takes them back."""
    scale = float(inverse_depth.max(initial=0.0)) / DEPTH_LEVELS or 1.0
    return np.rint(inverse_depth / scale).clip(0, DEPTH_LEVELS).astype(np.uint16), scale
