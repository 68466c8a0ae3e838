# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The plots of a report, from figures and time lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from depthforge_ros.evaluation.judgement import Moment, TimeLine
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

ACCENT = '#2457a6'
SECOND = '#d9822b'
WARNING = '#c43c2f'
PALE = '#c9d3e4'
COLORS = (ACCENT, SECOND, '#2b8a5a', '#8a4fa3')
HEIGHT = 340
ROW_HEIGHT = 150
LINES = (
    ('percent', {'miou': 'mIoU', 'tc': 'TC', 'depth_tc': 'depth TC', 'flicker': 'flicker'}),
    ('AbsRel', {'absrel': 'AbsRel'}),
    ('entropy', {'entropy': 'entropy'}),
    ('std. dev.', {'domain_shift': 'domain shift'}),
    ('ms', {'latency_ms': 'latency'}),
)
"""Rows of the time line: unit, and the figures in it with their captions."""
SCORE_FIGURES = ('miou', 'tc')
"""Where the scores of moments are found, see `Moment.score`."""
NO_CLASS = 'no class'


def time_line(line: TimeLine, worst: Sequence[Moment], names: Sequence[str]) -> Any:
    """Plot figures over the drive; the worst moments are marked with the names of pictures."""
    rows = [(unit, known) for unit, keys in LINES if (known := _known(line, keys))]
    plot = make_subplots(rows=max(len(rows), 1), cols=1, shared_xaxes=True, vertical_spacing=0.05)
    color = 0
    for row, (unit, keys) in enumerate(rows, start=1):
        for key, caption in keys.items():
            plot.add_scatter(
                x=line.time_s, y=getattr(line, key), name=caption, mode='lines+markers',
                line={'color': COLORS[color % len(COLORS)], 'width': 1.5}, marker={'size': 4},
                hovertemplate=f'%{{x:.1f}} s: %{{y:.4g}}<extra>{caption}</extra>',
                row=row, col=1,
            )  # fmt: skip
            color += 1
        plot.update_yaxes(title=unit, rangemode='tozero', row=row, col=1)
    marked = next((row for row, (_, keys) in enumerate(rows, 1) if _score_key(keys)), None)
    if worst and marked:
        _mark(plot, worst, names, marked)
    _add_unanswered(plot, line, len(rows))
    _style(plot, 'Over the drive', HEIGHT if len(rows) < 2 else 90 + ROW_HEIGHT * len(rows))
    plot.update_xaxes(title='time in the drive, s', row=len(rows), col=1)
    return plot


def latency_histogram(latencies_ms: Sequence[float | None]) -> Any:
    """Plot how long answers took."""
    plot = _plot('Latency, all frames', 'latency, ms', 'frames')
    answered = [latency for latency in latencies_ms if latency is not None]
    plot.add_histogram(x=answered, marker={'color': ACCENT}, nbinsx=30, name='frames')
    return plot


def class_bars(per_class: Mapping[str, Mapping[str, float | None]], title: str) -> Any:
    """Plot the IoU of classes, in percent, for one run or several by name."""
    plot = _plot(title, None, 'IoU, %')
    occurring = [
        name
        for name in next(iter(per_class.values()))
        if any(run[name] is not None for run in per_class.values())
    ]
    for color, (name, run) in zip(COLORS, per_class.items(), strict=False):
        values = [run[one] for one in occurring]
        plot.add_bar(
            x=occurring, y=values, name=name, marker={'color': color},
            text=['' if value is None else f'{value:.0f}' for value in values],
            textposition='outside', cliponaxis=False,
        )  # fmt: skip
    plot.update_yaxes(range=(0, 105))
    return plot


def confusion_heatmap(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Any:
    """Plot (K, K + 1) counts as percent of each row, the true class; empty classes left out."""
    counts = np.asarray(confusion, np.int64)
    rows = np.flatnonzero(counts.sum(1))
    columns = np.flatnonzero(counts.sum(0))
    names = [*classes, NO_CLASS]
    shares = 100.0 * counts[np.ix_(rows, columns)] / counts[rows].sum(1, keepdims=True)
    plot = _plot('Confusion, percent of the true class', 'answered', 'true')
    plot.add_heatmap(
        z=np.round(shares, 1).tolist(),
        x=[names[column] for column in columns],
        y=[names[row] for row in rows],
        zmin=0, zmax=100, colorscale='Blues', xgap=1, ygap=1, showscale=False,
        text=[[f'{share:.0f}' if share >= 0.5 else '' for share in row] for row in shares],
        texttemplate='%{text}', textfont={'size': 11},
        hovertemplate='%{y} answered as %{x}: %{z:.1f} %<extra></extra>',
    )  # fmt: skip
    plot.update_yaxes(autorange='reversed')
    plot.update_layout(height=max(HEIGHT, 130 + 28 * len(rows)), margin={'l': 100, 'b': 90})
    return plot


def calibration_plot(calibration: Sequence[Sequence[float]], ece: float) -> Any:
    """Plot the reliability diagram of rows (pixels, right pixels, sum of confidence levels)."""
    pixels, right, levels = np.asarray(calibration, np.float64).T
    bins = (np.arange(len(pixels)) + 0.5) / len(pixels)
    filled = pixels > 0
    plot = _plot(f'Calibration, ECE {ece:.1f} %', 'confidence', 'share')
    plot.add_bar(
        x=bins.tolist(), y=(pixels / pixels.sum()).tolist(), name='pixels',
        marker={'color': PALE}, width=0.9 / len(pixels),
    )  # fmt: skip
    plot.add_scatter(
        x=[0, 1], y=[0, 1], name='perfect', mode='lines',
        line={'color': '#8b93a1', 'dash': 'dot', 'width': 1.5},
    )  # fmt: skip
    plot.add_scatter(
        x=(levels[filled] / 255.0 / pixels[filled]).tolist(),
        y=(right[filled] / pixels[filled]).tolist(),
        name='right', mode='lines+markers', line={'color': ACCENT},
    )  # fmt: skip
    plot.update_xaxes(range=(0, 1))
    plot.update_yaxes(range=(0, 1.02))
    return plot


def overlaid(lines: Mapping[str, TimeLine], key: str, title: str, unit: str) -> Any:
    """Plot one figure of several runs over the drive."""
    plot = _plot(title, 'time in the drive, s', unit)
    for color, (name, line) in zip(COLORS, lines.items(), strict=False):
        plot.add_scatter(
            x=line.time_s, y=getattr(line, key), name=name, mode='lines+markers',
            line={'color': color, 'width': 1.5}, marker={'size': 4},
        )  # fmt: skip
    return plot


def _known(line: TimeLine, keys: Mapping[str, str]) -> dict[str, str]:
    return {
        key: caption
        for key, caption in keys.items()
        if any(value is not None for value in getattr(line, key))
    }


def _score_key(keys: Mapping[str, str]) -> str | None:
    return next((key for key in SCORE_FIGURES if key in keys), None)


def _mark(plot: Any, worst: Sequence[Moment], names: Sequence[str], row: int) -> None:
    plot.add_scatter(
        x=[moment.time_s for moment in worst],
        y=[moment.score for moment in worst],
        customdata=list(names),
        name='worst (click)',
        mode='markers',
        marker={'color': WARNING, 'size': 11, 'symbol': 'circle-open', 'line': {'width': 2.5}},
        hovertemplate='%{x:.1f} s: %{y:.1f} %, click for the picture<extra>worst</extra>',
        row=row,
        col=1,
    )


def _add_unanswered(plot: Any, line: TimeLine, row: int) -> None:
    times = [
        time for time, one in zip(line.time_s, line.latency_ms, strict=True) if one is None
    ]
    if times:
        plot.add_scatter(
            x=times, y=[0.0] * len(times), mode='markers', name='no answer',
            marker={'color': WARNING, 'symbol': 'x', 'size': 7}, row=row, col=1,
        )  # fmt: skip


def _plot(title: str, x_title: str | None, y_title: str) -> go.Figure:
    plot = go.Figure()
    _style(plot, title, HEIGHT)
    plot.update_xaxes(title=x_title)
    plot.update_yaxes(title=y_title)
    return plot


def _style(plot: go.Figure, title: str, height: int) -> None:
    plot.update_layout(
        title={'text': title, 'font': {'size': 15}, 'y': 1.0, 'yanchor': 'top',
               'pad': {'t': 12}},
        template='plotly_white',
        height=height,
        margin={'l': 60, 'r': 20, 't': 64, 'b': 48},
        legend={'orientation': 'h', 'x': 1.0, 'xanchor': 'right', 'y': 1.0, 'yanchor': 'bottom'},
        font={'family': 'system-ui, sans-serif'},
    )  # fmt: skip
