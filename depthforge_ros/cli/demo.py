# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge demo`: drives as rosbags through the real node over DDS, recorded and judged."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import time
from typing import Any, TYPE_CHECKING

from depthforge_ros.cli.common import (
    add_json_argument,
    DEFAULT_MODEL,
    ENGINE_HELP,
    write_json,
)
from depthforge_ros.errors import UserError

if TYPE_CHECKING:
    from depthforge_ros.bags.camera_file import DriveFile
    from depthforge_ros.labels import LabelSpace
    from depthforge_ros.reports.drive import Section
    from depthforge_ros.ros.tools.record import Recorder

HELP = 'replay drives through the node over DDS and leave a report, pictures and the recording'

SHARED_VARIABLE = 'DEPTHFORGE_SHARED'
IMAGE_TOPIC = '/camera/image'
INFO_TOPIC = '/camera/camera_info'
MASK_TOPIC = '/depthforge/segmentation/mask'
DEPTH_TOPIC = '/depthforge/depth/relative'
DIAGNOSTICS_TOPIC = '/diagnostics'
RECORDED = (IMAGE_TOPIC, INFO_TOPIC, MASK_TOPIC, DEPTH_TOPIC, DIAGNOSTICS_TOPIC)
KITTI_CAMERA = {'fx': 721.5377, 'fy': 721.5377, 'cx': 609.5593, 'cy': 172.854}
KITTI_RATE_HZ = 10.0
NODE_COUNTS = ('received', 'published', 'dropped')
NODE_LATENCY = ('latency_ms_p50', 'latency_ms_p99')
DOMAINS = (1, 101)
"""ROS_DOMAIN_IDs whose ports no system hands out otherwise."""
START_TIMEOUT_S = 180.0
SETTLE_TIMEOUT_S = 120.0
MOMENTS = 8
"""The contact sheet shows so many."""
PACES = (1.0, 0.25)
"""Real time first; slower where the machine answers too few frames for the contact sheet."""
QUIET_S = 5.0
"""The node is done with the drive when no mask has come for so long."""


@dataclass(frozen=True)
class Drive:
    """A folder of images with what is known of it."""

    name: str
    title: str
    images: Path
    file: DriveFile
    rate_hz: float
    labels: Path | None
    depth: Path | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--output', type=Path, default=Path('out/demo'), metavar='DIR',
                        help='an earlier demo in it is replaced')  # fmt: skip
    parser.add_argument('--shared', type=Path, metavar='DIR',
                        default=os.environ.get(SHARED_VARIABLE),
                        help='folder with data/kitti_drive, which is shown too if it is there; '
                        f'by default ${SHARED_VARIABLE}')  # fmt: skip
    parser.add_argument('--model', default=DEFAULT_MODEL, help='name or checkpoint')
    parser.add_argument('--engine', default='auto', help=ENGINE_HELP)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Show every drive that is there."""
    from depthforge_ros.engine import load_engine
    from depthforge_ros.reports.drive import write_contact_sheet, write_report

    drives = [_bundled_drive(), *_kitti_drive(args.shared)]
    # Also finds out early, and in this process, that the model does not load.
    space = load_engine(args.model, engine=args.engine).label_space
    _use_own_domain()
    sections = [
        run_drive(drive, args.output, model=args.model, engine=args.engine, space=space)
        for drive in drives
    ]
    write_contact_sheet(args.output / 'contact_sheet.png', sections)
    write_report(args.output / 'report.html', sections)
    figures = {
        drive.name: section.figures for drive, section in zip(drives, sections, strict=True)
    }
    write_json(args.output / 'figures.json', figures)
    write_json(args.json, figures)
    _print_summary(args.output, drives, sections)
    return 0


def run_drive(
    drive: Drive, output: Path, *, model: str, engine: str, space: LabelSpace
) -> Section:
    """Send one drive through the node and judge what was recorded."""
    from depthforge_ros.bags.make_bag import BagPlan, make_bag
    from depthforge_ros.bags.node_figures import node_figures
    from depthforge_ros.bags.storage_files import remove_bag
    from depthforge_ros.evaluation.bag_judge import BagRequest, judge_bag
    from depthforge_ros.reports.drive import Section

    print(f'\n{drive.title}', flush=True)
    folder = output / drive.name
    source, recording = folder / 'input_bag', folder / 'output_bag'
    for bag in (source, recording):
        remove_bag(bag)
    plan = BagPlan(
        images=drive.images,
        output=source,
        drive=drive.file,
        rate_hz=drive.rate_hz,
        labels=drive.labels,
        depth=drive.depth,
        topic=IMAGE_TOPIC,
    )
    sent = make_bag(plan)[IMAGE_TOPIC]
    for pace in PACES:
        remove_bag(recording)
        with _node(folder / 'node.log', model=model, engine=engine) as process:
            answered = _replay_and_record(source, recording, process, folder / 'node.log', pace)
        if answered >= MOMENTS:
            break
        print(
            f'at {pace:g} times real time only {answered} of {sent} frames were answered',
            flush=True,
        )
    judged_bag = judge_bag(BagRequest(bag=recording, truth=source, mask_space=space))
    (judgement,) = judged_bag.cameras.values()
    node = node_figures(recording)
    judged = judgement.figures()
    figures = {
        'pace': pace,
        'sent': sent,
        **judged,
        **_own_figures(node),
        'recorded': judged['published'],
    }
    figures['not_delivered'] = sent - figures['received']
    details = {f'node: {name}': value for name, value in node.items()}
    return Section(drive.title, judgement, figures, details)


def _replay_and_record(
    source: Path, recording: Path, process: subprocess.Popen[bytes], log: Path, pace: float
) -> int:
    """Return the number of masks that were recorded."""
    from depthforge_ros.ros.tools.record import Recorder
    from depthforge_ros.ros.tools.replay import replay

    with Recorder(recording, RECORDED) as recorder:
        _await_node(recorder, process, log)
        replay(
            source,
            rate=pace,
            topics=(IMAGE_TOPIC, INFO_TOPIC),
            wait_for={IMAGE_TOPIC: 2, INFO_TOPIC: 1},
            timeout_s=START_TIMEOUT_S,
        )
        _settle(recorder)
        return recorder.counts[MASK_TOPIC]


def _await_node(recorder: Recorder, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the node has its publishers, or has died of what its log says."""
    ready = recorder.wait_until(
        lambda one: process.poll() is not None or MASK_TOPIC not in one.missing, START_TIMEOUT_S
    )
    if process.poll() is not None or not ready:
        lines = log.read_text(encoding='utf-8', errors='replace').strip().splitlines()
        last = lines[-1] if lines else 'it said nothing'
        raise UserError(f'the node did not start: {last}; its log is {log}')


def _settle(recorder: Recorder) -> None:
    """Wait for the last masks, and for the diagnostics that count them."""
    last = (-1, time.monotonic())

    def quiet(one: Recorder) -> bool:
        nonlocal last
        if one.counts[MASK_TOPIC] != last[0]:
            last = (one.counts[MASK_TOPIC], time.monotonic())
        return last[0] > 0 and time.monotonic() - last[1] > QUIET_S

    recorder.wait_until(quiet, SETTLE_TIMEOUT_S)
    seen = recorder.counts[DIAGNOSTICS_TOPIC]
    recorder.wait_until(lambda one: one.counts[DIAGNOSTICS_TOPIC] > seen, SETTLE_TIMEOUT_S)


@contextmanager
def _node(log: Path, *, model: str, engine: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `depthforge node` as a process of its own; it is interrupted at the end."""
    from depthforge_ros.ros.topics.names import lossless_qos

    command = [sys.executable, '-m', 'depthforge_ros.cli.main', 'node', '--ros-args']
    command += ['-r', f'image:={IMAGE_TOPIC}', '-p', f'model:={model}', '-p', f'engine:={engine}']
    for name, value in lossless_qos(image_topic=IMAGE_TOPIC).items():
        command += ['-p', f'{name}:={value}']
    with log.open('wb') as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(SETTLE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _use_own_domain() -> None:
    """Keep this demo's DDS traffic to itself and to this machine."""
    os.environ['ROS_DOMAIN_ID'] = str(random.SystemRandom().randint(*DOMAINS))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


def _own_figures(node: dict[str, str]) -> dict[str, Any]:
    """Take the node's latency and its count of frames, without those that never reached it."""
    counts = {name: int(node[name]) for name in NODE_COUNTS if name in node}
    latency = {f'node_{name}': float(node[name]) for name in NODE_LATENCY if name in node}
    return {**counts, **latency}


def _bundled_drive() -> Drive:
    from depthforge_ros.bags.camera_file import read_drive_file
    from depthforge_ros.resources import share_directory

    folder = share_directory() / 'drive'
    file = read_drive_file(folder / 'camera.yaml')
    if file.rate_hz is None:
        raise UserError(f'{folder / "camera.yaml"} lacks the key rate_hz; install again')
    return Drive(
        name='bundled_drive',
        title='Bundled drive (rendered)',
        images=folder / 'images',
        file=file,
        rate_hz=file.rate_hz,
        labels=folder / 'labels',
        depth=folder / 'depth',
    )


def _kitti_drive(shared: Path | None) -> list[Drive]:
    from depthforge_ros.bags.camera_file import DriveFile
    from depthforge_ros.bags.image_files import list_images
    from depthforge_ros.frame import rgb_from_file
    from depthforge_ros.geometry.camera import Camera

    folder = Path(shared or '.') / 'data' / 'kitti_drive'
    if shared is None or not folder.is_dir():
        return []
    height, width, _ = rgb_from_file(list_images(folder / 'images')[0]).shape
    camera = Camera.pinhole(width=width, height=height, **KITTI_CAMERA)
    return [
        Drive(
            name='kitti_drive',
            title='KITTI drive (real, 2011_09_26)',
            images=folder / 'images',
            file=DriveFile(camera, rate_hz=KITTI_RATE_HZ),
            rate_hz=KITTI_RATE_HZ,
            labels=None,
            depth=folder / 'depth',
        )
    ]


def _print_summary(output: Path, drives: list[Drive], sections: list[Section]) -> None:
    for drive, section in zip(drives, sections, strict=True):
        print(f'\n{drive.title}')
        for name, value in section.figures.items():
            if not isinstance(value, (dict, list)):
                print(f'  {name:<16} {_shown(value)}')
    print(f'\ncontact sheet: {output / "contact_sheet.png"}')
    print(f'report:        {output / "report.html"}')
    for drive in drives:
        print(f'recording:     {output / drive.name / "output_bag"}')


def _shown(value: Any) -> str:
    return '-' if value is None else f'{value:g}' if isinstance(value, float) else str(value)
