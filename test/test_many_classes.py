# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""More classes than a byte has: masks of two bytes on all ways out, and no silent wrap."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.cli.main import main
from depthforge_ros.engine import load_engine
from depthforge_ros.engine.null import NullEngine
from depthforge_ros.errors import UserError
from depthforge_ros.geometry.points import CloudBuilder
from depthforge_ros.labels import LabelSpace
from depthforge_ros.model.checkpoint import save_checkpoint
from depthforge_ros.model.network import DepthForge
from depthforge_ros.postprocess import to_camera
from depthforge_ros.preprocess import Preprocess
from networks import MINI
import numpy as np
import pytest
import torch

CLASSES = 300
MANY = LabelSpace(
    'many', tuple(map(str, range(CLASSES))), tuple((i % 256, i // 256, 7) for i in range(CLASSES))
)
with_ros = pytest.mark.skipif(
    importlib.util.find_spec('rclpy') is None, reason='rclpy is not installed'
)


def many_classes() -> NullEngine:
    engine = NullEngine('many', Preprocess(patch=16, short_side=48))
    engine.label_space = MANY
    return engine


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('many') / 'many.safetensors'
    torch.manual_seed(0)
    network = DepthForge(MINI, CLASSES).eval()
    bias = next(one for one in network.parameters() if one.shape == (CLASSES + 1,))
    bias.data[290] = 20.0
    save_checkpoint(path, network, label_space=MANY, provenance={'data': 'none'})
    return path


def test_an_engine_gives_the_ids_of_the_network(checkpoint: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 56, 56, 3), np.uint8)
    engine: Any = load_engine(str(checkpoint), engine='eager', device='cpu')
    labels = engine(images).labels
    assert labels.dtype == np.uint16
    assert set(labels.ravel()) == {290}


def test_doubtful_pixels_get_an_id_that_is_no_class() -> None:
    engine = many_classes()
    image, geometry = engine.preprocess(np.zeros((64, 640, 3), np.uint8))
    result = to_camera(engine(image[None]), geometry, confidence_floor=0.5)
    assert set(np.unique(result.labels[:20])) == {65535}
    assert 256 <= result.labels[-20:].max() < CLASSES
    assert tuple(MANY.palette[299]) == (43, 1, 7)
    assert tuple(MANY.palette[65535]) == (0, 0, 0)


def test_points_hold_the_whole_id() -> None:
    labels = np.arange(CLASSES, dtype=np.uint16).reshape(20, 15)
    plane = np.ones(labels.shape, np.float32)
    build = CloudBuilder(np.zeros((*labels.shape, 2), np.float32))
    points = build(
        plane, rgb=np.zeros((*labels.shape, 3), np.uint8), labels=labels, confidence=plane
    )
    np.testing.assert_array_equal(points['label'], labels)


def test_evaluation_refuses_what_no_ground_truth_has(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / '1.png'), np.zeros((56, 56), np.uint8))
    given = ['--dataset', 'folder', '--root', str(tmp_path), '--labels', 'camvid']
    assert main(['evaluate', 'images', *given, '--model', str(checkpoint)]) == 2
    assert "'many' has 300 classes, ground truth of 8 bits has at most 255" in (
        capsys.readouterr().err
    )


def test_no_mask_has_room_for_more() -> None:
    with pytest.raises(UserError, match='70000 classes, at most 65535'):
        LabelSpace('more', ('x',) * 70_000, ((0, 0, 0),) * 70_000)


@with_ros
def test_the_node_publishes_two_bytes_a_pixel(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from depthforge_ros.ros import node as nodes
    from node_support import make_image, MASK, node_in_process, OVERLAY
    from sensor_msgs.msg import CompressedImage, Image

    monkeypatch.setattr(nodes, 'load_engine', lambda *_, **__: many_classes())
    with node_in_process(overlay_alpha=1.0) as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        files = peer.subscribe(CompressedImage, f'{MASK}/compressed', seen_by=node)
        overlays = peer.subscribe(Image, OVERLAY, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(1, height=48, width=600))
        peer.spin_until(lambda: masks and files and overlays)
    mask = masks[0]
    assert (mask.encoding, mask.step, mask.is_bigendian) == ('16UC1', 1200, 0)
    labels = np.frombuffer(mask.data, '<u2').reshape(48, 600)
    assert 256 <= labels.max() < CLASSES
    decoded = cv2.imdecode(np.frombuffer(files[0].data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert files[0].format == '16UC1; png compressed 16UC1'
    np.testing.assert_array_equal(decoded, labels)
    painted = np.frombuffer(overlays[0].data, np.uint8).reshape(48, 600, 3)
    np.testing.assert_array_equal(painted, MANY.palette[labels])
