# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Many bags at once: merged exactly, failures named, interruptions survived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
import json
from pathlib import Path
import signal
import threading
import time
from typing import Any

from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation import fleet
from depthforge_ros.evaluation.fleet import evaluate, Job, Outcome, read_manifest, run_fleet
import pytest
from support.bags import cut, write_bag
from support.commands import figures_of
from support.judging import judge
from support.refusals import ErrorOf

OPTIONS = ('--engine', 'null', '--truth-labels', 'camvid')


def write_manifest(folder: Path, bags: list[Any]) -> Path:
    path = folder / 'fleet.yaml'
    path.write_text(json.dumps({'bags': bags}))
    return path


def write_bags(folder: Path) -> Path:
    """Write three bags of 9, 8 and 12 frames."""
    names = ['one', 'two', 'three']
    for name, frames in zip(names, (9, 8, 12), strict=True):
        write_bag(folder / name, frames=frames)
    return write_manifest(folder, names)


def run(folder: Path, manifest: Path, *more: str, code: int = 0) -> dict[str, Any]:
    arguments = ('fleet', manifest, '--output', folder / 'out', *OPTIONS)
    return figures_of(folder, *arguments, *more, code=code)


def answering(*outcomes: Outcome | Exception) -> Callable[[Job], Future[Outcome]]:
    """Give one attempt after the other these ends."""
    left = list(outcomes)

    def submit(_: Job) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return future

    return submit


def test_bags_merge_to_the_figures_of_all_frames(tmp_path: Path) -> None:
    manifest = write_bags(tmp_path)
    figures = run(tmp_path, manifest, '--workers', '2')
    assert figures['complete']
    assert figures['failed'] == {}
    assert [one['received'] for one in figures['bags'].values()] == [9, 8, 12]
    assert {one['attempts'] for one in figures['bags'].values()} == {1}
    # Compare reads what a fleet wrote.
    both = [str(tmp_path / 'figures.json')] * 2
    assert main(['compare', *both, '--gate', 'miou:0']) == 0
    shards = [judge(tmp_path, tmp_path / name, *OPTIONS) for name in ('one', 'two', 'three')]
    for row, *of_shards in zip(
        figures['confusion'], *(one['confusion'] for one in shards), strict=True
    ):
        assert row == [sum(counts) for counts in zip(*of_shards, strict=True)]
    clips = [clip['sums'] for one in shards for clip in one['clips']]
    merged = [clip['sums'] for clip in figures['clips']]
    for one in (*clips, *merged):
        # How long the null engine took.
        del one['pace']
    assert merged == clips
    assert figures['received'] == figures['published'] == 29
    assert len([x for clip in figures['clips'] for x in clip['latencies_ms']]) == 29
    assert figures['miou'] == pytest.approx(shards[0]['miou'], abs=0.01)


def test_what_is_judged_is_not_judged_again(tmp_path: Path) -> None:
    manifest = write_bags(tmp_path)
    out = tmp_path / 'out'
    out.mkdir()
    jobs = read_manifest(manifest, OPTIONS)
    good = evaluate(jobs[0], '1')
    run_fleet(jobs[:2], out, answering(good, good), attempts=1)
    # An interrupted fleet has some of its files, and perhaps half of one.
    (out / '0002_three.part').write_text('{"figures": {')
    gone_on = run_fleet(jobs, out, answering(good), attempts=1)
    assert dict(gone_on.attempts) == {'0002_three': 1}
    assert list(gone_on.figures) == ['0000_one', '0001_two', '0002_three']
    assert not run_fleet(jobs, out, answering(), attempts=1).attempts
    # Another bag under the same name, or other options, are another question.
    write_bag(tmp_path / 'new', frames=3)
    (tmp_path / 'two').rename(tmp_path / 'old')
    (tmp_path / 'new').rename(tmp_path / 'two')
    changed = run_fleet(jobs, out, answering(good), attempts=1)
    assert dict(changed.attempts) == {'0001_two': 1}
    other = read_manifest(manifest, (*OPTIONS, '--short-side', '64'))
    assert len(run_fleet(other, out, answering(good, good, good), attempts=1).attempts) == 3


def test_failed_and_cut_bags_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_bag(tmp_path / 'good', frames=2)
    cut(write_bag(tmp_path / 'short', frames=20), 0.6)
    manifest = write_manifest(tmp_path, ['good', {'bag': 'missing'}, 'short'])
    figures = run(tmp_path, manifest, code=3)
    assert not figures['complete']
    assert list(figures['failed']) == ['0001_missing']
    assert 'missing does not exist' in figures['failed']['0001_missing']
    assert [one['complete'] for one in figures['bags'].values()] == [True, False]
    assert figures['received'] == sum(one['received'] for one in figures['bags'].values())
    assert 'cut short: 0002_short: ' in capfd.readouterr().out


def test_a_lost_process_is_tried_again_and_bad_input_is_not(tmp_path: Path) -> None:
    job = Job('bag', (str(write_bag(tmp_path / 'bag', frames=1)), *OPTIONS))
    good = evaluate(job, '1')
    lost = Outcome(None, 'exit code -9', is_final=False)
    bad = Outcome(None, 'exit code 2')
    tried = run_fleet([job], tmp_path, answering(lost, RuntimeError('gone'), good), attempts=3)
    assert tried.attempts['bag'] == 3
    assert tried.failed == {}
    (tmp_path / 'bag.json').unlink()
    given_up = run_fleet([job], tmp_path, answering(lost, lost, good), attempts=2)
    assert given_up.failed == {'bag': 'exit code -9'}
    assert run_fleet([job], tmp_path, answering(bad, good), attempts=3).attempts['bag'] == 1


def test_a_process_that_is_killed_is_a_lost_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / 'program'
    program.write_text('#!/bin/sh\necho working >&2\nkill -9 $$\n')
    program.chmod(0o755)
    monkeypatch.setattr(fleet.sys, 'executable', str(program))
    outcome = evaluate(Job('bag', ()), '1')
    assert outcome == Outcome(None, f'exit code {-signal.SIGKILL}: working', is_final=False)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('bags: []', 'lists no bag'),
        ('drives: [a]', 'is no manifest'),
        ('bags: [{bag: a, thruth: b}]', 'entry 1 has the keys bag, thruth'),
        ('bags: [{truth: b}]', 'bag is needed'),
        ('bags: [', 'is no manifest'),
    ],
)
def test_wrong_manifests_are_one_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / 'fleet.yaml').write_text(text)
    with pytest.raises(UserError, match=expected):
        read_manifest(tmp_path / 'fleet.yaml', ())
    with pytest.raises(UserError, match='check the path'):
        read_manifest(tmp_path / 'none.yaml', ())


def test_truth_and_bags_are_found_beside_the_manifest(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, [{'bag': 'a', 'truth': 'b'}, {'bag': 'a'}])
    first, second = read_manifest(manifest, ('--engine', 'null'))
    place = str(tmp_path)
    assert first.arguments == (f'{place}/a', '--truth', f'{place}/b', '--engine', 'null')
    assert first.name != second.name


def test_ray_that_does_not_answer_is_one_line(tmp_path: Path, error_of: ErrorOf) -> None:
    manifest = write_manifest(tmp_path, ['a'])
    assert error_of('fleet', manifest, '--ray', '127.0.0.1:1', '--output', tmp_path)


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Run a Ray cluster of processes on this machine: a head without CPUs, and two workers."""
    pytest.importorskip('ray', reason='ray is an optional extra')
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        cluster.add_node(num_cpus=0, include_dashboard=False)
        for _ in range(2):
            cluster.add_node(num_cpus=1)
    except Exception as error:
        cluster.shutdown()
        if 'timed out during startup' not in str(error):
            raise
        pytest.skip('this machine is too busy: Ray did not start within its own 30 s')
    yield cluster
    cluster.shutdown()


def test_a_ray_cluster_that_loses_a_worker_judges_all_bags(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = read_manifest(write_bags(tmp_path), OPTIONS)
    out, begun = tmp_path / 'out', tmp_path / 'begun'
    out.mkdir()
    begun.mkdir()

    def tell_and_evaluate(job: Job, threads: str) -> Outcome:
        (begun / job.name).touch()
        return evaluate(job, threads)

    def lose_a_worker() -> None:
        while len(list(begun.iterdir())) < 2:
            time.sleep(0.05)
        cluster.remove_node(cluster.list_all_nodes()[-1], False)

    monkeypatch.setattr(fleet, 'evaluate', tell_and_evaluate)
    thread = threading.Thread(target=lose_a_worker, daemon=True)
    with fleet.on_ray(cluster.address) as submit:
        thread.start()
        result = run_fleet(jobs, out, submit, attempts=3)
        thread.join()
    merged = result.merged()
    assert merged['complete']
    assert [one['received'] for one in merged['bags'].values()] == [9, 8, 12]
    assert max(result.attempts.values()) >= 2
