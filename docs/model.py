# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write docs/model.md from the kept figures: python docs/model.py."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = """# The model, its forms and its proofs

A checkpoint (safetensors) stores its configuration, whose fields `depthforge_ros/model/config.py`
describes; a training configuration gives the same fields under `model`.

| field | values |
|---|---|
| `tokens.attention` | `joint`, `separate` (with `depth_weight`), `visual` (Rein: no depth) |
| `tokens.cosine` | 0: scaled dot products, as published; else the temperature of cosines |
| `head.refine`, `head.refine_tokens` | the depth refinement decoder as the paper has it |
| `head.gate_on: finest`, `head.one_gate: true` | the same as the published code has it |
| `visual` | DINOv2 (with `registers` or not), EVA02, or none: the depth stream's encoder |
| `patch` | 14; any other by FlexiViT's pseudo-inverse resize when weights are read |
| `dpt.max_depth_m` | 0: relative depth; else metric, sigmoid times it |

**Exactness.** At load, all that training leaves constant is folded. The folded form equals the
training form within 1e-5 in fp32, over sizes, batches and options (`test/test_model.py`,
`test/test_streams.py`). Inputs of fewer than four patches are compared in float64: over so few
cells a group norm divides the rounding errors of fp32 by almost nothing, in either form.

**Export.** Every named model exports by `torch.export` with a static and a dynamic batch
(`test/test_export.py`). As always with `torch.export`, the example of a dynamic batch has two
images or more:

```python
network = load_model('depthforge_tiny')[0].eval().fold()
images = torch.zeros(2, 256, 512, 3, dtype=torch.uint8)
batch = {{0: torch.export.Dim('batch', min=1, max=6)}}
program = torch.export.export(network, (images,), dynamic_shapes=(batch,))
```

**Parity.** Written by `python docs/model.py` from `benchmarks/results/parity.json`, which
`python benchmarks/parity_table.py` measured: parts at their published sizes, on random weights
that go through `convert`, against `transformers` (EVA02: the NumPy reference of the tests), in
fp32. The error is the largest difference, over the largest value where that is above 1; {target:g}
is the most that is allowed. `transformers` lacks the offset of 0.1 with which official DINOv2
resizes its positions, so it is set to 0 for this; the tests check the offset by themselves.
Where both sides call the same operators in the same order, the difference is exactly 0.

| part | sizes of | input | largest error |
|---|---|---|---|
{rows}
"""


def page() -> str:
    """Return the page."""
    report = json.loads((ROOT / 'benchmarks' / 'results' / 'parity.json').read_text())
    rows = '\n'.join(
        f'| {row["part"]} | {row["models"]} | {row["size"]} | {row["max_error"]:.1e} |'
        for row in report['rows']
    )
    return TEXT.format(target=report['target'], rows=rows)


if __name__ == '__main__':
    (ROOT / 'docs' / 'model.md').write_text(page(), encoding='utf-8')
