# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the tests of engines share."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.torch_engine import Run
import numpy as np
import torch
from torch.export import ExportedProgram

FRAMES = np.random.default_rng(0).integers(0, 256, (1, 56, 98, 3), np.uint8)
SIZE = Request(56, 98, min_batch=1, max_batch=3)


class Interpreted:
    """Leaves the program as it was exported; the cache around it is the real one."""

    name = 'interpreted'
    precisions = ('fp32', 'bf16')
    lowers = False

    def __init__(self, version: str = '1') -> None:
        self.version = version

    def versions(self, device: torch.device) -> Mapping[str, str]:
        return {'device': device.type, 'compiler': self.version}

    def compile(self, program: ExportedProgram, request: Request, path: Path) -> None:
        torch.export.save(program, path)

    def load(self, path: Path, request: Request, device: torch.device) -> Run:
        run: Run = torch.export.load(path).module()
        return run


def rewritten(path: Path, **changes: Any) -> None:
    """Change a description."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
