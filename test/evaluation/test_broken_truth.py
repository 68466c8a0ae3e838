# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`evaluate bag` where single labels, masks or depth images of bags are broken or do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.bags.bag import Bag, STORE
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from support.bags import COMPRESSED, HEIGHT, IMAGE, recording, scene, WIDTH, write_truth
from support.judging import CAMVID_TRUTH, judge, NULL
from support.refusals import ErrorOf

FRAMES = 3
IDS = np.random.default_rng(0).integers(0, 11, (HEIGHT, WIDTH), np.uint8)
PNG = cv2.imencode('.png', IDS)[1].tobytes()
BROKEN = {'cut': PNG[: len(PNG) // 2], 'empty': b'', 'no image': b'no image', 'zeros': bytes(900)}
"""Files of a CompressedImage that nobody can read."""


def png_message(data: bytes, form: str = 'png') -> dict[str, Any]:
    """Fill a CompressedImage."""
    return {'format': form, 'data': np.frombuffer(data, np.uint8)}


def raw_message(**fields: Any) -> dict[str, Any]:
    """Fill an Image of IDS, but for what `fields` say."""
    return {'height': HEIGHT, 'width': WIDTH, 'encoding': 'mono8', 'is_bigendian': 0,
            'step': WIDTH, 'data': IDS.reshape(-1), **fields}  # fmt: skip


def write_images(folder: Path) -> Path:
    with recording(folder) as bag:
        for frame in range(FRAMES):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
    return folder


def write_labels(folder: Path, second: dict[str, Any], others: dict[str, Any]) -> Path:
    """Write the truth, whose second labels are `second`."""
    kind, topic = (COMPRESSED, '/compressed') if 'format' in second else (IMAGE, '')
    with recording(folder) as bag:
        for frame in range(FRAMES):
            bag._write(f'/camera/labels{topic}', kind, frame, second if frame == 1 else others)
    return folder


def judged_with(folder: Path, truth: Path) -> dict[str, Any]:
    bag = write_images(folder / 'bag')
    return judge(folder, bag, '--truth', str(truth), *NULL, code=3)


@pytest.mark.parametrize('data', BROKEN.values(), ids=BROKEN)
def test_a_broken_compressed_label_is_named_and_left_out(tmp_path: Path, data: bytes) -> None:
    truth = write_labels(tmp_path / 'truth', png_message(data), png_message(PNG))
    figures = judged_with(tmp_path, truth)
    assert '/camera/labels/compressed at 1700000000100000000 ns: a compressed' in figures['damage']
    line = figures['cameras']['/camera/image']['time_line']['miou']
    assert [one is None for one in line] == [False, True, False]


@pytest.mark.parametrize('fields', [{'data': IDS.reshape(-1)[:-9]}, {'step': WIDTH - 1}])
def test_a_raw_label_of_too_few_bytes_is_named_and_left_out(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    truth = write_labels(tmp_path / 'truth', raw_message(**fields), raw_message())
    assert '/camera/labels at 1700000000100000000 ns' in judged_with(tmp_path, truth)['damage']


def test_a_label_message_of_broken_bytes_is_named_and_left_out(tmp_path: Path) -> None:
    whole = write_labels(tmp_path / 'whole', raw_message(), raw_message())
    truth = rewritten(whole, tmp_path / 'truth')
    figures = judged_with(tmp_path, truth)
    assert 'a message of /camera/labels at 1700000000100000000 ns cannot be' in figures['damage']


def rewritten(bag: Path, output: Path) -> Path:
    """Copy a bag, the second message without its last bytes."""
    with (
        Bag(bag) as read,
        Writer(output, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        ((topic, kind),) = read.topics.items()
        to = writer.add_connection(topic, kind, typestore=STORE)
        for index, one in enumerate(read.raw_messages(topic)):
            writer.write(to, one.received_ns, one.raw[:-99] if index == 1 else one.raw)
    return output


def test_several_broken_labels_are_counted(tmp_path: Path) -> None:
    truth = write_labels(tmp_path / 'truth', png_message(PNG), png_message(PNG[:99]))
    assert judged_with(tmp_path, truth)['damage'].startswith('2 images cannot be read, the first:')


def test_nothing_but_broken_labels_is_refused(tmp_path: Path, error_of: ErrorOf) -> None:
    bag = write_images(tmp_path / 'bag')
    truth = write_labels(tmp_path / 'truth', png_message(b''), png_message(PNG[:99]))
    line = error_of('evaluate', 'bag', bag, '--truth', truth, *NULL)
    assert 'nothing can be judged; 3 images cannot be read' in line


@pytest.mark.parametrize(
    ('message', 'reason'),
    [
        (raw_message(encoding='rgb8', width=WIDTH // 3), "encoding 'rgb8'; mono8 or 8UC1"),
        (raw_message(encoding='16UC1', width=WIDTH // 2), "encoding '16UC1'; mono8 or 8UC1"),
        (png_message(cv2.imencode('.jpg', IDS)[1].tobytes(), 'jpeg'), 'no 8-bit PNG'),
        (png_message(cv2.imencode('.png', scene(0))[1].tobytes()), '8-bit image of one channel'),
    ],
)
def test_labels_of_another_kind_are_refused_with_topic_and_stamp(
    tmp_path: Path, error_of: ErrorOf, message: dict[str, Any], reason: str
) -> None:
    bag, truth = write_images(tmp_path / 'bag'), write_labels(tmp_path / 'truth', message, message)
    line = error_of('evaluate', 'bag', bag, '--truth', truth, *NULL)
    assert reason in line
    assert '/camera/labels' in line
    assert 'at 1700000000000000000 ns: ' in line


@pytest.mark.parametrize('ending', ['mask', 'confidence'])
def test_a_broken_recorded_answer_is_named_and_left_out(tmp_path: Path, ending: str) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(FRAMES):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            write_truth(bag, frame)
            for name in ('mask', 'confidence'):
                data = PNG[:99] if (frame, name) == (1, ending) else PNG
                topic = f'/n/segmentation/{name}/compressed'
                bag._write(topic, COMPRESSED, frame, png_message(data))
    figures = judge(tmp_path, tmp_path / 'bag', *CAMVID_TRUTH, code=3)
    assert f'/n/segmentation/{ending}/compressed at 17000000001' in figures['damage']
    assert figures['published'] == (2 if ending == 'mask' else 3)


OTHERS = {'confidence': '/n/segmentation/confidence', 'entropy': '/n/segmentation/entropy',
          'depth': '/n/depth/relative'}  # fmt: skip


@pytest.mark.parametrize('other', OTHERS)
def test_an_answer_of_another_size_than_its_mask_is_left_out(tmp_path: Path, other: str) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(FRAMES):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            bag.image('/camera/labels', frame, IDS, 'mono8')
            bag.image('/n/segmentation/mask', frame, IDS, 'mono8')
            pixels = IDS[:-2] if frame == 1 else IDS
            if other == 'confidence':
                bag.image(OTHERS[other], frame, pixels, 'mono8')
            else:
                bag.image(OTHERS[other], frame, pixels.astype(np.float32) / 20, '32FC1')
    figures = judge(tmp_path, tmp_path / 'bag', *CAMVID_TRUTH, code=3)
    assert 'has 64 x 46 pixels, its mask 64 x 48' in figures['damage']
    assert figures['published'] == FRAMES


def test_masks_whose_size_changes_are_judged(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(2 * FRAMES):
            rows = HEIGHT if frame < FRAMES else HEIGHT // 2
            bag.image('/camera/image', frame, scene(frame)[:rows], 'rgb8')
            for topic in ('/camera/labels', '/n/segmentation/mask'):
                bag.image(topic, frame, IDS[:rows], 'mono8')
            depth = IDS[:rows].astype(np.float32) + 1
            bag.image('/n/depth/relative', frame, depth, '32FC1')
    assert judge(tmp_path, tmp_path / 'bag', *CAMVID_TRUTH)['published'] == 2 * FRAMES
