# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A study: variants of one training, several seeds each, judged on domains never trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import csv
from dataclasses import dataclass, replace
import json
import os
from pathlib import Path
import statistics
from typing import Any, NamedTuple

from depthforge_ros.errors import UserError
from depthforge_trainer.config import build_config, FitConfig, Phase
from depthforge_trainer.state import STATE
from depthforge_trainer.train import fit, LAST, TARGETS
from depthforge_trainer.validation import FrozenDepth

AVERAGE = 'unseen average'
TABLE = 'study.md'


@dataclass(frozen=True)
class StudyConfig:
    """Everything that `depthforge-train study` needs."""

    output: str
    """Folder of a run each in VARIANT/SEED, of the caches, and of study.json and study.md."""
    fit: dict[str, Any]
    """What all runs share, as `fit` takes it, without output, cache and seed. Targets are named
    `group` or `group/member`; a group counts as one, the mean of its members."""
    variants: dict[str, Any]
    """By name what a variant has otherwise, merged into `fit`; the first is compared with."""
    unseen: tuple[str, ...]
    """Groups of targets that make the average."""
    seeds: tuple[int, ...] = (0, 1, 2)
    start: tuple[Phase, ...] = ()
    """Phases before those of `fit`, done once for all variants of a seed that have the same head:
    what then differs between these is not their beginning."""

    def __post_init__(self) -> None:
        if not self.variants or not self.seeds:
            raise UserError('a study without variants or seeds came; name at least one of each')
        for name in self.variants:
            groups = {source.name.partition('/')[0] for source in self.run(name, 0).targets}
            lacking = [group for group in self.unseen if group not in groups]
            if lacking or '' in groups:
                raise UserError(
                    f'unseen names {", ".join(lacking) or "all groups"}, but the targets are '
                    f'{", ".join(repr(group) for group in sorted(groups)) or "none"}; name every '
                    'target, and in unseen only groups of them'
                )

    def run(self, variant: str, seed: int) -> FitConfig:
        """Configure one run; a cache of frozen features serves all variants of a seed."""
        folder = Path(self.output)
        own = {
            'output': str(folder / variant / str(seed)),
            'cache': str(folder / f'cache_{seed}'),
            'seed': seed,
        }
        if self.start:
            own['start_from'] = str(self._start_folder(variant, seed) / LAST)
        fields = merged(merged(self.fit, self.variants[variant] or {}), own)
        config: FitConfig = build_config(FitConfig, fields, f'variant {variant}')
        return config

    def start_run(self, variant: str, seed: int) -> FitConfig:
        """Configure what comes before `run`: the same for variants with the same head."""
        run = self.run(variant, seed)
        output = str(self._start_folder(variant, seed))
        return replace(run, output=output, phases=self.start, start_from='', targets=())

    def _start_folder(self, variant: str, seed: int) -> Path:
        def head(name: str) -> Any:
            return merged(self.fit, self.variants[name] or {}).get('model', {}).get('head')

        owner = next(name for name in self.variants if head(name) == head(variant))
        return Path(self.output) / 'start' / owner / str(seed)


class Judged(NamedTuple):
    """What one run reached."""

    variant: str
    seed: int
    miou: Mapping[str, float]
    """Percent, by target."""

    def figures(self, unseen: Sequence[str]) -> dict[str, float]:
        """Mean mIoU of every group of targets, and the average of the unseen ones."""
        groups: dict[str, list[float]] = {}
        for name, miou in self.miou.items():
            groups.setdefault(name.partition('/')[0], []).append(miou)
        means = {group: statistics.mean(values) for group, values in groups.items()}
        return {**means, AVERAGE: statistics.mean(means[group] for group in unseen)}


def study(config: StudyConfig, *, seeds: Sequence[int] = (), variants: Sequence[str] = ()) -> Path:
    """
    Do the runs that are not done yet, write the table after each, and return its path.

    `seeds` and `variants` do a part of the study, all by default: processes that share its folder
    may do a seed each at the same time.
    """
    seeds, variants = _part(config, seeds, variants)
    frozen = FrozenDepth()
    # Seed by seed, so that a study that is stopped has compared all variants on some.
    for seed in seeds:
        for variant in variants:
            run = config.run(variant, seed)
            if not (Path(run.output) / TARGETS).is_file():
                if config.start:
                    _train(config.start_run(variant, seed), LAST, frozen)
                _train(run, TARGETS, frozen)
            _write_table(config)
    return Path(config.output) / TABLE


def _part(
    config: StudyConfig, seeds: Sequence[int], variants: Sequence[str]
) -> tuple[Sequence[int], Sequence[str]]:
    odd = [str(seed) for seed in seeds if seed not in config.seeds]
    odd += [name for name in variants if name not in config.variants]
    if odd:
        raise UserError(
            f'{", ".join(odd)} came; the study has the seeds '
            f'{", ".join(map(str, config.seeds))} and the variants {", ".join(config.variants)}'
        )
    return seeds or config.seeds, variants or tuple(config.variants)


def _train(run: FitConfig, product: str, frozen: FrozenDepth) -> None:
    """Do a run, or the rest of it, unless its product is there and no state of a stopped run."""
    folder = Path(run.output)
    stopped = (folder / STATE).is_file()
    if stopped or not (folder / product).is_file():
        fit(run, resume=stopped, frozen=frozen)


def _write_table(config: StudyConfig) -> None:
    """Write what is done so far, by whichever process."""
    done = []
    for variant in config.variants:
        for seed in config.seeds:
            path = Path(config.run(variant, seed).output) / TARGETS
            if path.is_file():
                done.append(Judged(variant, seed, _read(path)))
    rows = [{'variant': one.variant, 'seed': one.seed, 'miou': dict(one.miou)} for one in done]
    summary = {'unseen': list(config.unseen), 'runs': rows}
    table = Path(config.output) / TABLE
    for path, text in (
        (table.with_suffix('.json'), json.dumps(summary, indent=1)),
        (table, '\n'.join(lines(done, config.unseen))),
    ):
        partial = path.with_name(f'{path.name}.{os.getpid()}')
        partial.write_text(text + '\n')
        partial.replace(path)


def lines(runs: Sequence[Judged], unseen: Sequence[str]) -> Iterator[str]:
    """
    Make a Markdown table: mean and deviation over the seeds.

    The last column is what a variant's unseen average has more than the first variant's, seed by
    seed: the seeds' common luck is not in it.
    """
    by_variant: dict[str, dict[int, dict[str, float]]] = {}
    for run in runs:
        by_variant.setdefault(run.variant, {})[run.seed] = run.figures(unseen)
    first, reference = next(iter(by_variant.items()))
    names = list(next(iter(reference.values())))
    yield f'| variant | seeds | {" | ".join(names)} | more than {first} |'
    yield '|---' * (len(names) + 3) + '|'
    for variant, by_seed in by_variant.items():
        cells = [_cell([one[name] for one in by_seed.values()]) for name in names]
        gains = [
            figures[AVERAGE] - reference[seed][AVERAGE]
            for seed, figures in by_seed.items()
            if seed in reference and variant != first
        ]
        cells.append(_cell(gains, '+') if gains else '')
        yield f'| {variant} | {len(by_seed)} | {" | ".join(cells)} |'


def _cell(values: Sequence[float], sign: str = '') -> str:
    spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
    return f'{statistics.mean(values):{sign}.1f}{spread}'


def _read(path: Path) -> dict[str, float]:
    with path.open(newline='') as file:
        return {row['name']: float(row['miou']) for row in csv.DictReader(file)}


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings into mappings; everything else replaces."""
    out = dict(base)
    for name, value in changes.items():
        before = out.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = merged(before, value)
        out[name] = value
    return out
