# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A report to look at: one self-contained HTML page, or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from depthforge_ros.bags.image_files import write_image
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.judgement import Judgement
from depthforge_ros.files import write_text
from depthforge_ros.labels import LabelSpace
from depthforge_ros.reports.contact_sheet import contact_sheet, stack
from depthforge_ros.reports.evidence import command_html, Gallery, gallery, gallery_html
from depthforge_ros.reports.page import JUMP, PAGE
from depthforge_ros.reports.pictures import jpeg_tag, pair_strip, strip
from depthforge_ros.reports.plots import (
    calibration,
    class_bars,
    confusion,
    duration_text,
    latency_histogram,
    NamedJudgement,
    risk_coverage_curve,
    time_line,
)
from depthforge_ros.reports.slices import slice_markdown, slice_tables
import numpy as np
import numpy.typing as npt
from plotly.offline import get_plotlyjs

Card = tuple[str, str, Callable[[Any], str]]
SHEET_CARDS: tuple[Card, ...] = (
    ('miou', 'mIoU', '{:.1f} %'.format),
    ('pixel_accuracy', 'pixel accuracy', '{:.1f} %'.format),
    ('absrel', 'depth AbsRel', '{:.3f}'.format),
    ('delta_125', 'depth within 25 %', '{:.1%}'.format),
    ('latency_ms_p50', 'latency p50', duration_text),
    ('latency_ms_p99', 'latency p99', duration_text),
    ('received', 'frames received', '{}'.format),
    ('published', 'published', '{}'.format),
    ('dropped', 'dropped', '{}'.format),
    ('not_delivered', 'never reached the node', '{}'.format),
)
"""Figures shown large, and in a contact sheet: key, caption, how to write them."""
CARDS: tuple[Card, ...] = (
    *SHEET_CARDS,
    ('boundary_f', 'boundary F', '{:.1f} %'.format),
    ('mvc8', 'mVC8', '{:.1f} %'.format),
    ('tc', 'TC', '{:.1f} %'.format),
    ('flicker', 'flicker', '{:.1f} %'.format),
    ('depth_tc', 'depth TC', '{:.1f} %'.format),
    ('error_auroc_confidence', 'AUROC of errors', '{:.1f} %'.format),
    ('error_fpr95_confidence', 'FPR95 of errors', '{:.1f} %'.format),
    ('auiou', 'AUIoU', '{:.1f} %'.format),
    ('entropy', 'entropy', '{:.2f}'.format),
    ('domain_shift', 'domain shift', '{:.1f} σ'.format),
)
NOT_IN_TABLE = (
    'per_class', 'confusion', 'calibration', 'confidence_levels', 'classes', 'slices',
)  # fmt: skip
"""Figures that are plots or tables of their own."""


@dataclass(frozen=True)
class OtherJudgement:
    """A second judgement of the same drive, shown beside the first."""

    judgement: Judgement
    figures: Mapping[str, Any]
    names: tuple[str, str]
    """Of the first and of this one."""


@dataclass(frozen=True)
class Section:
    """One drive of the report."""

    title: str
    judgement: Judgement
    figures: dict[str, Any]
    """Those of the judgement, and more."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """More rows for the table of figures, by caption."""
    other: OtherJudgement | None = None
    damage: str | None = None
    """Why the drive was not read to its end."""
    command: str = ''
    """Opens a frame, whose stamp stands for its `{name}`."""

    @property
    def cautions(self) -> list[str]:
        """Return the warnings that are shown above the figures."""
        ends = [f'Not read to its end: {self.damage}'] if self.damage else []
        return ends + self.judgement.warnings

    @property
    def judged(self) -> list[NamedJudgement]:
        """Return what the plots show: the judgement, and the other one where there is one."""
        if self.other is None:
            return [NamedJudgement('', self.figures, self.judgement)]
        first, second = self.other.names
        return [
            NamedJudgement(first, self.figures, self.judgement),
            NamedJudgement(second, self.other.figures, self.other.judgement),
        ]


def write_contact_sheet(path: Path, sections: Sequence[Section]) -> None:
    """Write the sheets of all sections as one PNG."""
    sheets = [_sheet(one) for one in sections if one.judgement.moments]
    if not sheets:
        raise UserError("no frame was answered, so there is nothing to show; see the node's log")
    write_image(path, stack(sheets)[..., ::-1])


def report_format(path: Path) -> Callable[[Sequence[Section]], str]:
    """Tell by the suffix what a report is written as; UserError for an unknown one."""
    known: Mapping[str, Callable[[Sequence[Section]], str]] = {
        '.html': html_report,
        '.md': markdown_report,
    }
    if path.suffix not in known:
        raise UserError(
            f'report {path}: the suffix says the format; choose one of {", ".join(known)}'
        )
    return known[path.suffix]


def write_report(path: Path, sections: Sequence[Section]) -> None:
    """Write a report in the format that the suffix says."""
    write_text(path, report_format(path)(sections))


def html_report(sections: Sequence[Section]) -> str:
    """Return a self-contained page, with script and pictures in it."""
    body = '\n'.join(_section(one, number) for number, one in enumerate(sections))
    return PAGE.substitute(plotly=get_plotlyjs(), body=body)


def markdown_report(sections: Sequence[Section]) -> str:
    """Return headings and tables, as issues and pull requests show them."""
    return '# DepthForge report\n' + '\n'.join(map(_markdown_section, sections))


def _markdown_section(section: Section) -> str:
    lines = [f'\n## {section.title}\n']
    lines += [f'**{one}**\n' for one in section.cautions]
    heads = [one.name or 'value' for one in section.judged]
    lines += [f'| figure | {" | ".join(heads)} |', f'|---|{"---|" * len(heads)}']
    lines += [f'| {name} | {" | ".join(cells)} |' for name, cells in _rows(section).items()]
    if section.figures['per_class']:
        lines += [f'\n| class, IoU % | {" | ".join(heads)} |', f'|---|{"---|" * len(heads)}']
        for name in section.figures['per_class']:
            cells = [_text(one.figures['per_class'][name]) for one in section.judged]
            lines.append(f'| {name} | {" | ".join(cells)} |')
    lines += slice_markdown(section.figures)
    return '\n'.join(lines) + '\n'


def _sheet(section: Section) -> npt.NDArray[np.uint8]:
    figures = section.figures
    known = [
        f'{caption} {write(figures[key])}'
        for key, caption, write in SHEET_CARDS
        if figures.get(key) is not None
    ]
    subtitle = '   |   '.join(known)
    judgement = section.judgement
    return contact_sheet(section.title, subtitle, judgement.moments, judgement.mask_space)


def _section(section: Section, number: int) -> str:
    judgement = section.judgement
    anchors = {
        one.time_s: f'moment-{number}-{rank}' for rank, one in enumerate(judgement.worst, start=1)
    }
    cautions = ''.join(f'<p class="caution">{escape(one)}</p>' for one in section.cautions)
    picture = jpeg_tag(_sheet(section), 'input, overlay and depth') if judgement.moments else ''
    shown = gallery(section.figures, judgement.evidence, number)
    spaces = (judgement.mask_space, judgement.truth_space)
    return (
        f'<section><h2>{escape(section.title)}</h2>{cautions}'
        f'<div class="cards">{_cards(section)}</div>{picture}'
        f'<div class="plots">{_plots(section, number, anchors, shown)}</div>'
        f'{slice_tables(section.figures, shown.slices)}{_worst(section, anchors)}'
        f'{gallery_html(shown, spaces, section.command)}'
        f'{_side_by_side(section)}{_table(section)}</section>'
    )


def _cards(section: Section) -> str:
    cards = []
    for key, caption, write in CARDS:
        values = [one.figures.get(key) for one in section.judged]
        if any(value is not None for value in values):
            numbers = ''.join(
                f'<b>{"–" if value is None else write(value)}</b>' for value in values
            )
            cards.append(f'<div class="card">{numbers}{escape(caption)}</div>')
    return ''.join(cards)


def _plots(section: Section, number: int, anchors: Mapping[float, str], shown: Gallery) -> str:
    judged = section.judged
    labelled = [one for one in judged if one.figures['per_class']]
    plots = [(time_line(judged, anchors), 'wide')]
    if labelled:
        plots.append((class_bars(labelled), 'wide'))
    for rank, one in enumerate(labelled):
        # Frames are kept of the first judgement.
        if (plot := confusion(one, {} if rank else shown.cells)) is not None:
            plots.append((plot, 'wide'))
    reliability = calibration(judged)
    plots.append((latency_histogram(judged), 'wide'))
    if reliability is not None:
        plots.append((reliability, 'half'))
    if (risks := risk_coverage_curve(judged)) is not None:
        plots.append((risks, 'half'))
    return ''.join(
        f'<div class="{width}">{_html(plot, f"plot-{number}-{rank}")}</div>'
        for rank, (plot, width) in enumerate(plots)
    )


def _html(plot: Any, name: str) -> str:
    text: str = plot.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        post_script=JUMP,
        config={'responsive': True, 'displayModeBar': False},
    )
    return text


def _worst(section: Section, anchors: Mapping[float, str]) -> str:
    judgement = section.judgement
    if not judgement.worst:
        return ''
    kind = 'mIoU' if section.figures['per_class'] else 'TC'
    figures = ''.join(
        f'<figure id="{anchors[one.time_s]}"><figcaption><b>{rank}</b>{one.time_s:.1f} s, '
        f'{kind} {_text(one.score)} %, {one.stamp_ns} ns '
        f'{command_html(section.command, str(one.stamp_ns))}</figcaption>'
        f'{jpeg_tag(strip(one, judgement), "camera, mask, ground truth, depth")}</figure>'
        for rank, one in enumerate(judgement.worst, start=1)
    )
    truth = ', ground truth' if any(one.truth is not None for one in judgement.worst) else ''
    return (
        f'<h3>Worst moments: camera, mask{truth}, depth</h3>{figures}{_key(judgement.mask_space)}'
    )


def _side_by_side(section: Section) -> str:
    if section.other is None:
        return ''
    first, second = section.judged
    by_time = {one.time_s: one for one in second.judgement.moments}
    alt = f'camera, {first.name}, {second.name}'
    figures = []
    for one in first.judgement.moments:
        if one.time_s in by_time:
            row = pair_strip(one, by_time[one.time_s], first.judgement, second.judgement)
            caption = f'<figcaption>{one.time_s:.1f} s</figcaption>'
            figures.append(f'<figure>{caption}{jpeg_tag(row, alt)}</figure>')
    key = _key(first.judgement.mask_space)
    return f'<h3>Side by side: {escape(alt)}</h3>{"".join(figures)}{key}'


def _key(space: LabelSpace) -> str:
    entries = ''.join(
        f'<span><i style="background:rgb{color}"></i>{escape(name)}</span>'
        for name, color in zip(space.classes, space.colors, strict=True)
    )
    return f'<div class="key">{entries}</div>'


def _table(section: Section) -> str:
    heads = ''.join(f'<th>{escape(one.name)}</th>' for one in section.judged)
    body = ''.join(
        f'<tr><td>{escape(name)}</td>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, cells in _rows(section).items()
    )
    return (
        f'<details><summary>All figures</summary><table><tr><th></th>{heads}</tr>{body}</table>'
        '</details>'
    )


def _rows(section: Section) -> dict[str, list[str]]:
    """Return all single figures by caption, with a cell for each judgement."""
    rows = {
        name: [_text(one.figures.get(name)) for one in section.judged]
        for name in section.figures
        if name not in NOT_IN_TABLE
    }
    spare = [''] * (len(section.judged) - 1)
    return {**rows, **{name: [_text(value), *spare] for name, value in section.details.items()}}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ', '.join(f'{name} {count}' for name, count in value.items()) or '–'
    if value is None:
        return '–'
    return f'{value:g}' if isinstance(value, float) else str(value)
