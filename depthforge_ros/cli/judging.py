# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the subcommands of `depthforge evaluate` share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, TYPE_CHECKING

from depthforge_ros.cli.common import EXIT_INCOMPLETE, open_engine, warn
from depthforge_ros.labels import LABEL_SPACES, LabelSpace

if TYPE_CHECKING:
    from depthforge_ros.evaluation.tags import Tags
    from depthforge_ros.pipeline import Pipeline


def open_pipeline(args: argparse.Namespace, model: str) -> Pipeline:
    """Load a model whose classes ground truth has ids for."""
    from depthforge_ros.engine.torch_engine import answer_in
    from depthforge_ros.pipeline import Pipeline

    engine = open_engine(args, model)
    engine.label_space.require_8_bit()
    target = label_space(args.label_space)
    return Pipeline(answer_in(engine, target) if target else engine)


def label_space(name: str | None) -> LabelSpace | None:
    """Find the classes that an option names, if it names any."""
    return LABEL_SPACES[name] if name else None


def read_tags(args: argparse.Namespace) -> Tags | None:
    """Read the table of `--slices`, if there is one."""
    from depthforge_ros.evaluation.tags import Tags

    return Tags.read(args.slices) if args.slices else None


def print_classes(figures: Mapping[str, Any]) -> None:
    """Print a table of percent, `-` for a class that did not occur."""
    rows = {**(figures['per_class'] or {}), 'mIoU': figures['miou'],
            'pixel accuracy': figures['pixel_accuracy']}  # fmt: skip
    for name, value in rows.items():
        print(percent_line(name, value))


def percent_line(name: str, percent: float | None) -> str:
    """Write a figure in percent beside its name."""
    return f'{name:<24} {shown(percent):>16}{"" if percent is None else " %"}'


def shown(percent: float | None) -> str:
    """Write a figure in seven columns, `-` for one that is not known."""
    return '      -' if percent is None else f'{percent:7.2f}'


def exit_code(figures: Mapping[str, Any]) -> int:
    """Print the warnings; returns the exit code of images of which some may be skipped."""
    warn(figures['warnings'])
    if not figures['skipped']:
        return 0
    warn([f'{figures["images"]} of {figures["images"] + figures["skipped"]} images judged'])
    return EXIT_INCOMPLETE
