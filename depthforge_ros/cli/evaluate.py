# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge evaluate images`, `evaluate suite` and `evaluate bag`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
import shlex
from typing import Any, TYPE_CHECKING

from depthforge_ros.cli.common import (
    add_engine_arguments,
    add_json_argument,
    add_white_level,
    DEFAULT_MODEL,
    EXIT_INCOMPLETE,
    report,
    warn,
    write_json,
)
from depthforge_ros.cli.evaluate_images import run_images
from depthforge_ros.cli.judging import (
    exit_code,
    label_space,
    open_pipeline,
    print_classes,
    read_tags,
)
from depthforge_ros.errors import UserError
from depthforge_ros.labels import LABEL_SPACES

if TYPE_CHECKING:
    from depthforge_ros.evaluation.judgement import BagJudgement, Judgement
    from depthforge_ros.reports.drive import Section

PRINTED_FIRST = ('per_class', 'miou', 'pixel_accuracy')
OPTIONAL = ('damage', 'unmatched_tags')
"""Not printed where there is nothing to say."""
SHARED_WITH_VIEW = {
    'camera_height_m': None,
    'engine': 'auto',
    'device': 'auto',
    'short_side': None,
    'white_level': 65535,
}
"""Options that say how frames are read and answered, with their defaults."""

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
    parser.add_argument(
        '--dataset', required=True, help='camvid, cityscapes512, bdd10k, folder or another'
    )
    parser.add_argument('--root', type=Path, required=True, help='folder of the dataset')
    parser.add_argument('--split', help='of a dataset that has them: train, val or test')
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
    _add_slices(parser, 'file names')
    _add_target(parser)
    add_engine_arguments(parser)
    add_white_level(parser)
    add_json_argument(parser)
    parser.set_defaults(evaluate=run_images)


def _add_suite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('suite', help='its name, see `depthforge suites`')
    parser.add_argument('--root', type=Path, required=True,
                        help='folder in which the data set was unpacked')  # fmt: skip
    parser.add_argument('--split', help='by default the last one of the suite')
    parser.add_argument('--limit', type=int, metavar='N', help='take the first N sequences')
    _add_slices(parser, 'GROUP/FILE')
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
    parser.add_argument('--camera-height-m', type=float, metavar='M',
                        help='camera above the road: gives the slices by distance from our own '
                        'depth where the bag has none; needs camera_info')  # fmt: skip
    _add_slices(parser, 'BAG/STAMP_NS')
    _add_target(parser)
    add_engine_arguments(parser, default_model=None)
    add_white_level(parser)


def _add_slices(parser: argparse.ArgumentParser, names: str) -> None:
    parser.add_argument('--slices', type=Path, metavar='TAGS.csv',
                        help='tags, each of which is a slice: lines FRAMES,TAG below the head '
                        f'frames,tag, where FRAMES is a pattern of {names}')  # fmt: skip


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--label-space', choices=LABEL_SPACES,
                        help="classes to judge in, by default the coarser of the truth's and "
                        "the model's; camvid maps Cityscapes' 19 and CamVid's 32 to its 11"
                        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Judge and print the figures."""
    code: int = args.evaluate(args)
    return code


def _run_suite(args: argparse.Namespace) -> int:
    from depthforge_ros.evaluation.suite_judge import judge_suite
    from depthforge_ros.evaluation.suites import check_suite, find_suite, open_suite
    from depthforge_ros.evaluation.tags import tags_without_frames
    from depthforge_ros.metrics.slice_table import slices_lacking

    suite = find_suite(args.suite)
    if args.limit is not None and args.limit < 1:
        raise UserError(f'limit is {args.limit}; it must be at least 1 sequence')
    split = args.split or suite.default_split
    sequences = open_suite(suite, args.root, split)[: args.limit]
    warn(check_suite(suite, args.root, split).faults)
    pipeline = open_pipeline(args, args.model)
    tags, target = read_tags(args), label_space(args.label_space)
    figures = judge_suite(suite, sequences, pipeline, target=target, tags=tags, skip=report)
    print_figures(figures)
    warn([*tags_without_frames(tags.unmatched if tags else []), *slices_lacking(figures)])
    for name, one in figures['groups'].items():
        print(f'{name:<20} mIoU {one["miou"]}, tc {one["tc"]}, images {one["received"]}')
    write_json(args.json, figures)
    return exit_code(figures)


def _run_bag(args: argparse.Namespace) -> int:
    from depthforge_ros.evaluation.bag_judge import BagRequest, has_masks, judge_bag
    from depthforge_ros.metrics.slice_table import slices_lacking
    from depthforge_ros.reports.drive import report_format, write_report

    for path in args.report:
        report_format(path)
    model = args.model or (None if has_masks(args.bag) else DEFAULT_MODEL)
    request = BagRequest(
        bag=args.bag,
        truth=args.truth or args.bag,
        mask_space=label_space(args.mask_labels),
        truth_space=label_space(args.truth_labels),
        target=label_space(args.label_space),
        topics=tuple(args.topics),
        tags=read_tags(args),
        camera_height_m=args.camera_height_m,
        keeps_evidence=bool(args.report),
    )
    judgement = judge_bag(request, open_pipeline(args, model) if model else None)
    figures = judgement.figures()
    print_figures(figures)
    other = judge_bag(request, open_pipeline(args, args.against)) if args.against else None
    if other:
        print(f'\nagainst {args.against}')
        figures['against'] = other.figures()
        print_figures(figures['against'])
    for path in args.report:
        write_report(path, _sections(args, model, judgement, other))
        print(f'report: {path}')
    write_json(args.json, figures)
    warn([*judgement.warnings, *slices_lacking(figures)])
    if judgement.damage:
        warn([f'{judgement.damage}; judged as far as it goes'])
        return EXIT_INCOMPLETE
    return 0


def _command(args: argparse.Namespace, one: Judgement, model: str | None) -> str:
    """Write what opens one frame in a viewer, with the options of ours that `view` has too."""
    words = ['depthforge', 'view', str(args.bag), '--topic', one.topic]
    words += ['--model', model] if model else ['--mask-labels', one.mask_space.name]
    for name, default in SHARED_WITH_VIEW.items():
        if getattr(args, name) != default:
            words += [f'--{name.replace("_", "-")}', str(getattr(args, name))]
    return shlex.join(words) + ' --at {name} --output {name}.mcap'


def _sections(
    args: argparse.Namespace, model: str | None, judged: BagJudgement, other: BagJudgement | None
) -> list[Section]:
    """Return a section of the report for each camera."""
    from depthforge_ros.reports.drive import OtherJudgement, Section

    names = (model or 'as recorded', args.against or '')
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
                command=_command(args, one, model),
            )
        )
    return sections


def print_figures(figures: Mapping[str, Any]) -> None:
    """Print classes and all single figures, then the names of those that have no data."""
    from depthforge_ros.metrics.accumulators import PERCENT

    print_classes(figures)
    single = {
        name: value
        for name, value in figures.items()
        if name not in PRINTED_FIRST and not isinstance(value, (dict, list))
    }
    for name, value in single.items():
        if value is not None:
            print(f'{name:<24} {value!s:>16}{" %" if name in PERCENT else ""}')
    for topic, one in figures.get('cameras', {}).items():
        if len(figures['cameras']) > 1:
            print(f'{topic:<24} mIoU {one["miou"]}, tc {one["tc"]}, absrel {one["absrel"]}')
    for reason, count in figures['dropped_by_reason'].items():
        print(f'{f"dropped, {reason}":<24} {count:>16}')
    without = [name for name, value in single.items() if value is None and name not in OPTIONAL]
    if without:
        print(f'no data for {", ".join(without)}')
