# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures of labelled images -> one page with IoU per class, confusion and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from depthforge_ros.evaluation.evidence import Evidence
from depthforge_ros.evaluation.images import domain_rows
from depthforge_ros.files import write_text
from depthforge_ros.labels import LabelSpace
from depthforge_ros.reports.evidence import gallery, gallery_html
from depthforge_ros.reports.page import JUMP
from depthforge_ros.reports.plots import (
    calibration,
    class_bars,
    confusion,
    risk_coverage_curve,
    Scored,
)
from depthforge_ros.reports.slices import slice_tables
import plotly.graph_objects as go

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body style="font-family: system-ui, sans-serif; max-width: 1100px; margin: 24px auto">
<h1>{title}</h1>
<p>{summary}</p>
{domains}
{plots}
{slices}
{gallery}
</body></html>
"""


@dataclass(frozen=True)
class Shown:
    """What the page shows beside the figures."""

    title: str
    evidence: Evidence | None
    """Images that show the errors."""
    spaces: tuple[LabelSpace, LabelSpace]
    """Of the masks and of the ground truth."""
    command: str
    """Opens an image, whose path stands for its `{name}`."""


def write_images_report(path: Path, figures: Mapping[str, Any], page: Shown) -> None:
    """Write what `evaluate_images` gave as HTML that needs nothing else."""
    one = Scored('', figures)
    shown = gallery(figures, page.evidence, 0)
    plots = [
        class_bars([one]),
        confusion(one, shown.cells),
        calibration([one]),
        risk_coverage_curve([one]),
    ]
    known: list[go.Figure] = [plot for plot in plots if plot is not None]
    text = PAGE.format(
        title=escape(page.title),
        summary=f'{figures["images"]} images, mIoU {figures["miou"]} %, pixel accuracy '
        f'{figures["pixel_accuracy"]} %, expected calibration error {figures["ece"]} %.',
        domains=_table(domain_rows(figures)),
        plots='\n'.join(
            plot.to_html(full_html=False, include_plotlyjs=rank == 0, post_script=JUMP)
            for rank, plot in enumerate(known)
        ),
        slices=slice_tables(figures, shown.slices),
        gallery=gallery_html(shown, page.spaces, page.command),
    )
    write_text(path, text)


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = (
        ''.join(f'<td style="padding-right: 2em">{escape(cell)}</td>' for cell in row)
        for row in rows
    )
    return '<table>' + ''.join(f'<tr>{line}</tr>' for line in lines) + '</table>'
