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
from depthforge_ros.model.config import NetworkConfig
from depthforge_trainer.config import build_config, FitConfig
from depthforge_trainer.lock import alone_in
from depthforge_trainer.networks import build_network, Make, take_over
from depthforge_trainer.phase import Phase
from depthforge_trainer.state import check_same, STATE, text_of
from depthforge_trainer.targets import TARGETS
from depthforge_trainer.train import fit, LAST
from depthforge_trainer.validation import FrozenDepth

RECORD = 'config.json'
"""The configuration that a run was made with."""
AVERAGE = 'unseen average'
TABLE = 'study.md'


@dataclass(frozen=True)
class StudyConfig:
    """Everything that `depthforge-train study` needs."""

    output: str
    """Folder of a run each in VARIANT/SEED, of the caches, and of study.json and study.md."""
    fit: dict[str, Any]
    """What all runs share, as `fit` takes it, without output, seed, and start_from where there is
    a `start`; without a cache each seed has its own. Targets are named `group` or `group/member`;
    a group counts as one, the mean of its members."""
    variants: dict[str, Any]
    """By name what a variant has otherwise, merged into `fit`; the first is compared with."""
    unseen: tuple[str, ...]
    """Groups of targets that make the average."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each variant runs with each."""
    start: tuple[Phase, ...] = ()
    """Phases before those of `fit`, done once for all variants of a seed that begin alike, which
    may differ in `phases`, `targets` and, if only the head is trained, in how the tokens work:
    what then differs between these is not their beginning."""

    def __post_init__(self) -> None:
        if not self.variants or not self.seeds:
            raise UserError('the study has no variants or no seeds; name at least one of each')
        if not self.unseen:
            raise UserError('unseen is empty; name the groups of targets that make the average')
        for name, changes in {'fit': self.fit, **self.variants}.items():
            if changes is not None and not isinstance(changes, dict):
                raise UserError(
                    f'variant {name} is {changes!r}; expected a mapping of what it has otherwise'
                )
            own = [key for key in self._own if key in (changes or {})]
            if own:
                raise UserError(
                    f'{name} names {", ".join(own)}, which the study gives to each run; leave it '
                    'out'
                )
        for name in self.variants:
            groups = {source.name.partition('/')[0] for source in self.run(name, 0).targets}
            lacking = [group for group in self.unseen if group not in groups]
            if lacking or '' in groups:
                raise UserError(
                    f'unseen names {", ".join(lacking) or "all groups"}, but the targets are '
                    f'{", ".join(repr(group) for group in sorted(groups)) or "none"}; name every '
                    'target, and in unseen only groups of them'
                )

    @property
    def _own(self) -> tuple[str, ...]:
        """Return the keys that the study gives to each run."""
        return ('output', 'seed', *(['start_from'] if self.start else []))

    def run(self, variant: str, seed: int) -> FitConfig:
        """Configure one run; a cache of frozen features serves variants with the same views."""
        folder = Path(self.output)
        fit = self._fit(variant)
        cache = fit.cache or str(folder / f'cache_{seed}{self._cache_suffix(variant)}')
        run = replace(fit, output=str(folder / variant / str(seed)), cache=cache, seed=seed)
        if not self.start:
            return run
        return replace(run, start_from=str(self._start_folder(variant, seed) / LAST))

    def start_run(self, variant: str, seed: int) -> FitConfig:
        """Configure what comes before `run`: the same for variants that begin alike."""
        owner = self._start_owner(variant)
        output = str(self._start_folder(variant, seed))
        return replace(
            self.run(owner, seed), output=output, phases=self.start, start_from='', targets=()
        )

    def frozen(self, variant: str) -> tuple[object, ...]:
        """Return what the frozen depth stream says about an image depends on."""
        fit = self._fit(variant)
        return fit.model.encoder, fit.model.short_side, fit.foundation, fit.start_from

    def _fit(self, variant: str) -> FitConfig:
        """Configure what is a variant's, whichever seed."""
        fields = merged(self.fit, self.variants[variant] or {}) | {'output': self.output}
        config: FitConfig = build_config(FitConfig, fields, f'variant {variant}')
        return config

    def _cache_suffix(self, variant: str) -> str:
        """Name the first variant that has the same cached features, unless it is the first."""

        def cached(name: str) -> tuple[object, ...]:
            fit = self._fit(name)
            stream = fit.model.encoder, fit.foundation, fit.start_from
            return *stream, fit.sources, fit.label_space, fit.augment, fit.cached_views

        owner = next(name for name in self.variants if cached(name) == cached(variant))
        return '' if owner == next(iter(self.variants)) else f'_{owner}'

    def _start_folder(self, variant: str, seed: int) -> Path:
        return Path(self.output) / 'start' / self._start_owner(variant) / str(seed)

    def _start_owner(self, variant: str) -> str:
        """Name the first variant that begins alike."""
        return next(name for name in self.variants if self._begun(name) == self._begun(variant))

    def _begun(self, variant: str) -> FitConfig:
        """Return what a start depends on: its configuration without what comes after it."""
        fit = replace(self._fit(variant), phases=self.start, targets=())
        if any(phase.train != 'head' for phase in self.start):
            return fit
        # A head learns without tokens, and how these work may change afterwards.
        return replace(fit, model=take_over(fit.model, NetworkConfig()))


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


def study(
    config: StudyConfig,
    *,
    seeds: Sequence[int] = (),
    variants: Sequence[str] = (),
    makers: Mapping[str, Make] | None = None,
) -> Path:
    """
    Do the runs that are not done yet, write the table after each, and return its path.

    `seeds` and `variants` do a part of the study, all by default. Processes may share its folder:
    what one is at work on, the others wait for. `makers` make the networks of some variants, which
    no configuration can say.
    """
    seeds, variants = _part(config, seeds, variants)
    if int(os.environ.get('WORLD_SIZE', '1')) > 1:
        raise UserError('a study does not run under torchrun; start its processes each by itself')
    _check_records(config)
    frozen = _frozen_depth(config, variants)
    # Seed by seed, so that a study that is stopped has compared all variants on some.
    for seed in seeds:
        for variant in variants:
            run = config.run(variant, seed)
            stream = frozen[config.frozen(variant)]
            make = (makers or {}).get(variant, build_network)
            if config.start and not _is_done(run, TARGETS):
                _train(config.start_run(variant, seed), LAST, stream, make)
            _train(run, TARGETS, stream, make)
            _write_table(config)
    return Path(config.output) / TABLE


def _frozen_depth(config: StudyConfig, variants: Sequence[str]) -> dict[object, FrozenDepth]:
    """Share what a frozen depth stream says among the variants that have it."""
    models: dict[object, list[NetworkConfig]] = {}
    for variant in variants:
        models.setdefault(config.frozen(variant), []).append(config.run(variant, 0).model)
    return {stream: FrozenDepth(of_stream) for stream, of_stream in models.items()}


def _check_records(config: StudyConfig) -> None:
    """Refuse a study that has runs of another configuration; those without a record are taken."""
    for seed in config.seeds:
        for variant in config.variants:
            runs = [(config.run(variant, seed), TARGETS)]
            if config.start:
                runs.append((config.start_run(variant, seed), LAST))
            for run, product in runs:
                record = Path(run.output) / RECORD
                stopped = (Path(run.output) / STATE).is_file()
                if record.is_file() and (stopped or _is_done(run, product)):
                    check_same(record, record.read_text(), run, 'name another output')


def _is_done(run: FitConfig, product: str) -> bool:
    """Tell whether a run's product is there, and no state of a stopped run."""
    folder = Path(run.output)
    return (folder / product).is_file() and not (folder / STATE).is_file()


def _part(
    config: StudyConfig, seeds: Sequence[int], variants: Sequence[str]
) -> tuple[Sequence[int], Sequence[str]]:
    odd = [str(seed) for seed in seeds if seed not in config.seeds]
    odd += [name for name in variants if name not in config.variants]
    if odd:
        raise UserError(
            f'{", ".join(odd)} is not of this study; it has the seeds '
            f'{", ".join(map(str, config.seeds))} and the variants {", ".join(config.variants)}'
        )
    return seeds or config.seeds, variants or tuple(config.variants)


def _train(run: FitConfig, product: str, frozen: FrozenDepth, make: Make) -> None:
    """Do a run, or the rest of it, unless it is done; one process at a time."""
    folder = Path(run.output)
    with alone_in(folder):
        if _is_done(run, product):
            return
        stopped = (folder / STATE).is_file()
        if not stopped:
            (folder / RECORD).write_text(text_of(run))
        fit(run, resume=stopped, frozen=frozen, make=make)


def _write_table(config: StudyConfig) -> None:
    """Write what is done so far, by whichever process."""
    table = Path(config.output) / TABLE
    with alone_in(table.parent):
        done = []
        for variant in config.variants:
            for seed in config.seeds:
                path = Path(config.run(variant, seed).output) / TARGETS
                if path.is_file():
                    done.append(Judged(variant, seed, _read(path)))
        rows = [{'variant': one.variant, 'seed': one.seed, 'miou': dict(one.miou)} for one in done]
        summary = {'unseen': list(config.unseen), 'runs': rows}
        for path, text in (
            (table.with_suffix('.json'), json.dumps(summary, indent=1)),
            (table, '\n'.join(lines(done, config.unseen))),
        ):
            partial = path.with_name(f'{path.name}.partial')
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
