# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The renderer: scene, camera and time to image, labels and depth."""

from __future__ import annotations

from depthforge_trainer.street import bank
from depthforge_trainer.street.camera import Camera, Frame, SKY
from depthforge_trainer.street.lighting import GroundLight, light_of, Shadows
from depthforge_trainer.street.movers import add_movers
from depthforge_trainer.street.quads import QuadList
from depthforge_trainer.street.raster import Buffer, project, rasterise
from depthforge_trainer.street.scene import Scene
from depthforge_trainer.street.sensor import expose
from depthforge_trainer.street.shading import shade
from depthforge_trainer.street.statics import add_statics
from depthforge_trainer.street.surface import paint, SAMPLES
import numpy as np

_FARTHEST_M = 2000.0
_WEAKEST_SUN = 0.02


def render(scene: Scene, camera: Camera, time_s: float, rng: np.random.Generator) -> Frame:
    """Render one view; rng only makes the sensor noise."""
    light = light_of(scene.conditions)
    collected = QuadList()
    add_statics(collected, scene, light.dusk)
    add_movers(collected, scene, time_s, light.dusk)
    quads, atlas = collected.arrays(), bank.atlas()
    buffer = Buffer.empty(camera.height * SAMPLES, camera.width * SAMPLES, 1.0 / _FARTHEST_M)
    projection = project(quads, camera, SAMPLES, atlas)
    rasterise(buffer, projection, quads, atlas)
    sample_labels, surface = paint(quads, projection, scene.street, camera, buffer)
    sunny = float(light.sun.max()) > _WEAKEST_SUN
    shadows = Shadows(quads, light, camera, atlas) if sunny else None
    ground_light = GroundLight(scene, camera, time_s, light)
    linear = shade(surface, quads, scene, camera, light, buffer, shadows, ground_light)
    labels = np.ascontiguousarray(sample_labels[::SAMPLES, ::SAMPLES])
    depth_m = 1.0 / buffer.nearness[::SAMPLES, ::SAMPLES]
    depth_m[labels == SKY] = np.inf
    return Frame(expose(linear, scene.conditions, rng), labels, depth_m)
