# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge evaluate images`, `evaluate suite` and `evaluate bag`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TYPE_CHECKING

from depthforge_ros.cli.common import (
    add_engine_arguments,
    add_json_argument,
    add_white_level,
    DEFAULT_MODEL,
    EXIT_INCOMPLETE,
    open_engine,
    report,
    warn,
    write_json,
)
from depthforge_ros.errors import UserError
from depthforge_ros.labels import LABEL_SPACES, LabelSpace

if TYPE_CHECKING:
    from depthforge_ros.evaluation.judgement import BagJudgement
    from depthforge_ros.pipeline import Pipeline
    from depthforge_ros.reports.drive import Section

PRINTED_FIRST = ('per_class', 'miou', 'pixel_accuracy')
HELP = 'judge a model on labelled images, or the answers in a bag against its ground truth'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    what = parser.add_subparsers(dest='what', required=True, metavar='images|suite|bag')
    _add_images(what.add_parser(
        'images', help='labelled images -> mIoU', description='Figures are in percent.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter))  # fmt: skip
    _add_suite(what.add_parser(
        'suite', help='a video benchmark -> mIoU and temporal consistency',
        description='The files of a benchmark, see `depthforge suites`, sequence by sequence. '
        'Figures are those of `evaluate bag`, of all frames and of each group, such as a city, a '
        'drive or a corruption; `depthforge compare` reads what --json writes.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter))  # fmt: skip
    _add_bag(what.add_parser(
        'bag', help='a bag -> mIoU, depth error, temporal consistency, latency, drops',
        description='Without --model the masks recorded in the bag are judged, or the bundled '
        'model where there are none. mIoU, boundary F, mVC, TC and flicker are in percent, AbsRel '
        'is a ratio, latency in ms; the keys of --json are those of the printed figures, with '
        'cameras, clips and time lines. A bag that is cut short is judged as far as it goes: the '
        f'key complete is false then, and the exit code is {EXIT_INCOMPLETE}.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter))  # fmt: skip


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--dataset', required=True, help='camvid, kitti_semantic or folder')
    parser.add_argument('--root', type=Path, required=True, help='folder of the dataset')
    parser.add_argument('--split', help='of camvid: train, val or test')
    parser.add_argument('--labels', choices=LABEL_SPACES, help='classes of a plain folder')
    parser.add_argument('--match', default='*', metavar='GLOB', help='take files named so')
    parser.add_argument('--limit', type=int, metavar='N', help='take the first N images')
    parser.add_argument('--corruption', metavar='NAME',
                        help='corrupt the images: gaussian_noise, fog, motion_blur or another of '
                        'the 19 common corruptions, or all, for a table of all')  # fmt: skip
    parser.add_argument('--severity', type=int, metavar='1..5',
                        help='of the corruption, by default each')  # fmt: skip
    parser.add_argument('--report', type=Path, metavar='FILE.html',
                        help='write a page: IoU per class, confusion, calibration')  # fmt: skip
    parser.add_argument('--domain', action='append', default=[], metavar='NAME=GLOB',
                        help='figures of the files named so too, as a row of a table; may be '
                        'repeated')  # fmt: skip
    parser.add_argument('--window', type=int, metavar='PIXELS',
                        help='answer by the mean over square windows of the network input, which '
                        'overlap by a third, instead of by the whole image')  # fmt: skip
    parser.add_argument('--batch', type=int, default=4, metavar='N', help='windows at once')
    _add_target(parser)
    add_engine_arguments(parser)
    add_white_level(parser)
    add_json_argument(parser)
    parser.set_defaults(evaluate=_run_images)


def _add_suite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('suite', help='its name, see `depthforge suites`')
    parser.add_argument('--root', type=Path, required=True,
                        help='folder in which the data set was unpacked')  # fmt: skip
    parser.add_argument('--split', help='by default the last one of the suite')
    parser.add_argument('--limit', type=int, metavar='N', help='take the first N sequences')
    _add_target(parser)
    add_engine_arguments(parser)
    add_white_level(parser)
    add_json_argument(parser)
    parser.set_defaults(evaluate=_run_suite)


def _add_bag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', type=Path, help='rosbag2 folder; mcap, db3 or rosbag1 file')
    add_bag_arguments(parser)
    parser.add_argument('--truth', type=Path, metavar='BAG|DIR',
                        help='bag with the labels and depth, if it is another one, or a folder '
                        'with labels/ and depth/ of images named by stamps in nanoseconds'
                        )  # fmt: skip
    parser.add_argument('--against', metavar='MODEL',
                        help='judge this model too, on the same frames; the report shows both '
                        'side by side, --json has its figures under the key against')  # fmt: skip
    parser.add_argument('--report', action='append', default=[], type=Path, metavar='FILE',
                        help='write a page with plots and pictures (.html), or its figures as '
                        'Markdown (.md); may be repeated')  # fmt: skip
    add_json_argument(parser)
    parser.set_defaults(evaluate=_run_bag)


def add_bag_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is judged of a bag, and by what."""
    parser.add_argument('--topic', action='append', default=[], dest='topics',
                        help='camera topic, may be repeated; by default all')  # fmt: skip
    parser.add_argument('--mask-labels', choices=LABEL_SPACES,
                        help='classes of recorded masks, by default those of the ground truth'
                        )  # fmt: skip
    parser.add_argument('--truth-labels', choices=LABEL_SPACES,
                        help='classes of the labels, if their bag does not say them'
                        )  # fmt: skip
    _add_target(parser)
    add_engine_arguments(parser, default_model=None)
    add_white_level(parser)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--label-space', choices=LABEL_SPACES,
                        help="classes to judge in, by default the coarser of the truth's and "
                        "the model's; camvid maps Cityscapes' 19 and CamVid's 32 to its 11"
                        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Judge and print the figures."""
    code: int = args.evaluate(args)
    return code


def _run_images(args: argparse.Namespace) -> int:
    from depthforge_ros.evaluation.corruptions import corruptions
    from depthforge_ros.evaluation.datasets import DatasetChoice, open_dataset
    from depthforge_ros.evaluation.images import (
        domain_rows,
        evaluate_corruptions,
        evaluate_images,
    )
    from depthforge_ros.reports.images import write_images_report

    choice = DatasetChoice(
        root=args.root, split=args.split, labels=args.labels, match=args.match, limit=args.limit
    )
    dataset = open_dataset(args.dataset, choice)
    if args.severity is not None and args.corruption is None:
        raise UserError(f'severity {args.severity} came without --corruption; say which')
    if args.report and args.corruption:
        raise UserError('--report shows images as they are; leave --corruption out')
    domains = _domains(args)
    changes = corruptions(args.corruption, args.severity) if args.corruption else ()
    pipeline = _pipeline(args, args.model) if args.window is None else _sliding(args)
    target = _space(args.label_space)
    if changes:
        print('corruption, severity, mIoU, ECE')
        figures = evaluate_corruptions(
            pipeline, dataset, changes, target=target, report=print, skip=report
        )
        print(f'{"mean":<20} {figures["miou"]:7.2f} {figures["ece"]:7.2f}')
    else:
        figures = evaluate_images(pipeline, dataset, target=target, domains=domains, skip=report)
        _print_classes(figures)
        print(f'{"ECE":<16} {_shown(figures["ece"])}')
        for line in domain_rows(figures):
            print(f'{line[0]:<16} ' + ' '.join(f'{cell:>14}' for cell in line[1:]))
    print(f'{"images":<16} {figures["images"]:7d}')
    if args.report:
        write_images_report(args.report, figures, title=f'{args.model} on {args.dataset}')
    write_json(args.json, figures)
    return _warned(figures)


def _warned(figures: Mapping[str, Any]) -> int:
    """Tell the warnings; returns the exit code."""
    warn(figures['warnings'])
    if not figures['skipped']:
        return 0
    warn([f'{figures["images"]} of {figures["images"] + figures["skipped"]} images judged'])
    return EXIT_INCOMPLETE


def _domains(args: argparse.Namespace) -> dict[str, str]:
    """Return globs of file names by the domains' names."""
    domains = {}
    for text in args.domain:
        name, _, glob = text.partition('=')
        if not name or not glob or name in domains:
            raise UserError(f'--domain {text!r} came; give NAME=GLOB, each name once')
        domains[name] = glob
    if domains and args.corruption:
        raise UserError('--domain is of images as they are; with --corruption, choose by --match')
    return domains


def _sliding(args: argparse.Namespace) -> Pipeline:
    from depthforge_ros.engine.torch_engine import load
    from depthforge_ros.evaluation.sliding import sliding_engine
    from depthforge_ros.pipeline import Pipeline

    if args.engine not in ('auto', 'eager'):
        raise UserError(f'--window came with engine {args.engine!r}; windows run with eager only')
    loaded = load(args.model, device=args.device).sized(args.short_side)
    loaded.label_space.require_8_bit()
    return Pipeline(sliding_engine(loaded, window=args.window, batch=args.batch))


def _run_suite(args: argparse.Namespace) -> int:
    from depthforge_ros.evaluation.suite_judge import judge_suite
    from depthforge_ros.evaluation.suites import check_suite, find_suite, open_suite

    suite = find_suite(args.suite)
    if args.limit is not None and args.limit < 1:
        raise UserError(f'limit {args.limit} came, at least 1 sequence is needed')
    split = args.split or suite.default_split
    sequences = open_suite(suite, args.root, split)[: args.limit]
    warn(check_suite(suite, args.root, split).faults)
    pipeline = _pipeline(args, args.model)
    figures = judge_suite(suite, sequences, pipeline, target=_space(args.label_space), skip=report)
    print_figures(figures)
    for name, one in figures['groups'].items():
        print(f'{name:<20} mIoU {one["miou"]}, tc {one["tc"]}, images {one["received"]}')
    write_json(args.json, figures)
    return _warned(figures)


def _run_bag(args: argparse.Namespace) -> int:
    from depthforge_ros.evaluation.bag_judge import BagRequest, has_masks, judge_bag
    from depthforge_ros.reports.drive import report_format, write_report

    for path in args.report:
        report_format(path)
    model = args.model or (None if has_masks(args.bag) else DEFAULT_MODEL)
    request = BagRequest(
        bag=args.bag,
        truth=args.truth or args.bag,
        mask_space=_space(args.mask_labels),
        truth_space=_space(args.truth_labels),
        target=_space(args.label_space),
        topics=tuple(args.topics),
    )
    judgement = judge_bag(request, _pipeline(args, model) if model else None)
    figures = judgement.figures()
    print_figures(figures)
    other = judge_bag(request, _pipeline(args, args.against)) if args.against else None
    if other:
        print(f'\nagainst {args.against}')
        figures['against'] = other.figures()
        print_figures(figures['against'])
    for path in args.report:
        names = (model or 'as recorded', args.against)
        write_report(path, _sections(judgement, other, names))
        print(f'report: {path}')
    write_json(args.json, figures)
    warn(judgement.warnings)
    if judgement.damage:
        warn([f'{judgement.damage}; judged as far as it goes'])
        return EXIT_INCOMPLETE
    return 0


def _sections(
    judged: BagJudgement, other: BagJudgement | None, names: tuple[str, str]
) -> list[Section]:
    """Return a section of the report for each camera."""
    from depthforge_ros.reports.drive import OtherJudgement, Section

    sections = []
    for topic, one in judged.cameras.items():
        second = other.cameras[topic] if other else None
        sections.append(
            Section(
                f'{judged.bag} {topic}' if len(judged.cameras) > 1 else judged.bag,
                one,
                one.figures(),
                details=judged.identity,
                other=OtherJudgement(second, second.figures(), names) if second else None,
                damage=judged.damage,
            )
        )
    return sections


def _pipeline(args: argparse.Namespace, model: str) -> Pipeline:
    from depthforge_ros.pipeline import Pipeline

    engine = open_engine(args, model)
    engine.label_space.require_8_bit()
    return Pipeline(engine)


def _space(name: str | None) -> LabelSpace | None:
    return LABEL_SPACES[name] if name else None


def print_figures(figures: Mapping[str, Any]) -> None:
    """Print classes and all single figures, `-` for what was not to be had."""
    _print_classes(figures)
    for name, value in figures.items():
        if name not in PRINTED_FIRST and not isinstance(value, (dict, list)):
            print(f'{name:<20} {"-" if value is None else str(value):>12}')
    for topic, one in figures.get('cameras', {}).items():
        if len(figures['cameras']) > 1:
            print(f'{topic:<20} mIoU {one["miou"]}, tc {one["tc"]}, absrel {one["absrel"]}')
    print(f'{"dropped by reason":<20} {figures["dropped_by_reason"] or "-"}')


def _print_classes(figures: Mapping[str, Any]) -> None:
    """Print a table of percent, `-` for a class that did not occur."""
    rows = {**(figures['per_class'] or {}), 'mIoU': figures['miou'],
            'pixel accuracy': figures['pixel_accuracy']}  # fmt: skip
    for name, value in rows.items():
        print(f'{name:<16} {_shown(value)}')


def _shown(percent: float | None) -> str:
    return '      -' if percent is None else f'{percent:7.2f}'
