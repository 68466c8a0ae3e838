# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures of labelled images -> one page with IoU per class, confusion and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from depthforge_ros.evaluation.images import domain_rows
from depthforge_ros.files import write_text
from depthforge_ros.reports.plots import calibration, class_bars, confusion
import plotly.graph_objects as go

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body style="font-family: system-ui, sans-serif; max-width: 1100px; margin: 24px auto">
<h1>{title}</h1>
<p>{summary}</p>
{domains}
{plots}
</body></html>
"""


class ImagesScore(NamedTuple):
    """What the plots take."""

    name: str
    figures: Mapping[str, Any]


def write_images_report(path: Path, figures: Mapping[str, Any], *, title: str) -> None:
    """Write what `evaluate_images` gave as HTML that needs nothing else."""
    one = ImagesScore('', figures)
    plots = [class_bars([one]), confusion(one), calibration([one])]
    known: list[go.Figure] = [plot for plot in plots if plot is not None]
    text = PAGE.format(
        title=escape(title),
        summary=f'{figures["images"]} images, mIoU {figures["miou"]} %, pixel accuracy '
        f'{figures["pixel_accuracy"]} %, expected calibration error {figures["ece"]} %.',
        domains=_table(domain_rows(figures)),
        plots='\n'.join(
            plot.to_html(full_html=False, include_plotlyjs=rank == 0)
            for rank, plot in enumerate(known)
        ),
    )
    write_text(path, text)


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = (
        ''.join(f'<td style="padding-right: 2em">{escape(cell)}</td>' for cell in row)
        for row in rows
    )
    return '<table>' + ''.join(f'<tr>{line}</tr>' for line in lines) + '</table>'
