# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page with figures, pictures and plots; or its figures as Markdown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation import plots
from depthforge_ros.evaluation.contact_sheet import contact_sheet, row_of_tiles, stack
from depthforge_ros.evaluation.judgement import Judgement, Moment
from depthforge_ros.evaluation.page import LINKS, PAGE
from depthforge_ros.labels import LabelSpace
from depthforge_ros.postprocess import colorize_depth, overlay
import numpy as np
import numpy.typing as npt
from plotly.offline import get_plotlyjs

JPEG = (cv2.IMWRITE_JPEG_QUALITY, 88)
MARKDOWN = '.md'
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
"""Figures shown large, and in a contact sheet: key, caption, format."""
MORE_CARDS = (
    ('boundary_f', 'boundary F', '{:.1f} %'),
    ('ece', 'calibration error', '{:.1f} %'),
    ('mvc8', 'mVC8', '{:.1f} %'),
    ('mvc16', 'mVC16', '{:.1f} %'),
    ('tc', 'TC', '{:.1f} %'),
    ('flicker', 'flicker', '{:.2f} %'),
    ('depth_tc', 'depth TC', '{:.1f} %'),
    ('entropy', 'entropy', '{:.3f}'),
    ('domain_shift', 'domain shift', '{:.2f}'),
    ('throughput_hz', 'throughput', '{:.1f} Hz'),
)
"""Further ones of the page."""
MEANINGS = {
    'mIoU': 'mean over classes of intersection over union with the ground truth',
    'boundary F': 'F-score of class boundaries within a small distance of the true ones',
    'mVC8, mVC16': 'share of pixels right in all of 8 or 16 consecutive frames, of those whose '
    'true class stays',
    'TC': 'mIoU of a mask with the mask before, moved along the optical flow; needs no labels',
    'flicker': 'static pixels whose class changed from one frame to the next',
    'depth AbsRel': 'mean |error| / depth, after the one best scale of each frame',
    'depth TC': 'pixels whose depth agrees with that of the frame before, moved along the flow',
    'calibration error': 'mean gap between confidence and the share that is right (ECE)',
    'entropy': 'mean over pixels, 0 sure of one class, 1 all classes alike',
    'domain shift': "distance from the model's training images, in standard deviations",
}
LISTS = ('per_class', 'confusion', 'calibration', 'classes', 'cameras', 'clips', 'time_line')


@dataclass(frozen=True)
class Section:
    """One camera's drive in the report."""

    title: str
    judgement: Judgement
    figures: dict[str, Any]
    """Those of the judgement, and more."""
    details: dict[str, Any] = field(default_factory=dict)
    """More rows for the table of figures, by caption."""
    warning: str | None = None
    """What must be known before the figures are believed."""


def write_contact_sheet(path: Path, sections: Sequence[Section]) -> None:
    """Write the sheets of all sections as one PNG."""
    sheets = [_sheet(one) for one in sections if one.judgement.moments]
    if not sheets:
        raise UserError("no frame was answered, so there is nothing to show; see the node's log")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), stack(sheets)[..., ::-1]):
        raise UserError(f'{path} cannot be written; is the disk full?')


def write_report(path: Path, sections: Sequence[Section], *, comparison: str = '') -> None:
    """
    Write a page that needs nothing else: script and pictures are in it.

    `comparison` is HTML that comes first, see `side_by_side`. A path that ends in .md gets the
    figures alone, as Markdown.
    """
    if path.suffix.lower() == MARKDOWN:
        text = '\n'.join(_markdown(one) for one in sections)
    else:
        parts = [comparison, *(_section(one, number) for number, one in enumerate(sections))]
        meanings = ''.join(
            f'<tr><td>{escape(name)}</td><td>{escape(meaning)}</td></tr>'
            for name, meaning in MEANINGS.items()
        )
        text = PAGE.substitute(
            plotly=get_plotlyjs(),
            links=LINKS,
            body='\n'.join(parts),
            meanings=f'<section><h2>What the figures mean</h2><table>{meanings}</table></section>',
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
    except OSError as error:
        raise UserError(f'{path} cannot be written ({error.strerror}); choose another') from error


def plot_html(plot: Any, *, name: str | None = None, wide: bool = False) -> str:
    """Put a plot into a cell of the grid `plots`; `name` is its element's id."""
    text = plot.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={'responsive': True, 'displaylogo': False},
    )
    return f'<div class="plot{" wide" if wide else ""}">{text}</div>'


def jpeg_html(rgb: npt.NDArray[np.uint8], alt: str) -> str:
    """Put RGB (H, W, 3) into an img element."""
    _, data = cv2.imencode('.jpg', rgb[..., ::-1], JPEG)
    text = base64.b64encode(data.tobytes()).decode('ascii')
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{text}">'


def _sheet(section: Section) -> npt.NDArray[np.uint8]:
    subtitle = '   |   '.join(f'{caption} {text}' for caption, text in _cards(section, CARDS))
    judgement = section.judgement
    return contact_sheet(section.title, subtitle, judgement.moments, judgement.mask_space)


def _cards(section: Section, cards: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """Return (caption, text) of what is known."""
    figures = section.figures
    return [
        (caption, style.format(figures[key]))
        for key, caption, style in cards
        if figures.get(key) is not None
    ]


def _section(section: Section, number: int) -> str:
    judgement, name = section.judgement, f'section{number}'
    cards = ''.join(
        f'<div class="card"><b>{text}</b>{escape(caption)}</div>'
        for caption, text in _cards(section, (*CARDS, *MORE_CARDS))
    )
    warning = f'<p class="warning">{escape(section.warning)}</p>' if section.warning else ''
    picture = jpeg_html(_sheet(section), 'input, overlay and depth') if judgement.moments else ''
    shots = [f'{name}-worst{place}' for place in range(len(judgement.worst))]
    line = plots.time_line(judgement.line, judgement.worst, shots)
    return (
        f'<section data-line="{name}-line"><h2>{escape(section.title)}</h2>'
        f'<p class="origin">{escape(_origin(section))}</p>{warning}'
        f'<div class="cards">{cards}</div>{picture}'
        f'<div class="plots">{plot_html(line, name=f"{name}-line", wide=True)}</div>'
        f'{_worst(judgement, shots)}<div class="plots">{_plots(section)}</div>{_table(section)}'
        '</section>'
    )


def _origin(section: Section) -> str:
    said = {key: section.figures.get(key) for key in ('judged', 'model', 'engine', 'fingerprint')}
    return ', '.join(
        [section.judgement.topic, *(f'{key} {value}' for key, value in said.items() if value)]
    )


def _plots(section: Section) -> str:
    figures = section.figures
    found = []
    if figures['per_class']:
        bars = plots.class_bars(
            {'IoU': figures['per_class']}, f'IoU per class, mean {figures["miou"]:.1f} %'
        )
        heatmap = plots.confusion_heatmap(figures['confusion'], figures['classes'])
        found += [plot_html(bars, wide=True), plot_html(heatmap, wide=True)]
    found.append(plot_html(plots.latency_histogram(section.judgement.latencies_ms)))
    if figures.get('ece') is not None:
        found.append(plot_html(plots.calibration_plot(figures['calibration'], figures['ece'])))
    return ''.join(found)


def _worst(judgement: Judgement, names: Sequence[str]) -> str:
    if not judgement.worst:
        return ''
    shots = ''.join(
        f'<figure class="shot" id="{name}" data-time="{moment.time_s:.3f}"><a href="#{name}">'
        f'{jpeg_html(_shot(judgement, moment), "a moment")}'
        f'<figcaption>t = {moment.time_s:.1f} s, {_score(moment)}</figcaption></a></figure>'
        for name, moment in zip(names, judgement.worst, strict=True)
    )
    last = 'the truth where there is one, else depth'
    return f'<h3>Worst moments: input, answer, {last}</h3><div class="shots">{shots}</div>'


def _score(moment: Moment) -> str:
    return f'{"TC" if moment.truth is None else "mIoU"} {moment.score or 0.0:.1f} %'


def _shot(judgement: Judgement, moment: Moment) -> npt.NDArray[np.uint8]:
    space: LabelSpace | None = judgement.truth_space
    last = (
        colorize_depth(moment.inverse_depth)
        if moment.truth is None or space is None
        else overlay(moment.rgb, moment.truth, space)
    )
    answer = overlay(moment.rgb, moment.labels, judgement.mask_space)
    return row_of_tiles([moment.rgb, answer, last])


def _table(section: Section) -> str:
    cells = ''.join(
        f'<tr><td>{escape(str(key))}</td><td>{escape(_text(value))}</td></tr>'
        for key, value in _rows(section).items()
    )
    return f'<details><summary>All figures</summary><table>{cells}</table></details>'


def _rows(section: Section) -> dict[str, Any]:
    single = {key: value for key, value in section.figures.items() if key not in LISTS}
    return {**single, **section.details}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = ', '.join(f'{key} {number}' for key, number in value.items())
    return '–' if value in (None, '') else str(value)


def _markdown(section: Section) -> str:
    per_class = section.figures['per_class'] or {}
    classes = [f'| {name} | {_text(value)} |' for name, value in per_class.items()]
    return '\n'.join(
        [
            f'## {section.title}', '', f'{_origin(section)}', '',
            *([f'**{section.warning}**', ''] if section.warning else []),
            '| figure | value |', '|---|---|',
            *(f'| {key} | {_text(value)} |' for key, value in _rows(section).items()), '',
            *(['| class | IoU, % |', '|---|---|', *classes, ''] if classes else []),
        ]
    )  # fmt: skip
