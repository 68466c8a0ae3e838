# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What a checkpoint's tokens do in each block: how sharp their attention is, how much they change.

Run from the repository root, on networks of the study for example:
python benchmarks/token_attention.py IMAGE out/study_camvid_day/joint/0/last.safetensors
    --foundation ../shared/weights/depth_anything_v2_vits_fp16.safetensors
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
import sys
from typing import Any

from depthforge_ros.frame import rgb_from_file
from depthforge_ros.model.checkpoint import load_network
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.tokens import comparable, DepthAwareTokens, refine
from depthforge_ros.preprocess import Preprocess
from report import exit_code, write_report
import torch
from torch import Tensor

RESULTS = Path('benchmarks/results/token_attention.json')


def main() -> int:
    """Print a row per block."""
    args = _arguments()
    checkpoints: dict[str, Any] = {}
    for path in args.checkpoints:
        network, _ = load_network(path, args.foundation)
        preprocess = Preprocess(network.config.encoder.patch, network.config.short_side)
        image, _ = preprocess(rgb_from_file(args.image))
        blocks = rows(network.eval(), torch.from_numpy(image)[None])
        checkpoints[str(path)] = blocks
        print(path, *map(json.dumps, blocks), sep='\n')
    write_report(args.json, {'checkpoints': checkpoints})
    return 0


@torch.inference_mode()
def rows(network: DepthForge, image_BHW3: Tensor) -> list[dict[str, Any]]:
    """Follow the visual stream block by block, and look at the tokens' attention in each."""
    tokens = network.tokens
    assert isinstance(tokens, DepthAwareTokens)
    config, folded = network.config.tokens, tokens.fold()
    image = network.normalize(image_BHW3)
    prefix = network.visual.prefix
    *blocks, _ = network.depth_steps(image)
    depth = [x[:, network.depth_encoder.prefix :] for x in blocks]
    x_BNC = network.visual.embed(image)
    out = []
    for index, block in enumerate(network.visual.blocks_for(network.grid(image))):
        x_BNC = block(x_BNC)
        visual_BNC = x_BNC[:, prefix:]
        refined_BNC = refine(config, visual_BNC, depth[index], index, folded)
        keys_CM = folded.keys_LCM[index]
        of_visual, of_depth = (comparable(config, x) @ keys_CM for x in (visual_BNC, depth[index]))
        logits = of_visual if config.attention == 'visual' else of_visual + of_depth
        weights = logits.softmax(-1)
        norm = visual_BNC.norm(dim=-1)
        out.append(
            {
                'block': index + 1,
                'norm': _mean(norm),
                'logit_deviation_visual': _mean(of_visual.std(-1)),
                'logit_deviation_depth': _mean(of_depth.std(-1)),
                'attention_entropy': _mean(
                    torch.special.entr(weights).sum(-1) / math.log(weights.shape[-1])
                ),
                'correction_share': _mean((refined_BNC - visual_BNC).norm(dim=-1) / norm),
                'streams_differ_by': _mean((visual_BNC - depth[index]).norm(dim=-1) / norm),
            }
        )
        x_BNC = torch.cat((x_BNC[:, :prefix], refined_BNC), 1)
    return out


def _mean(x: Tensor) -> float:
    return round(float(x.mean()), 4)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('image', type=Path, help='one frame')
    parser.add_argument('checkpoints', type=Path, nargs='+', help='of the trainer')
    parser.add_argument('--foundation', type=Path, help='encoder that the checkpoint leaves out')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
