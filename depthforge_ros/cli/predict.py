# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge predict`."""

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

HELP = 'predict masks, depth and overlays of images, folders, videos or bags'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_source_arguments(
        parser,
        output='gets masks/*.png (train ids), depth/*.png (16 bits: a value times its depth_scale '
        'in figures.json is relative inverse depth), overlays/*.jpg and figures.json',
    )


def run(args: argparse.Namespace) -> int:
    """Predict every frame; broken ones are named and skipped."""
    from depthforge_ros.evaluation.prediction import check_output, predict
    from depthforge_ros.evaluation.sources import open_source
    from depthforge_ros.pipeline import Pipeline

    with ExitStack() as copies:
        sources = [open_source(path, copies, args.topic) for path in args.inputs]
        check_output(args.output, args.inputs)
        engine = open_engine(args, args.model)
        predicted = predict(Pipeline(engine), sources, args.output, report=report)
    figures = predicted.figures()
    print(
        f'{figures["frames"]} frames, {figures["skipped"]} skipped, '
        f'latency p50 {figures["latency_ms_p50"]:.1f} ms, p99 {figures["latency_ms_p99"]:.1f} ms'
    )
    print(f'results: {args.output}')
    write_json(args.json, figures)
    return exit_code(skipped=predicted.skipped, damage=predicted.damage)
