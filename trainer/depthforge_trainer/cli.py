# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The command `depthforge-train`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.errors import UserError

if TYPE_CHECKING:
    from depthforge_ros.engine.torch_engine import Loaded

PROCESSES = (1, 8)
"""That `estimate` tells the hours of."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; wrong input prints one line and returns 2."""
    parser = argparse.ArgumentParser(prog='depthforge-train', description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    for name, text in (
        ('fit', 'train tokens, decoder and heads on labelled images'),
        ('study', 'compare variants of a training over seeds on domains it never saw'),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument('config', type=Path, help='YAML file; see trainer/configs')
        if name == 'study':
            command.add_argument(
                '--seeds', type=int, nargs='+', default=[],
                help='only these: processes may share a study, each with seeds of its own',
            )  # fmt: skip
            command.add_argument('--variants', nargs='+', default=[], help='only these')
        if name == 'fit':
            command.add_argument(
                '--resume', action='store_true', help='go on with the run that was stopped'
            )
    text = 'count the images, labels and class shares of a data set, and say what is wrong'
    command = commands.add_parser('check', help=text, description=text)
    command.add_argument('dataset', help='name, e.g. cityscapes; a wrong one lists all')
    command.add_argument('--root', type=Path, required=True, help='folder of the data set')
    command.add_argument('--split', default='', help='e.g. train, or night/val of acdc')
    command.add_argument(
        '--with-model', metavar='MODEL',
        help='also rank the labels that this model contradicts, the surest contradiction first',
    )  # fmt: skip
    command.add_argument('--json', type=Path, metavar='FILE', help='write the ranking there')
    text = 'memory and hours of a run, from counted operations and steps measured small'
    command = commands.add_parser('estimate', help=text, description=text)
    command.add_argument('config', type=Path, nargs='+', help='YAML files of fit')
    command.add_argument(
        '--matrix-tflops', type=float, required=True,
        help='matrix rate of the device in the precision of the run, TFLOP/s as you measured it',
    )  # fmt: skip
    command.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')
    args = parser.parse_args(argv)
    keep_freed_memory()
    try:
        if args.command == 'estimate':
            return _estimate(args)
        if args.command == 'check':
            return _check(args)
        print(_run(args))
    except UserError as error:
        print(f'depthforge-train: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _check(args: argparse.Namespace) -> int:
    from depthforge_ros.cli.common import print_odd_names
    from depthforge_trainer.check import check

    print_odd_names()
    if args.json and not args.with_model:
        raise UserError('--json takes the ranking of --with-model; name a model')
    # Before every file is read, which takes its time.
    loaded = _load(args.with_model) if args.with_model else None
    findings = check(args.dataset, args.root, args.split)
    print('\n'.join(findings.lines()))
    if findings.faults:
        if loaded:
            print('no ranking: mend these files first', file=sys.stderr)
        return 2
    if loaded:
        _rank_labels(args, loaded)
    return 0


def _load(model: str) -> Loaded:
    from depthforge_ros.engine.torch_engine import load

    return load(model, device='auto')


def _rank_labels(args: argparse.Namespace, loaded: Loaded) -> None:
    from depthforge_ros.cli.common import write_json
    from depthforge_trainer.data import Source
    from depthforge_trainer.label_errors import rank_labels

    source = Source(kind=args.dataset, root=str(args.root), split=args.split)
    ranking = rank_labels(source, loaded)
    print('\n'.join(ranking.lines()))
    write_json(args.json, ranking.to_json())


def _estimate(args: argparse.Namespace) -> int:
    from depthforge_ros.cli.common import write_json
    from depthforge_trainer.config import FitConfig, read_config
    from depthforge_trainer.estimate import estimate, lines

    figures = {}
    for path in args.config:
        config = read_config(path, FitConfig)
        one = estimate(config, matrix_tflops=args.matrix_tflops, processes=PROCESSES)
        figures[path.stem] = one
        print('\n'.join((str(path), *lines(one))))
    write_json(args.json, figures)
    return 0


def _run(args: argparse.Namespace) -> Path:
    # Imported late: --help needs neither torch nor the data.
    from depthforge_trainer.config import FitConfig, read_config

    if args.command == 'fit':
        from depthforge_trainer.train import fit

        return fit(read_config(args.config, FitConfig), resume=args.resume)
    from depthforge_trainer.study import study, StudyConfig

    config = read_config(args.config, StudyConfig)
    return study(config, seeds=args.seeds, variants=args.variants)


if __name__ == '__main__':
    sys.exit(main())
