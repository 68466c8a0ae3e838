# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Write the tables of figures in README.md and in the pages that PAGES names.

`python docs/tables.py` takes them from benchmarks/results and from the code, so that a figure is
entered nowhere by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from blocks import Blocks, read_result, RESULTS, table, write
from model_tables import ablation, attempts, dry_run
from spatial_tables import grid, lidar
from study_tables import study_depth

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ('depthforge_small', 'depthforge_tiny')
SETS = {
    'kitti': 'KITTI',
    'bdd10k': 'BDD100K',
    'camvid_test': 'CamVid test',
    'camvid_test_day': 'CamVid test, day',
    'camvid_test_dusk': 'CamVid test, dusk',
    'cityscapes_val': 'Cityscapes val',
    'bundled_drive': 'bundled drive',
}
"""What the sets of benchmarks/accuracy.py are called, in the order of the table."""
UNSEEN = ('kitti', 'bdd10k')
"""Sets that neither shipped model was trained on."""
TARGET_NODE = {'transport': 'raw', 'rate_hz': 30.0}
ROW = dict[str, Any]


def _judged() -> dict[tuple[str, str], ROW]:
    """Return the rows of benchmarks/accuracy.py by model and set; a later file goes before."""
    files = sorted(
        RESULTS.glob('accuracy_*.json'), key=lambda path: read_result(path.stem)['date']
    )
    return {
        (row['model'], row['set']): row for path in files for row in read_result(path.stem)['rows']
    }


def _percent(share: float, digits: int = 0) -> str:
    return f'{100 * share:.{digits}f} %'


def accuracy() -> str:
    """Return mIoU of the shipped models by set."""
    judged = _judged()
    found = {name for _, name in judged}
    names = [*(name for name in SETS if name in found), *sorted(found - set(SETS))]
    rows = []
    for name in names:
        of_set = [judged.get((model, name)) for model in SHIPPED]
        any_row = next(row for row in of_set if row)
        rows.append([
            SETS.get(name, name),
            'unseen' if name in UNSEEN else '',
            f'{len(any_row["per_class"])}',
            f'{any_row["images"]}',
            ', '.join('-' if row is None else f'{row["short_side"]}' for row in of_set),
            *('-' if row is None else f'{row["miou"]:.1f}' for row in of_set),
        ])  # fmt: skip
    head = 'set | | classes | images | short side, pixels | ' + ' | '.join(
        f'`{model}`' for model in SHIPPED
    )
    return table(head, rows)


def _on_unseen(model: str) -> str:
    judged = _judged()
    rows = {name: judged[model, name] for name in UNSEEN if (model, name) in judged}
    return ', '.join(
        f'{SETS[name]} {row["miou"]:.1f} % ({len(row["per_class"])} classes)'
        for name, row in rows.items()
    )


def five_numbers() -> str:
    """Return the README's table."""
    cpu = max(
        (row for row in read_result('cpu')['rows'] if row['model'] == 'depthforge_tiny'),
        key=lambda row: float(row['fps']),
    )
    node = [
        case['latency_ms_p50']
        for resolution in ('camera', 'network')
        for case in read_result('node')['cases']
        if case['output_resolution'] == resolution
        and all(case[key] == value for key, value in TARGET_NODE.items())
    ]
    judging = read_result('evaluate_cost')['cpu_s_per_1000_frames']['null']['median']
    return table('five numbers | ', [
        ['mIoU of `depthforge_small` on streets never trained on', _on_unseen('depthforge_small')],
        ['mIoU of `depthforge_tiny` (bundled) there', _on_unseen('depthforge_tiny')],
        [f'`depthforge_tiny` at {cpu["size"]} on two CPU cores, engine {cpu["engine"]}',
         f'{cpu["fps"]:.1f} frames/s'],
        ['the node beside its model, 1920x1280 at 30 Hz, two CPU cores',
         f'{node[0]:.1f} ms; with outputs of the network size {node[1]:.1f} ms'],
        ['reading and judging 1000 frames of a drive', f'{judging:.0f} s of one core'],
    ])  # fmt: skip


def cpu() -> str:
    """Return the engines on the CPU."""
    head = 'model|size|engine|frames/s|ms, median (least)|times eager|masks as eager|peak MiB'
    return table(head, [
        [row['model'], row['size'], row['engine'], f'{row["fps"]:.2f}',
         f'{row["ms_median"]:.0f} ({row["ms_least"]:.0f})', f'{row["times_eager"]:.2f}',
         _percent(row['mask_agreement'], 1), f'{row["peak_mib"]:.0f}']
        for row in read_result('cpu')['rows']
    ])  # fmt: skip


def stages() -> str:
    """Return the share of each part of the network in eager's time."""
    shares = sorted(read_result('cpu')['tiny_stage_shares'].items(), key=lambda one: -one[1])
    return table('part|share', [[part, _percent(x / 100)] for part, x in shares])


def node() -> str:
    """Return what the node costs beside its model."""
    head = (
        'input|size of the outputs|latency, ms, p50 / p99|age, ms, p50 / p99|CPU, ms a frame'
        '|CPU shares|sent|lost'
    )
    return table(head, [
        [_input(case), case['output_resolution'],
         f'{case["latency_ms_p50"]:.1f} / {case["latency_ms_p99"]:.1f}',
         f'{case["age_ms_p50"]:.0f} / {case["age_ms_p99"]:.0f}', f'{case["cpu_ms_per_frame"]:.1f}',
         f'{_percent(case["cpu_share"])}, {_percent(case["executor_cpu_share"])}',
         f'{case["sent"]}', f'{case["lost"]}']
        for case in read_result('node')['cases']
    ])  # fmt: skip


def _input(case: ROW) -> str:
    cameras = len(case['cameras'])
    several = f' x {cameras} cameras' if cameras > 1 else ''
    at_once = ' at once' if case['at_once'] else ''
    return f'{case["transport"]}, {case["rate_hz"]:.0f} Hz{several}{at_once}'


def middleware() -> str:
    """Return the node beside a bare one."""
    report = read_result('middleware')
    rows = [
        [name, *(f'{value:.1f}' for value in report['latency_ms_p50'][key])]
        for name, key in (('ours, ms', 'depthforge'), ('bare, ms', 'bare'))
    ]
    rows.append(['ours over bare', *(f'{value:.2f}' for value in report['ratio'])])
    return table('latency, p50|least|median|most', rows)


def judging() -> str:
    """Return the CPU time of judging."""
    report = read_result('evaluate_cost')
    names = {'null': 'read and judge', 'eager': f'with `{report["model"]}`, engine eager'}
    return table('1000 frames|median, s|least to most, s', [
        [f'{names[key]}, {report["size"]}', f'{cost["median"]:.0f}',
         f'{cost["min"]:.0f} to {cost["max"]:.0f}']
        for key, cost in report['cpu_s_per_1000_frames'].items()
    ])  # fmt: skip


def transformers() -> str:
    """Return our speed over that of the assembly from transformers."""
    head = (
        'model|size|theirs, ms|ours, ms|fp32|int8, memory kept|int8, memory kept by both'
        '|peak MiB: theirs, ours, int8'
    )
    return table(head, [
        [row['model'], row['size'], f'{row["ms"]["theirs"]:.0f}', f'{row["ms"]["ours"]:.0f}',
         *(_spread(row, key) for key in (
             'ratio_same_dtype', 'ratio_best', 'ratio_best_to_theirs_kept')),
         ', '.join(f'{row["peak_mib"][side]:.0f}' for side in ('theirs', 'ours', 'int8'))]
        for row in read_result('vs_transformers')['rows']
    ])  # fmt: skip


def _spread(row: ROW, key: str) -> str:
    least, most = row[f'{key}_spread']
    return f'{row[key]:.2f} ({least:.2f} to {most:.2f})'


def engines() -> str:
    """Return what engines and windows cost in mIoU."""
    rows = read_result('engine_accuracy')['rows']
    models = dict.fromkeys(row['model'] for row in rows)
    names = dict.fromkeys(row['engine'] for row in rows)
    miou = {(row['model'], row['engine']): row['miou'] for row in rows}
    images = {row['model']: row['images'] for row in rows}
    return table(
        'engine|' + '|'.join(f'`{model}`, {images[model]} images' for model in models),
        [
            [name, *(f'{miou[m, name]:.2f}' if (m, name) in miou else '-' for m in models)]
            for name in names
        ],
    )


def sparse_depth() -> str:
    """Return what depth for every n-th frame alone gains and costs."""
    return table('model|`depth_every`|times as fast|mIoU', [
        [f'`{row["model"]}`', f'{row["depth_every"]}', f'{row["times_as_fast"]:.2f}',
         f'{row["miou"]:.2f}']
        for row in read_result('sparse_depth')['rows']
    ])  # fmt: skip


def corruptions() -> str:
    """Return mIoU under each corruption by severity."""
    rows = read_result('corruptions_tiny')['corruptions']
    miou = {(row['name'], row['severity']): row['miou'] for row in rows}
    severities = sorted({severity for _, severity in miou})
    return table(f'corruption|{"|".join(map(str, severities))}', [
        [name, *(f'{miou[name, severity]:.1f}' for severity in severities)]
        for name in dict.fromkeys(name for name, _ in miou)
    ])  # fmt: skip


def domain() -> str:
    """Return how well distance and entropy tell changed frames."""
    reports = {
        model: read_result(f'domain_shift_{model.split("_")[1]}')['kinds'] for model in SHIPPED
    }
    head = 'frames|' + '|'.join(f'`{model}`: distance|entropy' for model in SHIPPED)
    kinds = dict.fromkeys(kind for model in SHIPPED for kind in reports[model])
    rows = []
    for kind in kinds:
        figures = [reports[model].get(kind) for model in SHIPPED]
        cells = [
            '-' if of_model is None else f'{of_model[f"auroc_{what}"]:.2f}'
            for of_model in figures
            for what in ('domain_shift', 'mean_entropy')
        ]
        rows.append([kind.replace('_', ' '), *cells])
    return table(head, rows)


def anomalies() -> str:
    """Return how well entropy and features find unknown objects on the road."""
    found = read_result('anomalies')
    rows = [
        [name.replace('_', ' '), f'{found[name]["auroc"]:.1f} %', f'{found[name]["fpr95"]:.1f} %']
        for name in ('entropy', 'feature_distance')
    ]
    return table('score of a pixel|AUROC|FPR95', rows)


def models() -> str:
    """Return the named models with their sizes."""
    from depthforge_ros.model.registry import MODELS, outline, plan

    rows = []
    for entry in MODELS.values():
        network = outline(entry.name)
        counts = [
            sum(one.numel() for one in part.parameters()) if part else 0
            for part in (network, network.tokens)
        ]
        space = plan(entry.name)[1]
        rows.append([
            f'`{entry.name}`', *(f'{count:,}' for count in counts),
            f'`{space.name}`, {len(space)}', entry.summary, entry.terms,
        ])  # fmt: skip
    return table('model|parameters|tokens and projections|classes|what it is|licence', rows)


def recording() -> str:
    """Return the commands that record and judge, with the classes of the bundled model."""
    from depthforge_ros.model.registry import DEFAULT_MODEL, plan

    labels = plan(DEFAULT_MODEL)[1].name
    return f"""```bash
depthforge make-bag IMAGES --labels LABELS --camera-info drive/camera.yaml --rate-hz 10 \
--output drive_bag
depthforge node --ros-args -r image:=/camera/image &
depthforge record --output out_bag /camera/image /depthforge/segmentation/mask /diagnostics &
depthforge replay drive_bag --wait-for /camera/image /camera/image
kill -INT %1 %2; wait
depthforge evaluate bag out_bag --truth drive_bag --mask-labels {labels} --report report.html
```"""


def onnx() -> str:
    """Return what benchmarks/onnx_export.py wrote."""
    rows = [
        [
            f'`{row["model"]}`' + (', random weights' if row['weights'] == 'random' else ''),
            f'{row["width"]}x{row["height"]}',
            row['batch'],
            f'{row["bytes"] / 2**20:.0f}, {len(row["files"])}',
            _percent(row['mask_agreement'], 3),
            _percent(row['depth_error'], 4),
            f'{row["confidence_error"]:.1e}, {row["entropy_error"]:.1e}',
        ]
        for row in read_result('onnx_export')
    ]
    return table(
        'model|size|batch|MiB, files|masks as eager|depth off by|confidence, entropy off by', rows
    )


PAGES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    'README.md': {'five numbers': five_numbers, 'recording': recording},
    'docs/accuracy.md': {
        'accuracy': accuracy,
        'engines': engines,
        'sparse depth': sparse_depth,
        'corruptions': corruptions,
        'domain': domain,
        'anomalies': anomalies,
    },
    'docs/performance.md': {
        'cpu': cpu,
        'stages': stages,
        'node': node,
        'middleware': middleware,
        'judging': judging,
        'transformers': transformers,
    },
    'docs/grid.md': {'grid': grid},
    'docs/lidar.md': {'lidar': lidar},
    'docs/models.md': {'models': models},
    'docs/onnx.md': {'onnx': onnx},
    'docs/speed.md': {'attempts': attempts},
    'docs/study.md': {'ablation': ablation, 'study depth': study_depth},
    'docs/tensorrt.md': {'dry run': dry_run},
}


def blocks(page: str) -> Blocks:
    """Return the tables of a page of PAGES."""
    return {name: make() for name, make in PAGES[page].items()}


if __name__ == '__main__':
    for page in PAGES:
        write(ROOT / page, blocks(page))
