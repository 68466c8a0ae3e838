# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
from depthforge_ros.bags.bag import Bag
from depthforge_ros.bags.single_channel import depth_from_message, labels_from_message
from depthforge_ros.bags.storage_files import remove_bag
from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file, rgb_from_message, stamp_ns
import numpy as np
import pytest
from support.commands import figures_of
from support.drives import CAMERA, HEIGHT, make_bag_arguments, WIDTH, write_drive
from support.refusals import ErrorOf, refused


def test_a_bag_holds_exactly_what_the_files_hold(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / 'drive')
    figures = figures_of(tmp_path, *make_bag_arguments(drive, tmp_path / 'bag'))
    assert figures['messages'] == 12
    with Bag(tmp_path / 'bag') as bag:
        assert bag.label_space is not None
        assert bag.label_space.name == 'camvid'
        assert bag.camera_topic() == '/camera/image'
        by_topic = {
            topic: [bag.decode(one) for one in bag.raw_messages(topic)] for topic in bag.topics
        }
    images = by_topic['/camera/image']
    first_ns = stamp_ns(images[0].header)
    assert [stamp_ns(one.header) - first_ns for one in images] == [0, 10**8, 2 * 10**8]
    for message, path in zip(images, sorted((drive / 'images').iterdir()), strict=True):
        assert message.header.frame_id == 'camera'
        np.testing.assert_array_equal(rgb_from_message(message), rgb_from_file(path))
    labels = labels_from_message(by_topic['/camera/labels'][0])
    assert (labels[:, : WIDTH // 2] == 3).all()
    assert (labels[:, WIDTH // 2 :] == 255).all()
    depth_m = depth_from_message(by_topic['/camera/depth'][0])
    assert np.isnan(depth_m[0]).all()
    np.testing.assert_array_equal(depth_m[1:, 0], 2.0 + np.arange(1, HEIGHT))
    info = by_topic['/camera/camera_info'][0]
    assert (info.width, info.height, info.k[0], info.p[2], info.p[5]) == (64, 48, 50.0, 32.0, 50.0)
    assert {stamp_ns(one[1].header) for one in by_topic.values()} == {stamp_ns(images[1].header)}


def test_inverse_depth_is_read_as_the_camera_file_says(tmp_path: Path) -> None:
    extra = 'label_space: camvid\ndepth_encoding: inverse\ndepth_scale: 5120.0\n'
    drive = write_drive(tmp_path / 'drive', 1, extra)
    assert main(make_bag_arguments(drive, tmp_path / 'bag')) == 0
    with Bag(tmp_path / 'bag') as bag:
        depth_m = depth_from_message(bag.decode(next(bag.raw_messages('/camera/depth'))))
    assert np.isposinf(depth_m[0]).all()
    assert depth_m[3, 0] == pytest.approx(5120.0 / (5 * 256))


def test_compressed_images_keep_their_bytes(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / 'drive', 1)
    assert main(make_bag_arguments(drive, tmp_path / 'bag', '--compressed')) == 0
    with Bag(tmp_path / 'bag') as bag:
        message = bag.decode(next(bag.raw_messages('/camera/image/compressed')))
        assert bag.camera_topic() == '/camera/image/compressed'
    assert bytes(message.data) == (drive / 'images' / '000.png').read_bytes()


@pytest.mark.parametrize('name', ['missing', 'folder', 'file.mcap', 'text.txt'])
def test_what_is_no_bag_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file.mcap').write_bytes(b'\x89MCAP0\r\n and nothing else')
    (tmp_path / 'text.txt').write_text('text')
    with refused(str(tmp_path / name)):
        Bag(tmp_path / name)


def test_a_damaged_message_is_one_error_and_the_next_is_read(tmp_path: Path) -> None:
    main(make_bag_arguments(write_drive(tmp_path / 'drive', 1), tmp_path / 'bag'))
    with Bag(tmp_path / 'bag') as bag:
        good = next(bag.raw_messages('/camera/image'))
        for length in (0, 3, 11, 60, 400):
            with pytest.raises(UserError) as caught:
                bag.decode(type(good)(good.received_ns, good.raw[:length], good.topic))
            assert caught.value.reason == 'bad_message'
        bag.decode(good)


@pytest.mark.parametrize('topic', ['image', '/image/', '/a b', '/1', '/a//b', '/', '/straße'])
def test_what_ros_takes_for_no_topic_is_refused(
    tmp_path: Path, error_of: ErrorOf, topic: str
) -> None:
    drive = write_drive(tmp_path / 'drive', 1)
    arguments = make_bag_arguments(drive, tmp_path / 'bag', '--topic', topic)
    assert 'an absolute name like' in error_of(*arguments)
    assert not (tmp_path / 'bag').exists()


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (('image_width: 64', 'image_width: 65'), 'the camera file says 65 x 48'),
        (('image_width: 64', 'image_width: 0'), 'at least 1 pixel'),
        (('image_width: 64', 'image_width: many'), 'other than numbers'),
        (('plumb_bob', 'magic'), "'magic' is not known"),
        (('data: [50, 0, 32,', 'data: [32,'), 'matrix k has 7 numbers, 9'),
        (('data: [50, 0', 'data: [0, 0'), 'focal lengths are 0.0'),
        (('data: [0, 0, 0, 0, 0]', 'data: [0, 0]'), '2 distortion coefficients'),
        (('distortion_model: plumb_bob\n', ''), "lacks the key 'distortion_model'"),
        (('image_width: 64', ': ['), 'cannot be read'),
        (('label_space: camvid', 'label_space: kitti'), "'kitti' is not known"),
        (('label_space: camvid', ''), 'names of their classes'),
        (('label_space: camvid', 'label_space: camvid\nrate_hz: -1'), 'rate_hz -1.0'),
        (('label_space: camvid', 'label_space: camvid\ndepth_encoding: log'), "'log'"),
    ],
)
def test_camera_files_are_checked(
    tmp_path: Path, error_of: ErrorOf, change: tuple[str, str], expected: str
) -> None:
    drive = write_drive(tmp_path / 'drive', 1)
    text = (CAMERA + 'label_space: camvid\n').replace(*change)
    (drive / 'camera.yaml').write_text(text)
    assert expected in error_of(*make_bag_arguments(drive, tmp_path / 'bag'))
    assert not (tmp_path / 'bag').exists()


def test_folders_without_images_or_with_other_names_are_one_line(
    tmp_path: Path, error_of: ErrorOf
) -> None:
    drive = write_drive(tmp_path / 'drive', 1)
    arguments = make_bag_arguments(drive, tmp_path / 'bag')
    (drive / 'labels' / '000.png').rename(drive / 'labels' / 'other.png')
    assert 'holds no file named like an image, e.g. 000.png' in error_of(*arguments)
    (drive / 'images' / '000.png').unlink()
    assert 'holds no images' in error_of(*arguments)


def test_an_existing_bag_is_kept(tmp_path: Path, error_of: ErrorOf) -> None:
    arguments = make_bag_arguments(write_drive(tmp_path / 'drive', 1), tmp_path / 'bag')
    assert main(arguments) == 0
    before = {path: path.read_bytes() for path in (tmp_path / 'bag').iterdir()}
    assert 'exists already' in error_of(*arguments)
    assert {path: path.read_bytes() for path in (tmp_path / 'bag').iterdir()} == before


def test_only_bags_are_removed(tmp_path: Path) -> None:
    main(make_bag_arguments(write_drive(tmp_path / 'drive', 1), tmp_path / 'bag'))
    (tmp_path / 'bag' / 'notes.txt').write_text('mine')
    with pytest.raises(UserError, match=r'notes\.txt'):
        remove_bag(tmp_path / 'bag')
    assert len(list((tmp_path / 'bag').iterdir())) == 3
    (tmp_path / 'bag' / 'notes.txt').unlink()
    remove_bag(tmp_path / 'bag')
    assert not (tmp_path / 'bag').exists()
    remove_bag(tmp_path / 'bag')


def test_a_failure_half_way_leaves_no_bag(tmp_path: Path, error_of: ErrorOf) -> None:
    drive = write_drive(tmp_path / 'drive', 3)
    cv2.imwrite(str(drive / 'images' / '002.png'), np.zeros((10, 10, 3), np.uint8))
    assert '10 x 10 pixels' in error_of(*make_bag_arguments(drive, tmp_path / 'bag'))
    assert not (tmp_path / 'bag').exists()
