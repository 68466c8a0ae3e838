# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Runs of `evaluate bag` or `fleet` side by side, with bootstrap intervals over clips.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: clips of eight frames, rather than
frames, are drawn with replacement, for neighbouring frames are alike. Runs over the same clips
are drawn together, so that what both found hard does not blur their difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
import json
from pathlib import Path
from typing import Any

from depthforge_ros.errors import nearest, UserError
from depthforge_ros.metrics.accumulators import Accumulators
from depthforge_ros.metrics.bootstrap import draw, Estimate, estimate, RESAMPLES, SEED, times_drawn
from depthforge_ros.metrics.clips import Clip, clip_figures, quantiles
from depthforge_ros.metrics.slice_table import AT, OF_ALL_CLASSES, slice_table
import numpy as np
import numpy.typing as npt

HIGHER_IS_BETTER: Mapping[str, bool] = {
    'miou': True,
    'pixel_accuracy': True,
    'boundary_f': True,
    'ece': False,
    'aurc': False,
    'error_auroc_confidence': True,
    'error_fpr95_confidence': False,
    'error_auroc_entropy': True,
    'error_fpr95_entropy': False,
    'auiou': True,
    'mvc8': True,
    'mvc16': True,
    'tc': True,
    'flow_vc8': True,
    'flow_vc16': True,
    'flicker': False,
    'absrel': False,
    'rmse_m': False,
    'delta_125': True,
    'depth_tc': True,
    'depth_scale_change': False,
    'latency_ms_p50': False,
    'latency_ms_p99': False,
    'throughput_hz': True,
}
"""Figures that are compared."""


@dataclass(frozen=True)
class Run:
    """The figures that one command wrote."""

    name: str
    classes: tuple[str, ...]
    clips: list[Clip]

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read a file of `--json`; UserError for one that holds no clips."""
        try:
            stored = json.loads(path.read_text(encoding='utf-8'))
            clips = [Clip.from_json(one) for one in stored['clips']]
            run = cls(str(path), tuple(stored['classes']), clips)
        except OSError as error:
            raise UserError(f'{path} cannot be read ({error.strerror}); check the path') from error
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f'{path} holds no figures of clips; give what `depthforge evaluate bag` or '
                '`depthforge fleet` wrote by --json'
            ) from error
        if not clips:
            raise UserError(f'{path} holds no clip; judge a bag with frames in it')
        return run


@dataclass(frozen=True)
class Row:
    """One figure of all runs; None where a run does not have it."""

    name: str
    values: list[Estimate | None]
    differences: list[Estimate | None]
    """From the first run; of that one None."""


@dataclass(frozen=True)
class Gate:
    """How much worse than the first run a figure of the others may be."""

    name: str
    allowed: float

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Read `miou:1.5`, or `person@20-40m:-1.0` of a slice, whose sign does not matter."""
        name, _, amount = text.rpartition(':')
        try:
            allowed = float(amount)
        except ValueError:
            allowed = float('nan')
        if AT in name:
            allowed = abs(allowed)
        figure = name or text
        is_known = figure in HIGHER_IS_BETTER or AT in figure
        if not is_known or not allowed >= 0.0:
            wrong = (
                'its amount is no number >= 0' if is_known else nearest(figure, HIGHER_IS_BETTER)
            )
            raise UserError(
                f'gate {text!r} is not understood, {wrong}; give FIGURE:AMOUNT such as miou:1.5, '
                'the amount by which it may be worse; or of a slice, CLASS@SLICE:AMOUNT such as '
                'person@20-40m:-1.0, miou@night:-1.0, absrel@40-80m:0.02'
            )
        return cls(name, allowed)

    @property
    def is_of_slice(self) -> bool:
        """Tell whether it is of a slice, such as `person@20-40m`."""
        return AT in self.name


@dataclass(frozen=True)
class Comparison:
    """All figures of all runs."""

    runs: list[str]
    paired: bool
    """Whether the runs are over the same clips."""
    rows: list[Row]

    def failures(self, gates: Sequence[Gate]) -> list[str]:
        """
        Say in a line each which run does not pass which gate; a missing figure does not.

        UserError where the first run does not have it, so that there is nothing to pass.
        """
        rows = {row.name: row for row in self.rows}
        for gate in gates:
            if gate.name not in rows or rows[gate.name].values[0] is None:
                raise UserError(
                    f'gate {gate.name}: {self.runs[0]} does not have that figure; judge with what '
                    'it needs, such as labels for miou or tags for their slices, or leave the '
                    'gate out'
                )
        return [
            line
            for gate in gates
            for number in range(1, len(self.runs))
            if (line := self._failure(gate, rows[gate.name], number))
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the figures of `--json`."""
        return {
            'runs': self.runs,
            'paired': self.paired,
            'figures': {
                row.name: {
                    'values': [one and vars(one) for one in row.values],
                    'differences': [one and vars(one) for one in row.differences],
                }
                for row in self.rows
            },
        }

    def _failure(self, gate: Gate, row: Row, number: int) -> str | None:
        difference = row.differences[number]
        if difference is None:
            return f'{gate.name}: {self.runs[number]} does not have it, {self.runs[0]} does'
        worse = -difference.value if _is_better_higher(gate.name) else difference.value
        if worse <= gate.allowed:
            return None
        return (
            f'{gate.name}: {self.runs[number]} is worse than {self.runs[0]} by {worse:.4g}, '
            f'{gate.allowed:g} is allowed'
        )


def _is_better_higher(name: str) -> bool:
    if AT in name:
        return not name.startswith(f'absrel{AT}')
    return HIGHER_IS_BETTER[name]


def compare(
    runs: Sequence[Run], *, slices: Sequence[str] = (), resamples: int = RESAMPLES
) -> Comparison:
    """
    Compare runs with the first; UserError where they were judged in other classes.

    `slices` are figures of slices, such as `person@20-40m`, that are compared too.
    """
    first = runs[0]
    for run in runs[1:]:
        if run.classes != first.classes:
            raise UserError(
                f'{first.name} was judged in {len(first.classes)} classes, {run.name} in '
                f'{len(run.classes)}; judge both with the same --label-space'
            )
    for name in slices:
        _require_class(name, first)
    paired = all(_keys(run) == _keys(first) for run in runs)
    tables = [
        _Table(run, draw(len(run.clips), resamples, SEED if paired else SEED + number), slices)
        for number, run in enumerate(runs)
    ]
    rows = [
        Row(
            name,
            [table.estimate(name) for table in tables],
            [None, *(table.difference(tables[0], name) for table in tables[1:])],
        )
        for name in (*HIGHER_IS_BETTER, *slices)
        if any(table.values[name] is not None for table in tables)
    ]
    return Comparison([run.name for run in runs], paired, rows)


def _require_class(name: str, run: Run) -> None:
    figure = name.partition(AT)[0]
    if figure not in (*OF_ALL_CLASSES, *run.classes):
        raise UserError(
            f'gate {name}: {figure} is no class of {run.name}; {nearest(figure, run.classes)}'
        )


class _Table:
    """A run's figures, as they are and of each resample."""

    def __init__(self, run: Run, drawn: npt.NDArray[np.int64], slices: Sequence[str]) -> None:
        self.values = clip_figures(run.clips, run.classes)
        clips = _StackedClips(run)
        resampled = [clips.figures(chosen) for chosen in drawn]
        self.samples = {
            name: np.array([one[name] for one in resampled], np.float64)
            for name in HIGHER_IS_BETTER
        }
        self._add_slices(run, times_drawn(drawn), slices)

    def _add_slices(self, run: Run, weights: npt.NDArray[np.int64], names: Sequence[str]) -> None:
        self.values |= dict.fromkeys(names)
        if not names:
            return
        table = slice_table(run.clips, run.classes)
        for name in names:
            whole = table.figure(name, np.ones((1, len(run.clips)), np.int64))
            samples = table.figure(name, weights)
            if whole is not None and samples is not None and not np.isnan(whole[0]):
                self.values[name], self.samples[name] = float(whole[0]), samples

    def estimate(self, name: str) -> Estimate | None:
        value = self.values[name]
        return None if value is None else estimate(value, self.samples[name])

    def difference(self, other: _Table, name: str) -> Estimate | None:
        mine, its = self.values[name], other.values[name]
        if mine is None or its is None:
            return None
        return estimate(mine - its, self.samples[name] - other.samples[name])


class _StackedClips:
    """The sums of all clips of a run in one array each, from which any of them are added up."""

    def __init__(self, run: Run) -> None:
        self._classes = run.classes
        self._sums = {
            one.name: np.stack([getattr(clip.sums, one.name) for clip in run.clips])
            for one in fields(Accumulators)
        }
        self._latencies_ms = [np.array(clip.latencies_ms, np.float64) for clip in run.clips]

    def figures(self, chosen: npt.NDArray[np.int64]) -> dict[str, Any]:
        """Return the figures of some clips by number, which may come more than once."""
        sums = Accumulators(**{name: stack[chosen].sum(0) for name, stack in self._sums.items()})
        latencies_ms = np.concatenate([self._latencies_ms[number] for number in chosen])
        return {**sums.figures(self._classes), **quantiles('latency_ms', latencies_ms)}


def _keys(run: Run) -> list[tuple[str, int, int]]:
    return [(clip.camera, clip.start_ns, clip.received) for clip in run.clips]
