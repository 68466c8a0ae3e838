# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Figures of slices, with intervals: of the pixels that `slices` tells apart, and of whole clips.

Clips are sliced by their time in the drive, by their mean domain shift and by their tags, so these
slices add up as exactly as the clips do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
import warnings

from depthforge_ros.metrics.accumulators import UNIT
from depthforge_ros.metrics.bootstrap import bounds, draw, RESAMPLES, SEED, times_drawn
from depthforge_ros.metrics.clips import Clip
from depthforge_ros.metrics.slices import columns_of, DISTANCES, SLICES
import numpy as np
import numpy.typing as npt

AT = '@'
"""Between a figure and a slice, as in `person@20-40m`."""
OF_ALL_CLASSES = ('miou', 'absrel')
"""Figures of a slice that are not of one class."""
WHOLE = 'whole'
TIME_S = 10.0
"""Length of a slice of time."""
SHIFTS = (0.0, 1.0, 2.0, 3.0)
"""Least mean domain shift of a slice, in standard deviations."""
SHIFT_NAMES = ('shift-0-1', 'shift-1-2', 'shift-2-3', 'shift-3-')
Weights = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SliceTable:
    """What the slices of n clips count, in K classes."""

    names: tuple[str, ...]
    """Of the slices; the first is `whole`."""
    classes: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    """(n, S, K, 3): hits, true pixels, false positives."""
    depth: npt.NDArray[np.int64]
    """(n, S, 2): pixels, relative errors in millionths."""

    def iou(self, weights: Weights) -> Shares:
        """Return IoU in percent (R, S, K), each clip as often as `weights` (R, n) say, or NaN."""
        hits, true, false = np.moveaxis(_weighed(weights, self.counts), -1, 0)
        return 100.0 * _ratio(hits, true + false)

    def miou(self, weights: Weights) -> Shares:
        """Mean (R, S) of it over the classes that the slice's ground truth has, or NaN."""
        true = _weighed(weights, self.counts[..., 1])
        return _mean(np.where(true > 0, self.iou(weights), np.nan))

    def absrel(self, weights: Weights) -> Shares:
        """Mean relative error (R, S) over pixels, or NaN."""
        pixels, units = np.moveaxis(_weighed(weights, self.depth), -1, 0)
        return _ratio(units, pixels) / UNIT

    def figure(self, name: str, weights: Weights) -> Shares | None:
        """Find (R,) of `person@20-40m`, `miou@night` or `absrel@40-80m`; None if unknown."""
        figure, _, where = name.partition(AT)
        if where not in self.names:
            return None
        number = self.names.index(where)
        if figure in OF_ALL_CLASSES:
            found: Shares = getattr(self, figure)(weights)
            return found[:, number]
        if figure not in self.classes:
            return None
        return self.iou(weights)[:, number, self.classes.index(figure)]


def slice_table(clips: Sequence[Clip], classes: Sequence[str]) -> SliceTable:
    """Stack the counts of all slices."""
    whole = columns_of(np.stack([clip.sums.confusion for clip in clips]))
    depth = np.stack([clip.sums.slice_depth for clip in clips])
    # Ninths of the image are a whole together.
    whole_depth = depth[:, -9:].sum(1)
    groups = dict(_groups(clips))
    masks = np.array(list(groups.values()), np.int64).reshape(len(groups), len(clips)).T
    return SliceTable(
        names=(WHOLE, *SLICES, *groups),
        classes=tuple(classes),
        counts=np.concatenate([
            whole[:, None], np.stack([clip.sums.slices for clip in clips]),
            whole[:, None] * masks[..., None, None],
        ], axis=1),
        depth=np.concatenate(
            [whole_depth[:, None], depth, whole_depth[:, None] * masks[..., None]], axis=1
        ),
    )  # fmt: skip


def slice_figures(clips: Sequence[Clip], classes: Sequence[str]) -> dict[str, Any]:
    """
    Return `slices` by name, and `slices_without_pixels`, the names of those that have none.

    Each has `pixels`, `class_pixels`, `clips`, `miou` and `per_class` in percent, `absrel`, and
    under `intervals` the bounds of 95 % of the mIoU and of the classes. The slice `whole` is
    everything.
    """
    table = slice_table(clips, classes)
    once = np.ones((1, len(clips)), np.int64)
    drawn = times_drawn(draw(len(clips), RESAMPLES, SEED))
    iou, miou, absrel = table.iou(once)[0], table.miou(once)[0], table.absrel(once)[0]
    iou_bounds, miou_bounds = bounds(table.iou(drawn)), bounds(table.miou(drawn))
    true = table.counts[..., 1].sum(0)
    pixels = true.sum(1)
    seen = table.depth[..., 0].sum(0)
    found = {}
    for number, name in enumerate(table.names):
        if not pixels[number] and not seen[number]:
            continue
        per_class = dict(zip(classes, iou[number], strict=True))
        intervals = {
            one: _interval(per_class[one], iou_bounds[:, number, place])
            for place, one in enumerate(classes)
        }
        found[name] = {
            'pixels': int(pixels[number]),
            'clips': int((table.counts[:, number, :, 1].sum(1) > 0).sum()),
            'miou': _known(miou[number]),
            'absrel': _known(absrel[number], 4),
            'per_class': {one: _known(value) for one, value in per_class.items()},
            'class_pixels': dict(zip(classes, true[number].tolist(), strict=True)),
            'intervals': {
                'miou': _interval(miou[number], miou_bounds[:, number]),
                **intervals,
            },
        }
    return {
        'slices': found,
        'slices_without_pixels': [name for name in table.names if name not in found],
    }


def time_name(time_s: float) -> str:
    """Name the slice of a time in the drive."""
    number = int(time_s // TIME_S)
    return f'{number * TIME_S:.0f}-{(number + 1) * TIME_S:.0f}s'


def _groups(clips: Sequence[Clip]) -> Iterator[tuple[str, list[bool]]]:
    """Name the slices that whole clips fall into."""
    times = [int(clip.time_s // TIME_S) for clip in clips]
    if len(set(times)) > 1:
        for number in sorted(set(times)):
            yield time_name(number * TIME_S), [time == number for time in times]
    shifts = [_shift(clip) for clip in clips]
    for number, name in enumerate(SHIFT_NAMES):
        if number in shifts:
            yield name, [shift == number for shift in shifts]
    for tag in sorted({tag for clip in clips for tag in clip.tags}):
        yield tag, [tag in clip.tags for clip in clips]


def _shift(clip: Clip) -> int | None:
    frames, units = clip.sums.domain_shift
    return int(np.searchsorted(SHIFTS, units / UNIT / frames, 'right')) - 1 if frames else None


def _weighed(weights: Weights, counts: npt.NDArray[np.int64]) -> Shares:
    """Add clips up; whole numbers below 2^53 stay exact as floats, and products are fast."""
    return np.tensordot(weights.astype(np.float64), counts.astype(np.float64), 1)


def _ratio(part: Shares, whole: Shares) -> Shares:
    out: Shares = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def _mean(shares: Shares) -> Shares:
    with warnings.catch_warnings():
        # Of a slice without pixels.
        warnings.simplefilter('ignore', RuntimeWarning)
        return np.asarray(np.nanmean(shares, axis=-1))


def _known(value: float, decimals: int = 2) -> float | None:
    return None if np.isnan(value) else round(float(value), decimals)


def _interval(value: float, low_high: Shares) -> list[float] | None:
    """Return the bounds of a figure; itself where no resample has it."""
    if np.isnan(value):
        return None
    return [round(float(value if np.isnan(one) else one), 2) for one in low_high]


def slices_without_pixels(figures: Mapping[str, Any]) -> list[str]:
    """Name the slices without figures; those by distance only where a distance was known."""
    lacking = figures['slices_without_pixels']
    return [name for name in lacking if figures.get('distances') or name not in DISTANCES]


def slices_lacking(figures: Mapping[str, Any]) -> list[str]:
    """Say in a line which slices have no pixel; nothing where all have some."""
    lacking = slices_without_pixels(figures)
    if not lacking or not figures['slices']:
        return []
    return [f'no figures of {", ".join(lacking)}: no pixel there has ground truth']
