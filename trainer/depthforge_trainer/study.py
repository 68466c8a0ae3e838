# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A study: variants of one training, several seeds each, judged on domains never trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import csv
from dataclasses import dataclass, replace
import json
from pathlib import Path
import statistics
from typing import Any, NamedTuple

from depthforge_ros.errors import UserError
from depthforge_trainer.config import build_config, FitConfig, Phase
from depthforge_trainer.state import STATE
from depthforge_trainer.train import fit, LAST, TARGETS

AVERAGE = 'unseen average'


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


def study(config: StudyConfig) -> Path:
    """Do the runs that are not done yet, write the table after each, and return its path."""
    table = Path(config.output) / 'study.md'
    # Seed by seed, so that a study that is stopped has compared all variants on some.
    done: list[Judged] = []
    for seed in config.seeds:
        for variant in config.variants:
            run = config.run(variant, seed)
            folder = Path(run.output)
            if not (folder / TARGETS).is_file():
                if config.start:
                    _train(config.start_run(variant, seed), LAST)
                _train(run, TARGETS)
            done.append(Judged(variant, seed, _read(folder / TARGETS)))
            rows = [
                {'variant': one.variant, 'seed': one.seed, 'miou': dict(one.miou)} for one in done
            ]
            summary = {'unseen': list(config.unseen), 'runs': rows}
            table.with_suffix('.json').write_text(json.dumps(summary, indent=1) + '\n')
            table.write_text('\n'.join(lines(done, config.unseen)) + '\n')
    return table


def _train(run: FitConfig, product: str) -> None:
    """Do a run, or the rest of it, unless its product is there and no state of a stopped run."""
    folder = Path(run.output)
    stopped = (folder / STATE).is_file()
    if stopped or not (folder / product).is_file():
        fit(run, resume=stopped)


def lines(runs: Sequence[Judged], unseen: Sequence[str]) -> Iterator[str]:
    """Make a Markdown table: mean and deviation over the seeds, and what the first gains."""
    by_variant: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        by_variant.setdefault(run.variant, []).append(run.figures(unseen))
    names = list(next(iter(by_variant.values()))[0])
    yield f'| variant | seeds | {" | ".join(names)} |'
    yield '|---' * (len(names) + 2) + '|'
    for variant, figures in by_variant.items():
        cells = [_cell([one[name] for one in figures]) for name in names]
        yield f'| {variant} | {len(figures)} | {" | ".join(cells)} |'


def _cell(values: Sequence[float]) -> str:
    spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
    return f'{statistics.mean(values):.1f}{spread}'


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
