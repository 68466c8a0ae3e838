# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge mine`."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from depthforge_ros.cli.common import (
    add_source_arguments,
    exit_code,
    open_engine,
    report,
    write_json,
)
from depthforge_ros.errors import UserError

HELP = 'pick the frames worth labelling, with masks to correct in CVAT or Label Studio'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_source_arguments(
        parser,
        output='a new or empty folder: gets images, masks, manifest.csv and what annotation tools '
        'import',
    )
    parser.add_argument('--budget', type=int, required=True, metavar='N', help='frames to pick')
    parser.add_argument(
        '--second-model',
        metavar='MODEL',
        help='frames on which it disagrees with --model count as worth labelling',
    )


def run(args: argparse.Namespace) -> int:
    """Look at every frame, pick some and write them."""
    from depthforge_ros.evaluation.sources import damage_of, open_source
    from depthforge_ros.mining.selection import select, SIGNALS, Surveyor
    from depthforge_ros.mining.writing import check_output, write_mined
    from depthforge_ros.pipeline import Pipeline

    check_output(args.output)
    with ExitStack() as copies:
        sources = [open_source(path, copies, args.topic) for path in args.inputs]
        counts = [source.count for source in sources]
        _check_budget(args.budget, sum(counts) if all(counts) else None)
        pipeline = Pipeline(open_engine(args, args.model))
        second = Pipeline(open_engine(args, args.second_model)) if args.second_model else None
        survey = Surveyor(pipeline, second)(sources, report)
        damage = damage_of(sources)
        _check_budget(args.budget, len(survey.frames))
        signals = survey.signals()
        chosen = select(survey.frames, signals, args.budget)
        write_mined(args.output, pipeline, sources, chosen)
    means = {
        name: {
            'all': _mean(signals[:, place]),
            'chosen': _mean([x.signals[place] for x in chosen]),
        }
        for place, name in enumerate(SIGNALS)
    }
    print(f'{len(chosen)} of {len(survey.frames)} frames; mean of the chosen and of all:')
    for name, mean in means.items():
        print(f'{name:<14} {_text(mean["chosen"])} {_text(mean["all"])}')
    print(f'results: {args.output}')
    write_json(
        args.json,
        {
            'frames': len(survey.frames),
            'skipped': survey.skipped,
            'damage': damage,
            'chosen': [one.name for one in chosen],
            'signals': means,
        },
    )
    return exit_code(skipped=survey.skipped, damage=damage)


def _check_budget(budget: int, frames: int | None) -> None:
    if budget < 1:
        raise UserError(f'--budget is {budget}; it must be 1 or more')
    if frames is not None and budget > frames:
        raise UserError(
            f'--budget is {budget}, but the input has {frames} readable frames; lower it'
        )


def _mean(values: object) -> float | None:
    """Return the mean of what is known, with four decimals."""
    import numpy as np

    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return round(float(known.mean()), 4) if len(known) else None


def _text(mean: float | None) -> str:
    return '-' if mean is None else f'{mean:.4f}'
