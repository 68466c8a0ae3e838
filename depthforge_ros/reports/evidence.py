# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""From a cell of the confusion matrix or a slice to frames that show it, and how to open them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
import shlex
from typing import Any

from depthforge_ros.evaluation.evidence import Evidence, Proof
from depthforge_ros.labels import LabelSpace
from depthforge_ros.postprocess import overlay
from depthforge_ros.reports.pictures import jpeg_tag
from depthforge_ros.reports.slices import class_rows, slice_rows
import numpy as np

CELLS = 24
"""Confusions that are shown: those with the largest shares of their true class."""
SHOWN = 2
"""Frames of each."""


@dataclass(frozen=True)
class Gallery:
    """Errors with their frames."""

    entries: tuple[tuple[str, str, tuple[Proof, ...]], ...]
    """Anchor in the page, caption, frames."""
    cells: Mapping[tuple[int, int], str]
    """Anchors by true and predicted class of the confusion matrix."""
    slices: Mapping[str, str]
    """Anchors by name of a row in the table of slices."""


EMPTY = Gallery((), {}, {})


def gallery(figures: Mapping[str, Any], evidence: Evidence | None, number: int) -> Gallery:
    """Choose the errors that section `number` shows."""
    if evidence is None:
        return EMPTY
    entries, cells, slices = [], {}, {}
    for true, said, percent in _worst_cells(figures):
        names = [*evidence.classes, 'no class']
        proofs = evidence.confusion(names[true], names[said])[:SHOWN]
        cells[true, said] = anchor = f'cell-{number}-{true}-{said}'
        caption = f'{names[true]} taken for {names[said]}: {percent:.1f} % of {names[true]}'
        entries.append((anchor, caption, tuple(proofs)))
    for rank, row in enumerate([*slice_rows(figures), *class_rows(figures)]):
        class_name = row.name.removesuffix(row.where)[:-1]
        proofs = evidence.slice(class_name, row.where)[:SHOWN]
        if proofs:
            slices[row.name] = anchor = f'slice-{number}-{rank}'
            entries.append((anchor, f'{row.name}: IoU {row.value:.1f} %', tuple(proofs)))
    return Gallery(tuple(entries), cells, slices)


def gallery_html(
    shown: Gallery, spaces: tuple[LabelSpace, LabelSpace | None], command: str
) -> str:
    """Write the figures; `spaces` are the masks' and the truth's, `command` has a `{name}`."""
    if not shown.entries:
        return ''
    figures = ''.join(
        f'<figure id="{anchor}"><figcaption>{escape(caption)}</figcaption>'
        f'{"".join(_proof(one, spaces, command) for one in proofs)}</figure>'
        for anchor, caption, proofs in shown.entries
    )
    return (
        '<h3 id="show-me">Show me: frames with the most pixels of each error</h3><p>Camera, mask, '
        'ground truth. Cells of the confusion matrix and names of slices lead here.</p>'
        f'<div class="proofs">{figures}</div>'
    )


def command_html(command: str, name: str) -> str:
    """Write the command that opens a frame; nothing where there is none."""
    return (
        f'<code>{escape(command.replace("{name}", shlex.quote(name)))}</code>' if command else ''
    )


def _proof(proof: Proof, spaces: tuple[LabelSpace, LabelSpace | None], command: str) -> str:
    one, (masks, truth) = proof.exhibit, spaces
    parts = [one.rgb, overlay(one.rgb, one.labels, masks)]
    if truth is not None:
        parts.append(overlay(one.rgb, one.truth, truth))
    picture = np.concatenate(parts, axis=1)
    return (
        f'<div>{jpeg_tag(picture, "camera, mask, ground truth")}'
        f'<small>{escape(one.name)}, {proof.pixels} pixels {command_html(command, one.name)}'
        '</small></div>'
    )


def _worst_cells(figures: Mapping[str, Any]) -> Sequence[tuple[int, int, float]]:
    """Return true and predicted class of the largest confusions, in percent of the true class."""
    counts = np.array(figures['confusion'], np.float64)
    np.fill_diagonal(counts, 0.0)
    total = np.array(figures['confusion']).sum(1, keepdims=True)
    shares = 100.0 * counts / np.maximum(total, 1)
    order = np.argsort(shares, axis=None)[::-1][:CELLS]
    places = [divmod(int(one), shares.shape[1]) for one in order]
    return [(row, column, float(shares[row, column])) for row, column in places
            if shares[row, column] > 0.0]  # fmt: skip
