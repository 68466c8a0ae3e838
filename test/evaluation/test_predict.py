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
from support.drives import HEIGHT, make_bag_arguments, WIDTH, write_drive


def predict(*arguments: Path | str) -> int:
    return main(['predict', *map(str, arguments), '--engine', 'null'])


def names(output: Path, folder: str) -> list[str]:
    return sorted(path.name for path in (output / folder).iterdir())


def test_a_folder_gives_what_the_pipeline_gives(tmp_path: Path) -> None:
    drive, output = write_drive(tmp_path / 'drive'), tmp_path / 'out'
    figures = tmp_path / 'figures.json'
    assert predict(drive / 'images', '--output', output, '--json', figures) == 0
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
    written = json.loads(figures.read_text())
    assert written['frames'] == 3
    assert 0.0 < written['latency_ms_p50'] <= written['latency_ms_p99']


def test_inputs_of_one_name_do_not_overwrite_one_another(tmp_path: Path) -> None:
    first, second = write_drive(tmp_path / 'a', 1), write_drive(tmp_path / 'b', 1)
    shutil.copy(first / 'images' / '000.png', second / 'images' / '000_2.png')
    inputs = (first / 'images', second / 'images', first / 'images' / '000.png')
    assert predict(*inputs, '--output', tmp_path / 'out') == 0
    assert len(names(tmp_path / 'out', 'masks')) == 4


def test_a_broken_image_is_named_and_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drive = write_drive(tmp_path / 'drive', 2)
    (drive / 'images' / 'broken.jpg').write_bytes(b'no image')
    figures = tmp_path / 'figures.json'
    code = predict(drive / 'images', '--output', tmp_path / 'out', '--json', figures)
    assert code == 3
    reported = [line for line in capsys.readouterr().err.splitlines() if 'skipped' in line]
    assert len(reported) == 1
    assert 'broken.jpg' in reported[0]
    assert json.loads(figures.read_text())['frames'] == 2
    assert json.loads(figures.read_text())['skipped'] == 1


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


def wrong_inputs(tmp_path: Path) -> dict[str, tuple[tuple[Path | str, ...], str]]:
    drive = write_drive(tmp_path / 'drive', 1)
    main(make_bag_arguments(drive, tmp_path / 'bag'))
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'movie.mp4').write_bytes(b'no movie')
    (tmp_path / 'letter.doc').write_text('text')
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'a.png').write_bytes(b'no image')
    return {
        'missing': ((tmp_path / 'nowhere',), 'does not exist'),
        'empty folder': ((tmp_path / 'empty',), 'holds no images'),
        'bad video': ((tmp_path / 'movie.mp4',), 'cannot be decoded'),
        'unknown suffix': ((tmp_path / 'letter.doc',), 'not known by its suffix'),
        'only broken': ((tmp_path / 'broken',), 'none of 1 frames could be read'),
        'no such topic': ((tmp_path / 'bag', '--topic', '/front'), 'it has /camera/image'),
        'unknown model': (
            (drive / 'images', '--model', 'x', '--engine', 'eager'),
            'choose one of depthforge_tiny',
        ),
        'unknown engine': ((drive / 'images', '--engine', 'steam'), "'steam' is not known"),
    }


@pytest.mark.parametrize(
    'kind',
    [
        'missing', 'empty folder', 'bad video', 'unknown suffix', 'only broken', 'no such topic',
        'unknown model', 'unknown engine',
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    arguments, expected = wrong_inputs(tmp_path)[kind]
    capsys.readouterr()
    engine = [] if '--engine' in arguments else ['--engine', 'null']
    output = ['--output', str(tmp_path / 'out')]
    assert main(['predict', *map(str, arguments), *output, *engine]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if 'error:' in line]
    assert len(errors) == 1
    assert errors[0].startswith('depthforge: error: ')
    assert expected in errors[0]


def test_inputs_are_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = write_drive(tmp_path / 'drive', 1) / 'images'
    images.rename(tmp_path / 'masks')
    before = (tmp_path / 'masks' / '000.png').read_bytes()
    assert predict(tmp_path / 'masks', '--output', tmp_path) == 2
    assert 'would write over the input' in capsys.readouterr().err
    assert predict(tmp_path / 'masks' / '000.png', '--output', tmp_path) == 2
    assert (tmp_path / 'masks' / '000.png').read_bytes() == before


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(0.0, 1e4, width=32)))
def test_depth_levels_keep_16_bits_of_the_largest_value(inverse_depth: np.ndarray) -> None:
    levels, scale = depth_levels(inverse_depth)
    error = np.abs(levels.astype(np.float64) * scale - inverse_depth)
    assert error.max() <= max(inverse_depth.max() / 65535 * 0.51, 1e-30)
