# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The tables of study.md, speed.md and tensorrt.md, which tables.py writes."""

from __future__ import annotations

from blocks import read_result, table

SETS = {'kitti': 'KITTI', 'bdd10k': 'BDD100K', 'camvid_test': 'CamVid test'}
DEPTHS = {
    'own': 'the frame itself',
    'other': 'another frame',
    'constant': 'none: each map is replaced by its mean',
}


def ablation() -> str:
    """Return what the masks owe to depth, by model."""
    rows = read_result('depth_ablation')['rows']
    sets = dict.fromkeys(row['set'] for row in rows)
    miou = {(row['model'], row['set'], key): row[key] for row in rows for key in DEPTHS}
    models = dict.fromkeys(row['model'] for row in rows)
    head = 'model|depth of|' + '|'.join(SETS.get(name, name) for name in sets)
    return table(head, [
        [f'`{model}`', text, *(f'{miou[model, name, key]:.1f}' for name in sets)]
        for model in models for key, text in DEPTHS.items()
    ])  # fmt: skip


ATTEMPTS = {
    'deformable attention as one': ("the pixel decoder's sampling, small", 'the same'),
    'mask features': ('one map of 128 channels, small', 'the same'),
    'what training leaves': ('bundled model', 'the same'),
    'streams of their own': ('bundled model', 'the same'),
    'winning class': ('11 classes at 1008x504', 'the same'),
    'inductor': ('bundled model', 'the same'),
    'weights and activations': ('bundled model', 'rounding'),
    'attention in bf16': ('one block of ViT-S, 2593 patches', 'rounding'),
    'linear layers in int8': ('bundled model', 'rounding'),
    'refinement gates': ('refinement decoder, small', 'another training: [the study](study.md)'),
}
"""What benchmarks/attempts.py measured, by the beginning of its name: of what, and the answer."""


def attempts() -> str:
    """Return what each attempt that is kept gained."""
    rows = []
    for start, (of, answer) in ATTEMPTS.items():
        row = next(
            one for one in read_result('attempts')['rows'] if one['attempt'].startswith(start)
        )
        times = f'{row["times_as_fast"]:.2f} ({row["least"]:.2f} to {row["most"]:.2f})'
        milliseconds = [_short(row[key]) for key in ('before_ms', 'after_ms')]
        rows.append([row['attempt'], of, *milliseconds, times, answer])
    return table('what|of|before, ms|after, ms|times as fast (least to most)|answer', rows)


def _short(milliseconds: float) -> str:
    digits = 2 if milliseconds < 1 else 1 if milliseconds < 20 else 0
    return f'{milliseconds:.{digits}f}'


def dry_run() -> str:
    """Return what the builder of TensorRT did without a GPU, by model, precision and batch."""
    order = {'fp16': 0, 'bf16': 1, 'fp8': 2}
    runs = read_result('tensorrt_dry_run')
    models = list(dict.fromkeys(run['model'] for run in runs))
    runs.sort(key=lambda run: (models.index(run['model']), order[run['precision']], run['batch']))
    rows = []
    for run in runs:
        is_random = run['weights'] == 'random'
        shares = [run['mask_agreement'], run['depth_error']]
        near = ['-' if is_random else f'{100 * share:.2f}' for share in shares]
        rows.append([
            f'`{run["model"]}`', f'{run["width"]}x{run["height"]}', run['precision'],
            run['batch'], f'{run["operators"]}', f'{run["engine_bytes"] / 2**20:.0f}', *near,
            f'{100 * run["feature_error"]:.2f}',
        ])  # fmt: skip
    head = 'model|size|precision|batch|operators|engine, MiB|same class, %|depth, %|features, %'
    return table(head, rows)
