# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Two runs over the same frames, for the top of a report: table, plots and pictures."""

from __future__ import annotations

from html import escape

from depthforge_ros.evaluation import plots
from depthforge_ros.evaluation.compare import compare, Comparison, Estimate, Run
from depthforge_ros.evaluation.contact_sheet import Canvas, row_of_tiles
from depthforge_ros.evaluation.judgement import Judgement, Moment
from depthforge_ros.evaluation.report import jpeg_html, plot_html, Section
from depthforge_ros.postprocess import overlay

PICTURES = 8
OVERLAID = (('miou', 'mIoU', 'percent'), ('tc', 'TC', 'percent'), ('absrel', 'AbsRel', 'ratio'))


def side_by_side(first: Section, second: Section) -> str:
    """Return a section as HTML; UserError where the two were judged in other classes."""
    names = (first.title, second.title)
    runs = [
        Run(one.title, one.judgement.space.classes, one.judgement.clips)
        for one in (first, second)
    ]
    found = []
    per_class = {one.title: one.figures['per_class'] for one in (first, second)}
    if all(per_class.values()):
        found.append(plot_html(plots.class_bars(per_class, 'IoU per class'), wide=True))
    lines = {one.title: one.judgement.line for one in (first, second)}
    for key, title, unit in OVERLAID:
        if any(value is not None for line in lines.values() for value in getattr(line, key)):
            found.append(plot_html(plots.overlaid(lines, key, title, unit), wide=True))
    return (
        f'<section><h2>{escape(names[0])} against {escape(names[1])}</h2>'
        f'{_table(compare(runs))}<div class="plots">{"".join(found)}</div>'
        f'{_pictures(first.judgement, second.judgement, names)}</section>'
    )


def _table(comparison: Comparison) -> str:
    first, second = map(escape, comparison.runs)
    rows = ''.join(
        f'<tr><td>{row.name}</td><td>{_shown(row.values[0])}</td><td>{_shown(row.values[1])}</td>'
        f'<td>{_shown(row.differences[1], "+")}</td></tr>'
        for row in comparison.rows
    )
    return (
        '<p class="origin">[ ] is the 95 % interval of a bootstrap over clips of eight frames</p>'
        f'<table><tr><th></th><th>{first}</th><th>{second}</th><th>second - first</th></tr>'
        f'{rows}</table>'
    )


def _shown(one: Estimate | None, sign: str = '') -> str:
    if one is None:
        return '–'
    return f'{one.value:{sign}.4g} [{one.low:{sign}.4g}, {one.high:{sign}.4g}]'


def _pictures(first: Judgement, second: Judgement, names: tuple[str, str]) -> str:
    """Show the frames that both kept, those first on which their scores differ most."""
    theirs = {moment.time_s: moment for moment in (*second.moments, *second.worst)}
    mine = {moment.time_s: moment for moment in (*first.moments, *first.worst)}
    pairs = sorted(
        ((mine[time], theirs[time]) for time in mine.keys() & theirs.keys()),
        key=lambda pair: (-abs((pair[0].score or 0.0) - (pair[1].score or 0.0)), pair[0].time_s),
    )
    if not pairs:
        return ''
    shots = ''.join(
        f'<figure class="shot">{jpeg_html(_shot(first, one, second, other), "a moment")}'
        f'<figcaption>t = {one.time_s:.1f} s, score {one.score or 0.0:.1f} % and '
        f'{other.score or 0.0:.1f} %</figcaption></figure>'
        for one, other in pairs[:PICTURES]
    )
    title = f'Where they differ most: input, {names[0]}, {names[1]}'
    return f'<h3>{escape(title)}</h3><div class="shots">{shots}</div>'


def _shot(first: Judgement, one: Moment, second: Judgement, other: Moment) -> Canvas:
    return row_of_tiles(
        [
            one.rgb,
            overlay(one.rgb, one.labels, first.mask_space),
            overlay(other.rgb, other.labels, second.mask_space),
        ]
    )
