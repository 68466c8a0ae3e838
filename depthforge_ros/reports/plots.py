# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The plots of a report; with a second judgement, both are drawn into each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from depthforge_ros.evaluation.judgement import Judgement
from depthforge_ros.metrics.uncertainty import risk_coverage
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

COLORS = ('#2457a6', '#d9822b')
"""Of the first and of the second judgement."""
WARNING = '#c43c2f'
PLOT_HEIGHT = 340
ROW_HEIGHT = 120
LINES = (
    ('miou', 'mIoU, %'),
    ('tc', 'TC, %'),
    ('absrel', 'AbsRel'),
    ('flicker', 'flicker, %'),
    ('entropy', 'entropy'),
    ('domain_shift', 'shift, σ'),
    ('latency_ms', 'latency, ms'),
)
"""Rows of the time line: name in TimeLine, caption."""
OUTLIER_FACTOR = 5.0
"""Latencies beyond so many medians are counted in the title, not drawn."""
SECONDS_FROM_MS = 10_000.0
MIN_SHOWN_PERCENT = 1.0
"""Smaller cells of the confusion matrix carry no number."""


@dataclass(frozen=True)
class Scored:
    """Figures with the name that they have in the plots."""

    name: str
    """Empty where nothing else is in the plot."""
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class NamedJudgement(Scored):
    """Those of a judgement."""

    judgement: Judgement


def time_line(judged: Sequence[NamedJudgement], anchors: Mapping[float, str]) -> go.Figure:
    """
    Draw the figures of every frame under one another.

    `anchors` are ids of elements of the page by time_s, which a click on their marks leads to.
    """
    shown = [
        (name, caption)
        for name, caption in LINES
        if any(value is not None for one in judged for value in _values(one, name))
    ]
    plot = make_subplots(rows=max(len(shown), 1), shared_xaxes=True, vertical_spacing=0.03)
    for row, (name, caption) in enumerate(shown, start=1):
        for one, color in zip(judged, COLORS, strict=False):
            plot.add_scatter(
                x=one.judgement.line.time_s,
                y=_values(one, name),
                mode='lines+markers',
                name=one.name,
                showlegend=row == 1 and len(judged) > 1,
                line={'color': color, 'width': 1.5},
                marker={'size': 4},
                row=row,
                col=1,
            )
        plot.update_yaxes(title={'text': caption, 'font': {'size': 12}}, row=row, col=1)
    _mark_moments(plot, judged[0], shown[0][0] if shown else 'latency_ms', anchors)
    _mark_drops(plot, judged[0], len(shown))
    _style(plot, 'Time line', height=110 + ROW_HEIGHT * len(shown))
    plot.update_xaxes(title='time in the drive, s', row=max(len(shown), 1), col=1)
    return plot


def latency_histogram(judged: Sequence[NamedJudgement]) -> go.Figure:
    """Draw the histogram of latencies; the title says how many outliers it leaves out."""
    answered = [
        np.array([value for value in one.judgement.line.latency_ms if value is not None])
        for one in judged
    ]
    medians_ms = [float(np.median(one)) for one in answered if len(one)]
    end_ms = max((OUTLIER_FACTOR * one for one in medians_ms if one > 0.0), default=np.inf)
    beyond = np.concatenate(answered)
    beyond = beyond[beyond > end_ms]
    plot = go.Figure()
    for one, latencies_ms, color in zip(judged, answered, COLORS, strict=False):
        plot.add_histogram(
            x=latencies_ms[latencies_ms <= end_ms].tolist(),
            marker={'color': color},
            nbinsx=30,
            name=one.name,
            opacity=0.75,
        )
    plot.update_layout(barmode='overlay')
    title = 'Latency of all frames'
    if len(beyond):
        title += (
            f' but {len(beyond)} beyond {duration_text(end_ms)}, up to '
            f'{duration_text(float(beyond.max()))}'
        )
    _style(plot, title, 'latency, ms', 'frames', legend=len(judged) > 1)
    return plot


def duration_text(duration_ms: float) -> str:
    """Write whole milliseconds or, from 10 s on, seconds."""
    if duration_ms < SECONDS_FROM_MS:
        return f'{duration_ms:.0f} ms'
    return f'{duration_ms / 1000.0:.1f} s'


def class_bars(judged: Sequence[Scored]) -> go.Figure:
    """Draw the IoU of each class that occurs."""
    plot = go.Figure()
    for one, color in zip(judged, COLORS, strict=False):
        known = {
            key: value for key, value in one.figures['per_class'].items() if value is not None
        }
        plot.add_bar(
            x=list(known),
            y=list(known.values()),
            marker={'color': color},
            text=[f'{value:.0f}' for value in known.values()],
            textposition='outside',
            cliponaxis=False,
            name=one.name,
        )
    means = ' and '.join(f'{one.figures["miou"]:.1f} %' for one in judged)
    _style(plot, f'IoU per class, mean {means}', None, 'IoU, %', legend=len(judged) > 1)
    plot.update_yaxes(range=(0, 108))
    return plot


def confusion(one: Scored, anchors: Mapping[tuple[int, int], str]) -> go.Figure | None:
    """
    Draw of each true class what its pixels were taken for; None without ground truth.

    `anchors` are ids of elements of the page by true and predicted class, to which a click leads.
    """
    counts = np.array(one.figures['confusion'], np.float64)
    if not counts.any():
        return None
    occurring = counts.sum(1) > 0.0
    classes = one.figures['classes']
    named = [name for name, there in zip(classes, occurring, strict=True) if there]
    percent = 100.0 * counts[occurring] / counts[occurring].sum(1, keepdims=True)
    columns = [*classes, 'no class'] if percent[:, -1].any() else [*classes]
    percent = percent[:, : len(columns)]
    text = [
        [f'{cell:.0f}' if cell >= MIN_SHOWN_PERCENT else '' for cell in row] for row in percent
    ]
    plot = go.Figure()
    plot.add_heatmap(
        z=percent.round(2).tolist(),
        x=columns,
        y=named,
        text=text,
        texttemplate='%{text}',
        textfont={'size': 11},
        colorscale='Blues',
        zmin=0,
        zmax=100,
        colorbar={'title': {'text': '%'}, 'thickness': 12},
        customdata=[
            [anchors.get((row, column), 0) for column in range(len(columns))]
            for row in np.flatnonzero(occurring).tolist()
        ],
        hovertemplate='%{y} taken for %{x}: %{z:.1f} %<extra></extra>',
    )
    _style(plot, f'Confusion{_of(one)}, % of each true class', 'predicted', 'true',
           height=130 + 26 * max(len(named), 8))  # fmt: skip
    plot.update_yaxes(autorange='reversed', automargin=True, title_standoff=8)
    plot.update_xaxes(automargin=True, tickangle=40)
    return plot


def calibration(judged: Sequence[Scored]) -> go.Figure | None:
    """
    Draw a reliability diagram: how often each tenth of confidence is right.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. None where no confidence
    was recorded.
    """
    known = [one for one in judged if np.array(one.figures['calibration'])[:, 0].any()]
    if not known:
        return None
    plot = go.Figure()
    plot.add_scatter(x=[0, 100], y=[0, 100], mode='lines', name='as sure as right',
                     line={'color': '#9aa1ad', 'dash': 'dash', 'width': 1})  # fmt: skip
    for one, color in zip(known, COLORS, strict=False):
        pixels, right, levels = np.array(one.figures['calibration'], np.float64).T
        there = pixels > 0
        plot.add_scatter(
            x=(100.0 * levels[there] / 255.0 / pixels[there]).round(2).tolist(),
            y=(100.0 * right[there] / pixels[there]).round(2).tolist(),
            mode='lines+markers',
            name=one.name,
            line={'color': color},
            marker={'size': (6 + 18 * np.sqrt(pixels[there] / pixels.sum())).round(1).tolist()},
            customdata=(100.0 * pixels[there] / pixels.sum()).round(2).tolist(),
            hovertemplate='confidence %{x:.1f} %, right %{y:.1f} %, '
            '%{customdata:.1f} % of the pixels<extra></extra>',
        )
    errors = ' and '.join(f'{one.figures["ece"]:.1f} %' for one in known)
    _style(plot, f'Calibration, expected error {errors}', 'confidence, %', 'right, %', legend=True)
    plot.update_xaxes(range=(0, 102))
    plot.update_yaxes(range=(0, 102))
    return plot


def risk_coverage_curve(judged: Sequence[Scored]) -> go.Figure | None:
    """Draw the share of wrong pixels among the most confident; None without confidence."""
    known = [one for one in judged if np.any(one.figures['confidence_levels'])]
    if not known:
        return None
    plot = go.Figure()
    for one, color in zip(known, COLORS, strict=False):
        curve = 100.0 * risk_coverage(np.array(one.figures['confidence_levels'], np.int64))
        plot.add_scatter(
            x=curve[:, 0].round(3).tolist(),
            y=curve[:, 1].round(3).tolist(),
            mode='lines',
            name=one.name,
            line={'color': color},
            hovertemplate='of the surest %{x:.1f} % are wrong %{y:.2f} %<extra></extra>',
        )
    areas = ' and '.join(f'{one.figures["aurc"]:.2f} %' for one in known)
    _style(plot, f'Risk and coverage, area {areas}', 'surest pixels, %', 'wrong, %',
           legend=len(known) > 1)  # fmt: skip
    plot.update_xaxes(range=(0, 102))
    plot.update_yaxes(rangemode='tozero')
    return plot


def _values(one: NamedJudgement, name: str) -> list[float | None]:
    values: list[float | None] = getattr(one.judgement.line, name)
    return values


def _of(one: Scored) -> str:
    return f' of {one.name}' if one.name else ''


def _mark_moments(
    plot: go.Figure, one: NamedJudgement, name: str, anchors: Mapping[float, str]
) -> None:
    """Put numbered marks on the first row where the worst moments are."""
    times, values = one.judgement.line.time_s, _values(one, name)
    marks = [
        (time, value, number, anchor)
        for number, (time, anchor) in enumerate(anchors.items(), start=1)
        for at, value in zip(times, values, strict=True)
        if abs(at - time) < 1e-3
    ]
    plot.add_scatter(
        x=[time for time, *_ in marks],
        y=[value for _, value, *_ in marks],
        text=[str(number) for *_, number, _ in marks],
        customdata=[anchor for *_, anchor in marks],
        mode='markers+text',
        textfont={'color': 'white', 'size': 10},
        marker={'color': WARNING, 'size': 16},
        name='worst moments',
        showlegend=bool(marks),
        hovertemplate='worst moment %{text}: click to see it<extra></extra>',
        row=1,
        col=1,
    )


def _mark_drops(plot: go.Figure, one: NamedJudgement, row: int) -> None:
    """Put crosses on the last row, latency, where frames were not answered."""
    line = one.judgement.line
    dropped = [at for at, value in zip(line.time_s, line.latency_ms, strict=True) if value is None]
    if dropped and row:
        plot.add_scatter(
            x=dropped,
            y=[0.0] * len(dropped),
            mode='markers',
            name='no answer',
            marker={'color': WARNING, 'symbol': 'x', 'size': 6},
            row=row,
            col=1,
        )


def _style(
    plot: go.Figure,
    title: str,
    x_title: str | None = None,
    y_title: str | None = None,
    *,
    height: int = PLOT_HEIGHT,
    legend: bool = True,
) -> None:
    plot.update_layout(
        title={'text': title, 'font': {'size': 15}, 'x': 0.01, 'y': 1.0, 'yanchor': 'top',
               'pad': {'t': 12}},
        template='plotly_white',
        height=height,
        margin={'l': 64, 'r': 20, 't': 64, 'b': 48},
        showlegend=legend,
        legend={'orientation': 'h', 'x': 1.0, 'xanchor': 'right', 'y': 1.0, 'yanchor': 'bottom'},
        font={'family': 'system-ui, sans-serif'},
    )  # fmt: skip
    if x_title:
        plot.update_xaxes(title=x_title)
    if y_title:
        plot.update_yaxes(title=y_title)
