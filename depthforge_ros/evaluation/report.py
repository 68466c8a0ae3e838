# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page with figures, pictures and plots."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.contact_sheet import contact_sheet, stack
from depthforge_ros.evaluation.judgement import Judgement
from depthforge_ros.labels import LabelSpace
import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

SHEET_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 88)
ACCENT = '#2457a6'
WARNING = '#c43c2f'
PLOT_HEIGHT = 340
CARDS = (
    ('miou', 'mIoU', '{:.1f} %'),
    ('pixel_accuracy', 'pixel accuracy', '{:.1f} %'),
    ('absrel', 'depth AbsRel', '{:.3f}'),
    ('delta_125', 'depth within 25 %', '{:.1%}'),
    ('latency_ms_p50', 'latency p50', '{:.0f} ms'),
    ('latency_ms_p99', 'latency p99', '{:.0f} ms'),
    ('received', 'frames received', '{}'),
    ('published', 'published', '{}'),
    ('dropped', 'dropped', '{}'),
    ('not_delivered', 'never reached the node', '{}'),
)
"""Figures shown large: key, caption, format."""


@dataclass(frozen=True)
class Section:
    """One drive of the report."""

    title: str
    judgement: Judgement
    figures: dict[str, Any]
    """Those of the judgement, and more."""
    details: dict[str, Any] = field(default_factory=dict)
    """More rows for the table of figures, by caption."""


def write_contact_sheet(path: Path, sections: Sequence[Section]) -> None:
    """Write the sheets of all sections as one PNG."""
    sheets = [_sheet(one) for one in sections if one.judgement.moments]
    if not sheets:
        raise UserError("no frame was answered, so there is nothing to show; see the node's log")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), stack(sheets)[..., ::-1]):
        raise UserError(f'{path} cannot be written; is the disk full?')


def write_report(path: Path, sections: Sequence[Section]) -> None:
    """Write a page that needs nothing else: script and pictures are in it."""
    body = '\n'.join(_section(one) for one in sections)
    page = PAGE.substitute(plotly=get_plotlyjs(), body=body)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding='utf-8')
    except OSError as error:
        raise UserError(f'{path} cannot be written ({error.strerror}); choose another') from error


def _sheet(section: Section) -> npt.NDArray[np.uint8]:
    figures = section.figures
    known = [
        f'{caption} {style.format(figures[key])}'
        for key, caption, style in CARDS
        if figures.get(key) is not None
    ]
    subtitle = '   |   '.join(known)
    return contact_sheet(
        section.title, subtitle, section.judgement.moments, _space(section.judgement)
    )


def _space(judgement: Judgement) -> LabelSpace:
    if judgement.mask_space is None:
        raise UserError('the classes of the recorded masks are not known; say --mask-labels')
    return judgement.mask_space


def _section(section: Section) -> str:
    cards = ''.join(
        f'<div class="card"><b>{style.format(section.figures[key])}</b>{escape(caption)}</div>'
        for key, caption, style in CARDS
        if section.figures.get(key) is not None
    )
    plots = [_latency_over_time(section.judgement), _latency_histogram(section.judgement)]
    if section.figures['per_class']:
        plots.append(_class_bars(section))
    figures = ''.join(f'<div class="plot">{_html(plot)}</div>' for plot in plots)
    picture = _picture(section) if section.judgement.moments else ''
    return (
        f'<section><h2>{escape(section.title)}</h2><div class="cards">{cards}</div>{picture}'
        f'<div class="plots">{figures}</div>{_table(section)}</section>'
    )


def _picture(section: Section) -> str:
    _, data = cv2.imencode('.jpg', _sheet(section)[..., ::-1], SHEET_JPEG)
    text = base64.b64encode(data.tobytes()).decode('ascii')
    return f'<img alt="input, overlay and depth" src="data:image/jpeg;base64,{text}">'


def _table(section: Section) -> str:
    rows = {
        **{key: value for key, value in section.figures.items() if key != 'per_class'},
        **section.details,
    }
    cells = ''.join(
        f'<tr><td>{escape(str(key))}</td><td>{"–" if value is None else escape(str(value))}</td>'
        '</tr>'
        for key, value in rows.items()
    )
    return f'<details><summary>All figures</summary><table>{cells}</table></details>'


def _latency_over_time(judgement: Judgement) -> Any:
    pairs = list(zip(judgement.times_s, judgement.latencies_ms, strict=True))
    answered = [(time, latency) for time, latency in pairs if latency is not None]
    unanswered = [time for time, latency in pairs if latency is None]
    plot = _plot('Latency over the drive', 'time in the drive, s', 'latency, ms')
    plot.add_scatter(
        x=[time for time, _ in answered],
        y=[latency for _, latency in answered],
        mode='lines+markers',
        name='answered',
        line={'color': ACCENT, 'width': 1.5},
        marker={'size': 5},
    )
    if unanswered:
        plot.add_scatter(
            x=unanswered,
            y=[0.0] * len(unanswered),
            mode='markers',
            name='no answer',
            marker={'color': WARNING, 'symbol': 'x', 'size': 8},
        )
    plot.update_yaxes(rangemode='tozero')
    return plot


def _latency_histogram(judgement: Judgement) -> Any:
    plot = _plot('Latency, all frames', 'latency, ms', 'frames')
    answered = [latency for latency in judgement.latencies_ms if latency is not None]
    plot.add_histogram(x=answered, marker={'color': ACCENT}, nbinsx=30, name='frames')
    return plot


def _class_bars(section: Section) -> Any:
    per_class = section.figures['per_class']
    names = [name for name, value in per_class.items() if value is not None]
    values = [per_class[name] for name in names]
    plot = _plot(f'IoU per class, mean {section.figures["miou"]:.1f} %', None, 'IoU, %')
    plot.add_bar(
        x=names,
        y=values,
        marker={'color': ACCENT},
        text=[f'{value:.0f}' for value in values],
        textposition='outside',
        cliponaxis=False,
    )
    plot.update_yaxes(range=(0, 105))
    return plot


def _plot(title: str, x_title: str | None, y_title: str) -> go.Figure:
    plot = go.Figure()
    plot.update_layout(
        title={'text': title, 'font': {'size': 15}},
        template='plotly_white',
        height=PLOT_HEIGHT,
        margin={'l': 60, 'r': 20, 't': 48, 'b': 48},
        legend={'orientation': 'h', 'x': 1.0, 'xanchor': 'right', 'y': 1.12},
        font={'family': 'system-ui, sans-serif'},
    )
    plot.update_xaxes(title=x_title)
    plot.update_yaxes(title=y_title)
    return plot


def _html(plot: go.Figure) -> str:
    text: str = plot.to_html(
        full_html=False, include_plotlyjs=False, config={'responsive': True, 'displaylogo': False}
    )
    return text


PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>DepthForge report</title>
<style>
body { font: 16px/1.45 system-ui, sans-serif; color: #20242c; background: #eef0f3; margin: 0; }
main { max-width: 1280px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 8px 0 4px; }
h2 { font-size: 20px; margin: 0 0 14px; }
section { background: #fff; border-radius: 10px; padding: 22px; margin: 22px 0;
  box-shadow: 0 1px 3px rgb(0 0 0 / 12%); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 10px;
  margin-bottom: 18px; }
.card { background: #f4f6f9; border-radius: 8px; padding: 10px 12px; font-size: 13px;
  color: #5a6270; }
.card b { display: block; font-size: 21px; color: #20242c; font-weight: 600; }
img { width: 100%; border-radius: 6px; display: block; }
.plots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px; }
@media (max-width: 800px) { .plots { grid-template-columns: minmax(0, 1fr); } }
.plot:nth-child(3) { grid-column: 1 / -1; }
table { border-collapse: collapse; font-size: 14px; }
td { padding: 3px 18px 3px 0; border-bottom: 1px solid #e4e7ec; }
summary { cursor: pointer; margin: 8px 0; }
</style>
<script>$plotly</script>
</head>
<body><main>
<h1>DepthForge report</h1>
<p>Masks and depth as they were recorded, judged against the ground truth where there is any.
Depth is relative: AbsRel is after the one best scale of each frame.</p>
$body
</main></body>
</html>
""")
