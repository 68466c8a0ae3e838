# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A small procedural street renderer: images with exact labels and depth."""

from depthforge_trainer.street.camera import Camera, Frame
from depthforge_trainer.street.render import render
from depthforge_trainer.street.sampling import sample
from depthforge_trainer.street.scene import Scene

__all__ = ['Camera', 'Frame', 'Scene', 'render', 'sample']
