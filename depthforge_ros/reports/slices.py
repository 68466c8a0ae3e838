# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Tables of slices, the worst first, as rows of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean
from typing import Any

from depthforge_ros.metrics.slice_table import AT, slices_without_pixels, WHOLE

SHOWN = 20
LEAST_PIXELS = 1000
"""A class in a slice with fewer pixels is not shown: its IoU says little."""
DISTANCES_FROM = {'truth': 'ground truth', 'own': 'our own depth, with the scale of the road'}


@dataclass(frozen=True)
class SliceRow:
    """One figure of a slice."""

    name: str
    """Such as `person@20-40m`."""
    where: str
    """The slice."""
    value: float
    """Percent."""
    low: float
    high: float
    whole: float
    """The same figure of everything, percent; an mIoU over the classes that the slice has."""
    pixels: int
    absrel: float | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the texts of the table's columns."""
        return (
            self.name,
            f'{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]',
            f'{self.value - self.whole:+.1f}',
            f'{self.pixels}',
            *(() if self.absrel is None else (f'{self.absrel:.3f}',)),
        )


HEAD = ('slice', 'IoU % [95 %]', 'from whole', 'pixels')


def slice_rows(figures: Mapping[str, Any]) -> list[SliceRow]:
    """Return the mIoU of all slices, those first that lie furthest below the whole."""
    slices = figures.get('slices') or {}
    rows = [
        _row('miou', where, one, _whole_of(one, slices[WHOLE]), one['pixels'])
        for where, one in slices.items()
        if where != WHOLE and one['miou'] is not None
    ]
    return sorted(rows, key=lambda row: row.value - row.whole)


def class_rows(figures: Mapping[str, Any]) -> list[SliceRow]:
    """Return the classes in slices that lie furthest below their IoU of everything."""
    slices = figures.get('slices') or {}
    rows = [
        _row(name, where, one, slices[WHOLE]['per_class'][name], one['class_pixels'][name])
        for where, one in slices.items()
        if where != WHOLE
        for name, value in one['per_class'].items()
        if value is not None and one['class_pixels'][name] >= LEAST_PIXELS
    ]
    return sorted(rows, key=lambda row: row.value - row.whole)[:SHOWN]


def _whole_of(one: Mapping[str, Any], whole: Mapping[str, Any]) -> float:
    """Return the mIoU of everything over the classes that a slice has."""
    has = [name for name, pixels in one['class_pixels'].items() if pixels]
    return fmean(whole['per_class'][name] for name in has)


def slice_tables(figures: Mapping[str, Any], anchors: Mapping[str, str]) -> str:
    """Write both tables as HTML; `anchors` are those of pictures by the name of a row."""
    worst = slice_rows(figures)
    if not worst:
        return _depth_table(figures)
    source = DISTANCES_FROM.get(figures.get('distances') or '', 'not known')
    lacking = ', '.join(slices_without_pixels(figures)) or 'none'
    return (
        f'<h3>Slices, worst first</h3><p>Distances: {source}. Slices without pixels: '
        f'{escape(lacking)}. The interval is that of a bootstrap over clips. The mIoU is over the '
        'classes that the slice has, and so is that of everything from which it differs.</p>'
        f'{_table(worst, anchors)}'
        '<h3>Classes in slices, furthest below their own IoU first</h3>'
        f'<p>The {SHOWN} worst with {LEAST_PIXELS} pixels or more. Names can be gates: '
        f"<code>depthforge compare OLD NEW --gate '{escape(worst[0].name)}:-1.0'</code></p>"
        f'{_table(class_rows(figures), anchors)}'
    )


def depth_rows(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return slice, AbsRel and its difference from everything, the largest error first."""
    slices = figures.get('slices') or {}
    found = {name: one['absrel'] for name, one in slices.items() if one['absrel'] is not None}
    whole = found.pop(WHOLE, 0.0)
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return [(name, f'{absrel:.3f}', f'{absrel - whole:+.3f}') for name, absrel in ordered]


def _depth_table(figures: Mapping[str, Any]) -> str:
    """Write the errors of depth by slice, of a drive without labels; empty without depth."""
    rows = depth_rows(figures)
    if not rows:
        return ''
    body = ''.join(
        f'<tr>{"".join(f"<td>{escape(cell)}</td>" for cell in row)}</tr>' for row in rows
    )
    return (
        '<h3>Depth in slices, largest error first</h3><table><tr><th>slice</th><th>AbsRel</th>'
        f'<th>from whole</th></tr>{body}</table>'
    )


def slice_markdown(figures: Mapping[str, Any]) -> list[str]:
    """Write both tables as Markdown."""
    lines = []
    for rows in filter(None, (slice_rows(figures), class_rows(figures))):
        head = _head(rows)
        lines += [f'\n| {" | ".join(head)} |', f'|{"---|" * len(head)}']
        lines += [f'| {" | ".join(row.cells)} |' for row in rows]
    return lines


def _row(
    name: str, where: str, one: Mapping[str, Any], whole: float | None, pixels: int
) -> SliceRow:
    value = one['miou'] if name == 'miou' else one['per_class'][name]
    low, high = one['intervals'][name]
    absrel = one['absrel'] if name == 'miou' else None
    return SliceRow(f'{name}{AT}{where}', where, value, low, high, whole or 0.0, pixels, absrel)


def _head(rows: Sequence[SliceRow]) -> tuple[str, ...]:
    return (*HEAD, 'AbsRel') if any(row.absrel is not None for row in rows) else HEAD


def _table(rows: Sequence[SliceRow], anchors: Mapping[str, str]) -> str:
    heads = ''.join(f'<th>{escape(one)}</th>' for one in _head(rows))
    body = []
    for row in rows:
        first, *others = map(escape, row.cells)
        if row.name in anchors:
            first = f'<a href="#{anchors[row.name]}">{first}</a>'
        cells = ''.join(f'<td>{cell}</td>' for cell in (first, *others))
        body.append(f'<tr>{cells}</tr>')
    return f'<table><tr>{heads}</tr>{"".join(body)}</table>'
