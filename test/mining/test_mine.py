# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Frames worth labelling: which, what annotation tools get, and the way back to training."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
import shutil
from urllib.parse import parse_qs, urlsplit
import xml.etree.ElementTree as ElementTree
import zipfile

import cv2
from depthforge_ros.bags.image_files import write_image
from depthforge_ros.bags.make_bag import START_NS
from depthforge_ros.cli.main import main
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import CAMVID
from depthforge_ros.mining.selection import choose, values
from depthforge_ros.mining.writing import brush_runs
from depthforge_trainer.cli import main as train
import numpy as np
import pytest
from support.bags import PERIOD_NS, scene, write_bag
from support.commands import figures_of
from support.networks import mini_checkpoint
from support.refusals import ErrorOf
from support.training import configuration
import yaml


def test_the_value_of_a_frame_is_its_mean_rank_among_what_is_known() -> None:
    nan = np.nan
    signals = np.array([[0.1, nan, 5.0], [0.2, nan, 5.0], [0.3, nan, nan], [0.4, nan, 9.0]])
    expected = [(1 / 8 + 1 / 3) / 2, (3 / 8 + 1 / 3) / 2, 5 / 8, (7 / 8 + 5 / 6) / 2]
    assert values(signals) == pytest.approx(expected)


def test_frames_are_chosen_for_worth_and_unlikeness() -> None:
    # Three places of ten frames; the most valuable frames are all in the first.
    rng = np.random.default_rng(0)
    places = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], 10, axis=0)
    features = (places + rng.normal(0.0, 0.1, places.shape)).astype(np.float32)
    value = np.repeat([1.0, 0.5, 0.5], 10) - rng.uniform(0.0, 0.1, 30)
    chosen = choose(features, value, 3)
    assert sorted(index // 10 for index in chosen) == [0, 1, 2]
    assert chosen[0] == int(np.argmax(value))
    assert sorted(choose(features, value, 30)) == list(range(30))
    # Of equal places the worth decides.
    assert choose(features, np.eye(30)[5] + np.eye(30)[25] + 0.01, 2) == [5, 25]


def brush(runs: list[int]) -> np.ndarray:
    """Decode @thi.ng/rle-pack, bit by bit, as Label Studio does."""
    bits = ''.join(f'{byte:08b}' for byte in runs)
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    count, size = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    found: list[int] = []
    while len(found) < count:
        repeats = take(1)
        length = take(sizes[take(2)]) + 1
        found += [take(size)] * length if repeats else [take(size) for _ in range(length)]
    return np.array(found, np.uint8)


@pytest.mark.parametrize('shape', [(3, 5), (200, 300)])
def test_brush_masks_are_those_of_label_studio(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, bool)
    mask[1:3, 2:4] = True
    expected = np.repeat(mask.ravel() * 255, 4)
    assert np.array_equal(brush(brush_runs(mask)), expected)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Write six images, two of them alike and one broken, beside a miniature model."""
    mini_checkpoint(tmp_path / 'mini.safetensors')
    rng = np.random.default_rng(0)
    folder = tmp_path / 'drive'
    folder.mkdir()
    for index in range(5):
        image = np.clip(rng.normal(40 * index, 20, (60, 80, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f'{index}.png'), image)
    (folder / 'broken.png').write_bytes(b'no image')
    return folder


def command(drive: Path, *more: str) -> list[str]:
    model = str(drive.parent / 'mini.safetensors')
    return ['mine', str(drive), '--model', model, '--engine', 'eager', *more]


def mine(drive: Path, *more: str) -> int:
    return main(command(drive, *more))


def manifest(output: Path) -> list[dict[str, str]]:
    with (output / 'manifest.csv').open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def test_frames_of_a_bag_are_mined(tmp_path: Path) -> None:
    mini_checkpoint(tmp_path / 'mini.safetensors')
    bag, output = write_bag(tmp_path / 'bag', frames=4), tmp_path / 'mined'
    assert mine(bag, '--output', str(output), '--budget', '3') == 0
    rows = manifest(output)
    for rank, row in enumerate(rows, start=1):
        frame = int(row['frame'])
        assert row['input'] == str(bag)
        assert row['image'] == f'{rank:04d}_bag_{START_NS + frame * PERIOD_NS}.png'
        image = rgb_from_file(output / 'images' / row['image'])
        np.testing.assert_array_equal(image, scene(frame))
        # The first frame has none before it.
        assert bool(row['flow']) == (frame > 0)
    assert len({row['frame'] for row in rows}) == 3


def test_names_that_are_no_text_or_no_address_reach_the_tools(tmp_path: Path) -> None:
    mini_checkpoint(tmp_path / 'mini.safetensors')
    folder, output = tmp_path / 'odd', tmp_path / 'mined'
    for name in (b'a\xff.png', b'b&c #1.png', b'x' * 251 + b'.png'):
        write_image(folder / os.fsdecode(name), np.zeros((60, 80, 3), np.uint8))
    assert mine(folder, '--output', str(output), '--budget', '3') == 0
    images = {row['image'] for row in manifest(output)}
    assert images == {path.name for path in (output / 'images').iterdir()}
    with zipfile.ZipFile(output / 'cvat_masks.zip') as masks:
        assert images < {Path(name).name for name in masks.namelist()}
    for task in json.loads((output / 'label_studio.json').read_text()):
        address = urlsplit(task['data']['image'])
        (place,) = parse_qs(address.query)['d']
        assert not address.fragment
        assert (output / place).is_file()


def test_mined_frames_go_to_the_tools_and_come_back_for_training(
    drive: Path, tmp_path: Path
) -> None:
    output = tmp_path / 'mined'
    second = str(tmp_path / 'mini.safetensors')
    # A broken image is left out, which the exit code says.
    arguments = command(drive, '--output', str(output), '--budget', '3', '--second-model', second)
    found = figures_of(tmp_path, *arguments, code=3)
    assert (found['frames'], found['skipped'], len(found['chosen'])) == (5, 1, 3)
    assert found['signals']['models'] == {'all': 0.0, 'chosen': 0.0}
    rows = manifest(output)
    assert [row['image'] for row in rows] == [f'{name}.png' for name in found['chosen']]
    for row in rows:
        source = cv2.imread(str(drive / row['image'].split('_', 1)[1]))
        assert np.array_equal(source, cv2.imread(str(output / 'images' / row['image'])))
        labels = cv2.imread(str(output / 'labels' / row['image']), cv2.IMREAD_UNCHANGED)
        assert labels.shape == (60, 80)
        assert labels.max() < len(CAMVID)
    assert_tools_agree(output, found['chosen'])
    # What CVAT exports has the form of what it imports.
    with zipfile.ZipFile(output / 'cvat_masks.zip') as masks:
        masks.extractall(output)
    # Without its images an export has their folder all the same.
    (output / 'JPEGImages').mkdir()
    fit(tmp_path, 'camvid', output)
    shutil.rmtree(output / 'labels')
    fit(tmp_path, 'cvat_camvid', output)


def assert_tools_agree(output: Path, names: list[str]) -> None:
    """Compare the masks of both tools with the labels."""
    labels = {
        name: cv2.imread(str(output / f'labels/{name}.png'), cv2.IMREAD_UNCHANGED)
        for name in names
    }
    tasks = json.loads((output / 'label_studio.json').read_text())
    for name, task in zip(names, tasks, strict=True):
        assert task['data']['image'].endswith(f'images/{name}.png')
        painted = np.full((60, 80), 255, np.uint8)
        for one in task['predictions'][0]['result']:
            (label,) = one['value']['brushlabels']
            mask = brush(one['value']['rle']).reshape(60, 80, 4)[..., 3] > 0
            painted[mask] = CAMVID.classes.index(label)
        assert np.array_equal(painted, labels[name])
    interface = ElementTree.parse(output / 'label_studio.xml')
    assert [one.get('value') for one in interface.iter('Label')] == list(CAMVID.classes)
    with zipfile.ZipFile(output / 'cvat_masks.zip') as masks:
        assert masks.read('ImageSets/Segmentation/default.txt').decode().split() == names
        assert 'road:128,64,128::' in masks.read('labelmap.txt').decode()
        data = masks.read(f'SegmentationClass/{names[0]}.png')
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(bgr[..., ::-1], CAMVID.palette[labels[names[0]]])
    cvat = json.loads((output / 'cvat_labels.json').read_text())
    assert [one['name'] for one in cvat] == list(CAMVID.classes)
    # FiftyOne knows classes by their colours, so written; black is no class to it.
    targets = {one['color']: one['name'] for one in cvat}
    assert '#000000' not in targets
    painted = {
        '#{:02x}{:02x}{:02x}'.format(*color)
        for color in np.unique(bgr.reshape(-1, 3)[:, ::-1], axis=0)
    }
    seen = {CAMVID.classes[label] for label in np.unique(labels[names[0]])}
    assert {targets[color] for color in painted} == seen


def fit(tmp_path: Path, kind: str, root: Path) -> None:
    """Train a miniature network for a step."""
    folder = tmp_path / kind
    folder.mkdir()
    path = configuration(
        folder,
        sources=[{'kind': kind, 'root': str(root)}],
        phases=[{'train': 'all', 'iterations': 1, 'batch': 2, 'learning_rate': 1e-3}],
    )
    assert yaml.safe_load(path.read_text())['sources'][0]['kind'] == kind
    assert train(['fit', str(path)]) == 0


@pytest.mark.parametrize(('budget', 'expected'), [
    ('6', '--budget is 6, but the input has 5 readable frames'),
    ('9', '--budget is 9, but the input has 6'),
    ('0', 'it must be 1 or more'),
])  # fmt: skip
def test_budgets_that_do_not_fit_are_refused(
    drive: Path, budget: str, expected: str, error_of: ErrorOf
) -> None:
    output = drive.parent / 'mined'
    arguments = command(drive, '--output', str(output), '--budget', budget)
    assert expected in error_of(*arguments)
    assert not output.exists()


def test_no_images_an_output_that_exists_and_an_engine_without_features_are_refused(
    drive: Path, error_of: ErrorOf
) -> None:
    def error(source: Path, output: Path, *more: str) -> str:
        return error_of(*command(source, '--output', str(output), '--budget', '1', *more))

    empty, new = drive.parent / 'empty', drive.parent / 'new'
    empty.mkdir()
    assert 'holds no images' in error(empty, new)
    assert 'exists already' in error(drive, drive)
    (empty / 'a.png').write_bytes(b'no image')
    assert 'none of 1 frames could be read' in error(empty, new)
    assert 'gives no features' in error(drive, new, '--engine', 'null')
