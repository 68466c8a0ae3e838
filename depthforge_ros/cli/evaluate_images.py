# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge evaluate images`."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from depthforge_ros.cli.common import report, warn, write_json
from depthforge_ros.cli.judging import (
    exit_code,
    label_space,
    open_pipeline,
    percent_line,
    print_classes,
    read_tags,
)
from depthforge_ros.errors import UserError

if TYPE_CHECKING:
    from depthforge_ros.evaluation.evidence import Evidence
    from depthforge_ros.pipeline import Pipeline

IMAGE_FIGURES = {
    'ece': 'ECE',
    'aurc': 'AURC',
    'auiou': 'AUIoU',
    'error_auroc_confidence': 'AUROC of confidence',
    'error_fpr95_confidence': 'FPR95 of confidence',
    'error_auroc_entropy': 'AUROC of entropy',
    'error_fpr95_entropy': 'FPR95 of entropy',
}
"""Figures of images with their captions; those of confidence and entropy find wrong pixels."""


def run_images(args: argparse.Namespace) -> int:
    """Judge labelled images, and print and write the figures."""
    from depthforge_ros.engine.torch_engine import answer_in
    from depthforge_ros.evaluation.corruptions import corruptions
    from depthforge_ros.evaluation.datasets import DatasetChoice, open_dataset
    from depthforge_ros.evaluation.images import (
        domain_rows,
        evaluate_corruptions,
        evaluate_images,
    )
    from depthforge_ros.evaluation.tags import tags_without_frames
    from depthforge_ros.metrics.segmentation import common_space
    from depthforge_ros.metrics.slice_table import slices_lacking
    from depthforge_ros.reports.images import Shown, write_images_report

    choice = DatasetChoice(
        root=args.root, split=args.split, labels=args.labels, match=args.match, limit=args.limit
    )
    dataset = open_dataset(args.dataset, choice)
    if args.severity is not None and args.corruption is None:
        raise UserError(f'--severity {args.severity} needs --corruption; say which')
    if args.report and args.corruption:
        raise UserError('--report shows images as they are; leave --corruption out')
    if args.slices and args.corruption:
        raise UserError('--slices is of images as they are; leave --corruption out')
    domains = _domains(args)
    changes = corruptions(args.corruption, args.severity) if args.corruption else ()
    pipeline = open_pipeline(args, args.model) if args.window is None else _sliding(args)
    predicted = pipeline.engine.label_space
    target = label_space(args.label_space) or common_space(dataset.label_space, predicted)
    pipeline.engine = answer_in(pipeline.engine, target)
    if changes:
        print(f'{"corruption, severity":<20} {"mIoU, %":>7} {"ECE, %":>7}')
        figures = evaluate_corruptions(
            pipeline, dataset, changes, target=target, report=print, skip=report
        )
        print(f'{"mean":<20} {figures["miou"]:7.2f} {figures["ece"]:7.2f}')
    else:
        kept: list[Evidence] = []
        tags = read_tags(args)
        figures = evaluate_images(
            pipeline,
            dataset,
            target=target,
            domains=domains,
            tags=tags,
            keep_evidence=kept.append if args.report else None,
            skip=report,
        )
        warn([*tags_without_frames(tags.unmatched if tags else []), *slices_lacking(figures)])
        print_classes(figures)
        for name, caption in IMAGE_FIGURES.items():
            print(percent_line(caption, figures[name]))
        for line in domain_rows(figures):
            print(f'{line[0]:<16} ' + ' '.join(f'{cell:>14}' for cell in line[1:]))
    print(f'{"images":<24} {figures["images"]:16d}')
    if args.report:
        page = Shown(
            f'{args.model} on {args.dataset}',
            kept[0],
            (pipeline.engine.label_space, dataset.label_space),
            'depthforge predict {name} ' + shlex.join(('--model', args.model, '--output', 'out')),
        )
        write_images_report(args.report, figures, page)
    write_json(args.json, figures)
    return exit_code(figures)


def _domains(args: argparse.Namespace) -> dict[str, str]:
    """Return globs of file names by the domains' names."""
    domains = {}
    for text in args.domain:
        name, _, glob = text.partition('=')
        if not name or not glob or name in domains:
            raise UserError(f'--domain {text!r} is not understood; give NAME=GLOB, each name once')
        domains[name] = glob
    if domains and args.corruption:
        raise UserError('--domain is of images as they are; with --corruption, choose by --match')
    return domains


def _sliding(args: argparse.Namespace) -> Pipeline:
    from depthforge_ros.engine.torch_engine import load
    from depthforge_ros.evaluation.sliding import sliding_engine
    from depthforge_ros.pipeline import Pipeline

    if args.engine not in ('auto', 'eager'):
        raise UserError(f'--window runs with engine eager only, not {args.engine!r}')
    loaded = load(args.model, device=args.device).sized(args.short_side)
    loaded.label_space.require_8_bit()
    return Pipeline(sliding_engine(loaded, window=args.window, batch=args.batch))
