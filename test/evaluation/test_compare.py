# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs side by side: intervals, gates and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from depthforge_ros.cli.common import write_json
from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.compare import compare, Gate, Run
from depthforge_ros.metrics.accumulators import Accumulators, total
from depthforge_ros.metrics.clips import Clip, clip_figures
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from support.bags import write_bag
from support.refusals import ErrorOf

CLASSES = ('road', 'sky')


def clip(number: int, right: int, latency_ms: float = 10.0) -> Clip:
    """Make a clip of a hundred pixels, half road and half sky, of which so many are right."""
    sums = Accumulators.zeros(2, 2)
    sums.confusion += [[right // 2, 50 - right // 2, 0], [50 - right // 2, right // 2, 0]]
    return Clip('/camera/image', number, sums, received=1, latencies_ms=[latency_ms])


def run_of(rights: list[int], name: str = 'run', latency_ms: float = 10.0) -> Run:
    clips = [clip(number, right, latency_ms) for number, right in enumerate(rights)]
    return Run(name, CLASSES, clips)


def test_a_figure_lies_in_its_interval_and_equal_runs_do_not_differ() -> None:
    rights = [40, 50, 60, 70, 80, 90]
    comparison = compare([run_of(rights), run_of(rights)])
    accuracy = next(row for row in comparison.rows if row.name == 'pixel_accuracy')
    first, second = accuracy.values
    assert first == second
    assert first is not None
    assert first.value == 65.0
    # The deviation of the mean of six draws is 17.08 / sqrt(6) = 6.97: 1.96 of it are 13.7.
    assert first.low == pytest.approx(65.0 - 13.7, abs=3.0)
    assert first.high == pytest.approx(65.0 + 13.7, abs=3.0)
    assert accuracy.differences[0] is None
    difference = accuracy.differences[1]
    assert difference is not None
    assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)
    assert 'absrel' not in {row.name for row in comparison.rows}


def test_runs_over_the_same_clips_are_paired() -> None:
    hard = [20, 90, 30, 80, 40, 70]
    better = [right + 4 for right in hard]
    paired = compare([run_of(hard), run_of(better)], resamples=200)
    moved = Run('run', CLASSES, [clip(100 + i, right) for i, right in enumerate(better)])
    unpaired = compare([run_of(hard), moved], resamples=200)
    assert (paired.paired, unpaired.paired) == (True, False)
    widths = []
    for comparison in (paired, unpaired):
        row = next(row for row in comparison.rows if row.name == 'pixel_accuracy')
        difference = row.differences[1]
        assert difference is not None
        assert difference.value == 4.0
        widths.append(difference.high - difference.low)
    assert widths[0] == 0.0
    assert widths[1] > 20.0


@pytest.mark.parametrize(
    ('gate', 'passes'),
    [
        ('pixel_accuracy:4', True),
        ('pixel_accuracy:3.9', False),
        ('latency_ms_p50:5', True),
        ('latency_ms_p50:4.9', False),
    ],
)
def test_gates_hold_the_others_against_the_first(gate: str, passes: bool) -> None:
    runs = [run_of([50, 60], 'old'), run_of([46, 56], 'new', latency_ms=15.0)]
    failures = compare(runs, resamples=20).failures([Gate.parse(gate)])
    assert (failures == []) == passes
    assert all('new' in line for line in failures)
    # What is better passes any gate.
    better = Gate.parse(gate.split(':')[0] + ':0')
    assert compare(runs[::-1], resamples=20).failures([better]) == []


def test_a_figure_that_is_lost_passes_no_gate() -> None:
    old, new = run_of([50, 60], 'old'), run_of([50, 60], 'new')
    for one in new.clips:
        one.latencies_ms.clear()
    gate = Gate.parse('latency_ms_p50:100')
    (line,) = compare([old, new], resamples=20).failures([gate])
    assert line == 'latency_ms_p50: new does not have it, old does'
    # Nothing can be said against what was never measured.
    for runs, name in (([new, old], 'latency_ms_p50'), ([old, new], 'absrel')):
        with pytest.raises(UserError, match=f'gate {name}: {runs[0].name} does not have'):
            compare(runs, resamples=20).failures([Gate.parse(f'{name}:9')])


@pytest.mark.parametrize(
    ('gate', 'wrong'),
    [
        ('miou', 'its amount is no number >= 0'),
        ('miou:-1', 'its amount is no number >= 0'),
        ('miou:nan', 'its amount is no number >= 0'),
        ('miou:x', 'its amount is no number >= 0'),
        ('speed:3', 'known: miou, pixel_accuracy'),
        ('mio:3', 'did you mean miou'),
    ],
)
def test_wrong_gates_are_refused(gate: str, wrong: str) -> None:
    with pytest.raises(UserError, match=f'{wrong}.*; give FIGURE:AMOUNT'):
        Gate.parse(gate)


def test_runs_in_other_classes_are_refused() -> None:
    other = Run(
        'other', ('road', 'sky', 'car'), [Clip('/camera/image', 0, Accumulators.zeros(3, 3))]
    )
    with pytest.raises(UserError, match='other in 3'):
        compare([run_of([50]), other])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.randoms())
def test_sums_merge_in_any_order_and_grouping(halves: list[int], random: Any) -> None:
    clips = [clip(number, 2 * half) for number, half in enumerate(halves)]
    whole = clip_figures(clips, CLASSES)
    random.shuffle(clips)
    cut = random.randint(0, len(clips) - 1)
    parts = [part for part in (clips[:cut], clips[cut:]) if part]
    sums = total(total(one.sums for one in part) for part in parts)
    merged = sums.figures(CLASSES)
    assert merged == {name: whole[name] for name in merged}


def test_clips_survive_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first = clip(3, 40)
    for name, array in vars(first.sums).items():
        setattr(first.sums, name, rng.integers(0, 2**40, array.shape))
    write_json(tmp_path / 'run.json', {'classes': CLASSES, 'clips': [first.to_json()]})
    again = Run.load(tmp_path / 'run.json').clips[0]
    assert again.to_json() == first.to_json()


def test_the_command_prints_a_table_and_gates_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: ErrorOf
) -> None:
    bag = write_bag(tmp_path / 'bag', frames=17)
    runs = []
    for side in (32, 64):
        runs.append(str(tmp_path / f'{side}.json'))
        arguments = ['--engine', 'null', '--truth-labels', 'camvid', '--short-side', str(side)]
        assert main(['evaluate', 'bag', str(bag), *arguments, '--json', runs[-1]]) == 0
    capsys.readouterr()
    figures = tmp_path / 'comparison.json'
    assert main(['compare', *runs, '--json', str(figures), '--gate', 'miou:100']) == 0
    told = capsys.readouterr()
    table = told.out
    assert 'clips: intervals of fewer than 10 mean little' in told.err
    assert '| miou ' in table
    assert 'all gates passed' in table
    assert 'the same clips' in table
    stored = json.loads(figures.read_text())
    assert stored['passed']
    assert stored['figures']['miou']['differences'][0] is None
    assert stored['figures']['absrel']['values'][0]['value'] > 0.0
    # One of the two has the larger error of depth.
    codes = [main(['compare', *pair, '--gate', 'absrel:0']) for pair in (runs, runs[::-1])]
    assert sorted(codes) == [0, 4]
    assert 'gate not passed: absrel: ' in capsys.readouterr().err
    assert error_of('compare', *runs, '--gate', 'domain_shift:1')
    assert error_of('compare', runs[0])
    (tmp_path / 'other.json').write_text('{"miou": 3}')
    assert 'holds no figures of clips' in error_of('compare', runs[0], tmp_path / 'other.json')
