# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Many bags, each judged by a process of its own, and their figures merged exactly.

Each bag's figures are written beside each other as they come, and a bag that has its figures is
not judged again: a fleet that was interrupted goes on where it was. A bag whose process dies, or
the machine under it, is tried again; a bag that fails for good is named, never left out silently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import socket
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.judgement import all_figures
from depthforge_ros.metrics.clips import Clip
import yaml

BAD_INPUT = 2
"""Exit code of a command that will say the same again."""
SUCCESS_CODES = (0, 3)
"""Exit codes of `evaluate bag`: judged, or judged as far as a cut bag goes."""
CONNECT_TIMEOUT_S = 10.0
KEYS = {'bag', 'truth'}


@dataclass(frozen=True)
class Job:
    """One bag of a manifest, and the options of `evaluate bag` that it is judged with."""

    name: str
    """Of its file of figures; no other job has it."""
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt."""

    figures: dict[str, Any] | None
    """Those of `evaluate bag --json`; None if it failed."""
    error: str = ''
    is_final: bool = True
    """Whether another attempt would end alike."""


@dataclass
class Fleet:
    """What became of all bags."""

    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name of the job, in the manifest's order."""
    failed: dict[str, str] = field(default_factory=dict)
    """The last error, by name."""
    attempts: Counter[str] = field(default_factory=Counter)
    """Processes that were started in this run; none for figures of an earlier one."""

    def merged(self) -> dict[str, Any]:
        """Return the figures of `--json`: of all bags together, and what became of each."""
        bags = {
            name: {'complete': one['complete'], 'damage': one['damage'], 'miou': one['miou'],
                   'received': one['received'], 'attempts': self.attempts[name]}
            for name, one in self.figures.items()
        }  # fmt: skip
        clips = [clip for one in self.figures.values() for clip in one['clips']]
        return {
            'complete': not self.failed and all(one['complete'] for one in bags.values()),
            'bags': bags,
            'failed': self.failed,
            **_merged_figures(list(self.figures.values())),
            'clips': clips,
        }


Submit = Callable[[Job], 'Future[Outcome]']


def read_manifest(path: Path, options: Sequence[str]) -> list[Job]:
    """
    Read a YAML file with the key `bags`: paths, or mappings with `bag` and `truth`.

    Paths are relative to the file. `options` are those of `evaluate bag` for all bags.
    """
    try:
        stored = yaml.safe_load(path.read_text(encoding='utf-8'))
        entries = [one if isinstance(one, dict) else {'bag': one} for one in stored['bags']]
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror}); check the path') from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UserError(
            f'{path} is no manifest; give a YAML file with the key bags, a list of paths or of '
            'mappings with bag and truth'
        ) from error
    if not entries:
        raise UserError(f'{path} lists no bag; add one under the key bags')
    return [_job(path, number, entry, options) for number, entry in enumerate(entries)]


def run_fleet(jobs: Sequence[Job], output: Path, submit: Submit, *, attempts: int) -> Fleet:
    """Judge the bags that have no figures in the folder yet; each is tried so many times."""
    fleet = Fleet()
    done = {job.name: stored for job in jobs if (stored := _stored(output, job)) is not None}
    running = {submit(job): job for job in jobs if job.name not in done}
    fleet.attempts.update(job.name for job in running.values())
    while running:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            job = running.pop(future)
            outcome = _outcome(future)
            if outcome.figures is not None:
                done[job.name] = outcome.figures
                _store(output, job, outcome.figures)
            elif outcome.is_final or fleet.attempts[job.name] >= attempts:
                fleet.failed[job.name] = outcome.error
            else:
                running[submit(job)] = job
                fleet.attempts[job.name] += 1
            print(_progress(job, outcome, len(running)), file=sys.stderr, flush=True)
    fleet.figures = {job.name: done[job.name] for job in jobs if job.name in done}
    return fleet


@contextmanager
def local(workers: int) -> Iterator[Submit]:
    """Run jobs on this machine, `workers` processes at a time."""
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield lambda job: pool.submit(evaluate, job, threads)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def on_ray(address: str) -> Iterator[Submit]:
    """
    Run jobs on a Ray cluster, one CPU each.

    Its machines need this package, and the bags under the same paths.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise UserError(
            "--ray needs Ray, which is not installed; pip install 'depthforge_ros[ray]'"
        ) from error
    host, _, port = address.rpartition(':')
    try:
        if port.isdecimal():
            # Ray itself waits for minutes.
            socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S).close()
        ray.init(address=address, log_to_driver=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f'no Ray cluster answers at {address}; start one with `ray start --head` and give its '
            'address, or auto'
        ) from error
    # A task that is lost with its machine is counted and tried again here, not by Ray.
    remote = ray.remote(num_cpus=1, max_retries=0)(evaluate)
    try:
        yield lambda job: remote.remote(job, '1').future()
    finally:
        ray.shutdown()


def evaluate(job: Job, threads: str) -> Outcome:
    """Run `depthforge evaluate bag` in a process of its own with so many threads."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / 'figures.json'
        command = [sys.executable, '-m', 'depthforge_ros.cli.main', 'evaluate', 'bag']
        done = subprocess.run(
            [*command, *job.arguments, '--json', str(path)],
            env={**os.environ, 'OMP_NUM_THREADS': threads},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors='replace',
            check=False,
        )
        if done.returncode in SUCCESS_CODES:
            return Outcome(json.loads(path.read_text(encoding='utf-8')))
    last = (done.stderr.strip().splitlines() or ['it said nothing'])[-1]
    error = f'exit code {done.returncode}: {last.rpartition("error: ")[2]}'
    return Outcome(None, error, is_final=done.returncode == BAD_INPUT)


def _outcome(future: Future[Outcome]) -> Outcome:
    """Return the outcome; a worker that was lost, for any reason, is a failed attempt."""
    try:
        return future.result()
    except Exception as error:
        line = ' '.join(str(error).split())[:200]
        return Outcome(None, f'{type(error).__name__}: {line}', is_final=False)


def _merged_figures(shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not shards:
        return {}
    first, *rest = shards
    for one in rest:
        if one['classes'] != first['classes']:
            raise UserError(
                f'bags were judged in {len(first["classes"])} and in {len(one["classes"])} '
                'classes; give --label-space for all'
            )
    dropped: Counter[str] = Counter()
    for one in shards:
        dropped.update(one['dropped_by_reason'])
    clips = [Clip.from_json(clip) for one in shards for clip in one['clips']]
    unmatched = [one['unmatched_tags'] or [] for one in shards]
    return {
        **all_figures(clips, tuple(first['classes']), dropped),
        # A line of tags may be of any one bag.
        'unmatched_tags': [
            line for line in unmatched[0] if all(line in others for others in unmatched)
        ],
    }


def _job(manifest: Path, number: int, entry: Mapping[str, Any], options: Sequence[str]) -> Job:
    unknown = set(entry) - KEYS
    if unknown or not isinstance(entry.get('bag'), str):
        raise UserError(
            f'{manifest}: entry {number + 1} has the keys {", ".join(map(str, entry))}; bag is '
            'needed, truth may be there'
        )
    bag = manifest.parent / entry['bag']
    truth = ('--truth', str(manifest.parent / entry['truth'])) if entry.get('truth') else ()
    return Job(f'{number:04d}_{bag.stem}', (str(bag.absolute()), *truth, *options))


def _stored(output: Path, job: Job) -> dict[str, Any] | None:
    """Read the figures of an earlier run, if they are of the same bag and options."""
    path = output / f'{job.name}.json'
    try:
        stored = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    if stored['arguments'] != list(job.arguments) or stored['files'] != _files(job):
        return None
    figures: dict[str, Any] = stored['figures']
    try:
        for clip in figures['clips']:
            Clip.from_json(clip)
    except (KeyError, TypeError):
        # Of a version that counted other things.
        return None
    return figures


def _store(output: Path, job: Job, figures: dict[str, Any]) -> None:
    """Write the figures whole or not at all."""
    part = output / f'{job.name}.part'
    stored = {'arguments': list(job.arguments), 'files': _files(job), 'figures': figures}
    part.write_text(json.dumps(stored), encoding='utf-8')
    part.rename(part.with_suffix('.json'))


def _files(job: Job) -> list[list[Any]]:
    """Name, size and time of change of a bag's files."""
    bag = Path(job.arguments[0])
    files = sorted(bag.iterdir()) if bag.is_dir() else [bag] if bag.exists() else []
    return [[one.name, one.stat().st_size, one.stat().st_mtime_ns] for one in files]


def _progress(job: Job, outcome: Outcome, left: int) -> str:
    how = 'judged' if outcome.figures is not None else f'failed ({outcome.error})'
    return f'{job.name}: {how}; {left} to go'
