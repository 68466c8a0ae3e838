# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The node's outputs as kiwicampus' semantic_segmentation_layer for Nav2 reads them."""

from __future__ import annotations

from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID, CITYSCAPES, LabelSpace
from depthforge_ros.ros.parameters.definitions import NodeConfig
import numpy as np
import pytest
from sensor_msgs.msg import Image, PointCloud2
from support.launch_files import load
from support.node import calibrate, identity, make_image, MASK, node_in_process
from support.paths import ROOT
import yaml

CONFIDENCE = '/depthforge/segmentation/confidence'
POINTS = '/depthforge/points'
MAX_RANGE_M = 20.0


def read_file(name: str) -> Any:
    return yaml.safe_load((ROOT / 'config' / name).read_text())


def buffered(mask: Any, confidence: Any, cloud: Any) -> list[tuple[int, int, float]]:
    """
    Walk as `SegmentationBuffer::bufferSegmentation` does: one index for all three, no size check.

    Gives class id, confidence and z of each observation in reach.
    """
    offsets = {field.name: field.offset for field in cloud.fields}
    octets = bytes(cloud.data)
    observed = []
    for v in range(mask.height):
        for u in range(mask.width):
            index = v * mask.width + u
            place = index * cloud.point_step + offsets['z']
            z = float(np.frombuffer(octets, '<f4', 1, place)[0])
            if np.isfinite(z):
                observed.append((mask.data[index], confidence.data[index], z))
    return observed


def test_the_layer_reads_what_belongs_together(peer: Any) -> None:
    given = {**read_file('nav2.yaml')['/**']['ros__parameters'], 'engine': 'null'}
    with node_in_process(**given) as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        shares = peer.subscribe(Image, CONFIDENCE, seen_by=node)
        clouds = peer.subscribe(PointCloud2, POINTS, seen_by=node)
        image = peer.publisher(Image, '/image', seen_by=node)
        calibrate(peer, node)
        image.publish(make_image(7))
        peer.spin_until(lambda: masks and shares and clouds)
    mask, confidence, cloud = masks[0], shares[0], clouds[0]
    assert {identity(one) for one in (mask, confidence, cloud)} == {identity(make_image(7))}
    sizes = {(one.height, one.width) for one in (mask, confidence, cloud)}
    assert len(sizes) == 1
    assert (mask.encoding, confidence.encoding) == ('mono8', 'mono8')
    assert mask.step == confidence.step == mask.width
    observed = buffered(mask, confidence, cloud)
    assert observed
    label = next(field.offset for field in cloud.fields if field.name == 'label')
    labels = np.frombuffer(bytes(cloud.data), np.uint8)[label :: cloud.point_step]
    assert np.array_equal(labels, np.frombuffer(mask.data, np.uint8))
    assert CAMVID.classes.index('sky') not in {one[0] for one in observed}
    assert all(0.0 < z <= MAX_RANGE_M for _, _, z in observed)


@pytest.mark.parametrize(
    ('name', 'value'), [('points_stride', 2), ('points_organised', False), ('depth_every', 3)]
)
def test_sizes_that_differ_are_refused(name: str, value: Any) -> None:
    fitting = {'pixel_aligned': True, 'points_stride': 1}
    NodeConfig(**fitting)
    with pytest.raises(UserError, match=f'{name}: {value} does not go with pixel_aligned'):
        NodeConfig(**{**fitting, name: value})


def test_masks_of_two_bytes_are_refused() -> None:
    many = LabelSpace('many', ('thing',) * 300, ((0, 0, 0),) * 300)
    with pytest.raises(UserError, match="'many' has 300 classes, a mono8 mask"):
        many.require_mono8()
    CITYSCAPES.require_mono8()


def test_every_class_has_one_cost() -> None:
    layer = read_file('nav2_costmap.yaml')['local_costmap']['local_costmap']['ros__parameters']
    camera = layer['semantic_layer']['camera']
    priced = [name for kind in camera['class_types'] for name in camera[kind]['classes']]
    assert set(priced) == {*CITYSCAPES.classes, *CAMVID.classes}
    assert len(priced) == len(set(priced))
    assert camera['max_obstacle_distance'] == MAX_RANGE_M
    topics = {camera[f'{name}_topic'] for name in ('segmentation', 'confidence', 'pointcloud')}
    assert topics == {MASK, CONFIDENCE, POINTS}


def test_a_lifecycle_manager_has_the_node() -> None:
    _, start = load('nav2.launch.py')
    node, failing, manager = start(namespace='car', use_sim_time='true')
    assert node.named['parameters'][1] == {'use_sim_time': True, 'autostart': False}
    assert manager.named['namespace'] == node.named['namespace'] == 'car'
    (told,) = manager.named['parameters']
    assert told['node_names'] == [node.named['name']]
    assert (told['autostart'], told['bond_timeout'], told['use_sim_time']) == (True, 0.0, True)
    assert failing.positional[0].named['target_action'] is node
    assert len(start(lifecycle_manager='false')) == 2
