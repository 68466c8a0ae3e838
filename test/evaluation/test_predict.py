# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
import shutil

import cv2
from depthforge_ros.cli.main import main
from depthforge_ros.engine import load_engine
from depthforge_ros.evaluation.prediction import depth_levels
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.pipeline import Pipeline
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
from support.commands import figures_of
from support.drives import HEIGHT, make_bag_arguments, WIDTH, write_drive
from support.refusals import ErrorOf


def predict(*arguments: Path | str) -> int:
    return main(['predict', *map(str, arguments), '--engine', 'null'])


def names(output: Path, folder: str) -> list[str]:
    return sorted(path.name for path in (output / folder).iterdir())


def test_a_folder_gives_what_the_pipeline_gives(tmp_path: Path) -> None:
    drive, output = write_drive(tmp_path / 'drive'), tmp_path / 'out'
    command = ('predict', drive / 'images', '--engine', 'null', '--output', output)
    figures = figures_of(tmp_path, *command)
    assert names(output, 'masks') == names(output, 'depth') == ['000.png', '001.png', '002.png']
    assert names(output, 'overlays') == ['000.jpg', '001.jpg', '002.jpg']
    rgb = rgb_from_file(drive / 'images' / '001.png')
    expected, _ = Pipeline(load_engine('depthforge_tiny', engine='null'))(rgb)
    mask = cv2.imread(str(output / 'masks' / '001.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(mask, expected.labels)
    levels = cv2.imread(str(output / 'depth' / '001.png'), cv2.IMREAD_UNCHANGED)
    assert levels.dtype == np.uint16
    sidecar = json.loads((output / 'figures.json').read_text())
    np.testing.assert_allclose(
        levels * sidecar['depth_scale']['001'], expected.inverse_depth, atol=1e-4
    )
    assert len(sidecar['label_space']['classes']) == 11
    assert figures['frames'] == 3
    assert 0.0 < figures['latency_ms_p50'] <= figures['latency_ms_p99']


def test_inputs_of_one_name_do_not_overwrite_one_another(tmp_path: Path) -> None:
    first, second = write_drive(tmp_path / 'a', 1), write_drive(tmp_path / 'b', 1)
    shutil.copy(first / 'images' / '000.png', second / 'images' / '000_2.png')
    inputs = (first / 'images', second / 'images', first / 'images' / '000.png')
    assert predict(*inputs, '--output', tmp_path / 'out') == 0
    assert len(names(tmp_path / 'out', 'masks')) == 4


def test_a_video_gives_all_its_frames(tmp_path: Path) -> None:
    video = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*'MJPG'), 10.0, (WIDTH, HEIGHT))
    for level in (0, 120, 240):
        writer.write(np.full((HEIGHT, WIDTH, 3), (level, 0, 0), np.uint8))
    writer.release()
    assert predict(video, '--output', tmp_path / 'out') == 0
    assert names(tmp_path / 'out', 'masks') == [f'drive_00000{index}.png' for index in range(3)]
    # Blue in the file, and blue in the overlay: the channels were not swapped on the way.
    last = cv2.imread(str(tmp_path / 'out' / 'overlays' / 'drive_000002.jpg'))
    assert last[..., 0].mean() > last[..., 2].mean() + 40


def test_a_bag_is_predicted_without_ros(tmp_path: Path) -> None:
    main(make_bag_arguments(write_drive(tmp_path / 'drive'), tmp_path / 'bag'))
    assert predict(tmp_path / 'bag', '--output', tmp_path / 'out') == 0
    assert len(names(tmp_path / 'out', 'masks')) == 3
    topic = ('--topic', '/camera/labels')
    assert predict(tmp_path / 'bag', '--output', tmp_path / 'other', *topic) == 0


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['nowhere'], 'does not exist'),
        (['empty'], 'holds no images'),
        (['movie.mp4'], 'cannot be decoded'),
        (['letter.doc'], 'not known by its suffix'),
        (['broken'], 'none of 1 frames could be read'),
        (['bag', '--topic', '/front'], 'it has /camera/image'),
        (['drive/images', '--model', 'x', '--engine', 'eager'], 'choose one of depthforge_tiny'),
        (['drive/images', '--engine', 'steam'], "'steam' is not known"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error_of: ErrorOf,
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    main(make_bag_arguments(write_drive(tmp_path / 'drive', 1), tmp_path / 'bag'))
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'movie.mp4').write_bytes(b'no movie')
    (tmp_path / 'letter.doc').write_text('text')
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'a.png').write_bytes(b'no image')
    # The last engine that is named counts.
    assert expected in error_of('predict', '--engine', 'null', '--output', 'out', *arguments)


def test_inputs_are_never_overwritten(tmp_path: Path, error_of: ErrorOf) -> None:
    images = write_drive(tmp_path / 'drive', 1) / 'images'
    images.rename(tmp_path / 'masks')
    before = (tmp_path / 'masks' / '000.png').read_bytes()
    command = ('predict', '--engine', 'null', '--output', tmp_path)
    for source in (tmp_path / 'masks', tmp_path / 'masks' / '000.png'):
        assert 'would write over the input' in error_of(*command, source)
    assert (tmp_path / 'masks' / '000.png').read_bytes() == before


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(0.0, 1e4, width=32)))
def test_depth_levels_keep_16_bits_of_the_largest_value(inverse_depth: np.ndarray) -> None:
    levels, scale = depth_levels(inverse_depth)
    error = np.abs(levels.astype(np.float64) * scale - inverse_depth)
    assert error.max() <= max(inverse_depth.max() / 65535 * 0.51, 1e-30)
