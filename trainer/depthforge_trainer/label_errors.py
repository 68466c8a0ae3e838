# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Labels that a trained model contradicts, the surest contradiction first.

A region is a connected part of the pixels that have one label and for which the model says one
other class. It scores by the mean of -ln p(label), times ln of its pixels: a model that is merely
unsure leaves its label some chance, one that contradicts does not. Northcutt, Jiang and Chuang,
"Confident Learning", JAIR 2021, rank single labels so; the size keeps outlines and specks down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
from depthforge_ros.engine.torch_engine import Loaded
from depthforge_ros.labels import Group, groups, LabelSpace
from depthforge_ros.metrics.segmentation import common_space, mapping
from depthforge_ros.metrics.slices import parted
from depthforge_ros.model.answer import sum_groups
from depthforge_ros.model.refinement import resize
from depthforge_trainer.data import loaders, Rgb, Source
import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

LEAST_PIXELS = 100
"""Smaller regions are not ranked."""
FLOOR = 1e-3
"""Least chance of a label."""
SHOWN = 20


@dataclass(frozen=True)
class Suspect:
    """A region whose label the model contradicts."""

    image: str
    label: str
    """Class that the label says."""
    model: str
    """Class that the model says."""
    score: float
    pixels: int
    box: tuple[int, int, int, int]
    """x, y, width and height in the image, pixels."""


@dataclass(frozen=True)
class Ranking:
    """All suspects of a data set, and the images that hold them, each the worst first."""

    suspects: tuple[Suspect, ...]
    images: tuple[tuple[str, float], ...]
    """File and sum of the scores of its regions."""

    def lines(self) -> Iterator[str]:
        """Say in text which labels to look at first."""
        yield f'regions that the model contradicts {len(self.suspects)}'
        for one in self.suspects[:SHOWN]:
            x, y, width, height = one.box
            yield (
                f'{one.score:6.1f} {one.image}: {one.label} at x {x} to {x + width}, y {y} to '
                f'{y + height} ({one.pixels} pixels) looks like {one.model}'
            )
        yield 'images with most of them'
        yield from (f'{score:6.1f} {image}' for image, score in self.images[:SHOWN])

    def to_json(self) -> dict[str, Any]:
        """Return the ranking as plain numbers, strings and lists."""
        return {
            'suspects': [asdict(one) for one in self.suspects],
            'images': [{'image': image, 'score': score} for image, score in self.images],
        }


def rank_labels(source: Source, loaded: Loaded) -> Ranking:
    """Rank the labels of a data set by a model; UserError where their classes do not map."""
    samples = loaders(source)
    space = samples[0].space
    target = common_space(space, loaded.label_space)
    members, to_target = groups(loaded.label_space, target), mapping(space, target)
    suspects: list[Suspect] = []
    for load in tqdm(samples, desc='rank labels', unit='image'):
        sample = load()
        shares_KHW = _shares(loaded, sample.rgb, members)
        suspects += suspects_of(str(load.image), to_target[sample.labels], shares_KHW, target)
    suspects.sort(key=lambda one: -one.score)
    return Ranking(tuple(suspects), tuple(_worst_images(suspects)))


def suspects_of(
    image: str,
    labels: npt.NDArray[np.uint8],
    shares_KHW: npt.NDArray[np.float32],
    space: LabelSpace,
) -> list[Suspect]:
    """Find the regions of one image with labels (H, W) and shares of the classes that sum to 1."""
    known = labels < len(space)
    said = shares_KHW.argmax(0).astype(np.uint8)
    label = np.where(known, labels, 0)
    share = np.take_along_axis(shares_KHW, label[None].astype(np.int64), 0)[0]
    regions = parted(np.where(known, labels, 255).astype(np.uint16) * 256 + said)
    pixels = np.bincount(regions.ravel())
    loss = np.bincount(regions.ravel(), -np.log(share + FLOOR).ravel())
    _, firsts = np.unique(regions, return_index=True)
    found = []
    for first in firsts.tolist():
        place = np.unravel_index(first, labels.shape)
        number = regions[place]
        if not known[place] or label[place] == said[place] or pixels[number] < LEAST_PIXELS:
            continue
        count = int(pixels[number])
        x, y, width, height = cv2.boundingRect((regions == number).astype(np.uint8))
        found.append(
            Suspect(
                image,
                space.classes[label[place]],
                space.classes[said[place]],
                round(float(loss[number] / count * np.log(count)), 3),
                count,
                (x, y, width, height),
            )
        )
    return found


@torch.inference_mode()
def _shares(loaded: Loaded, rgb: Rgb, members: Sequence[Group]) -> npt.NDArray[np.float32]:
    """Return a model's shares (K, H, W) of groups of its classes, at the image's own size."""
    image, geometry = loaded.preprocess(rgb)
    batch = torch.from_numpy(image[None]).to(loaded.device)
    scores_BKhw = loaded.answering.network.decode(batch).scores_BKhw.float()
    shares_BKhw = scores_BKhw / scores_BKhw.sum(1, keepdim=True).clamp_min(1e-9)
    planes = resize(sum_groups(shares_BKhw, members), (geometry.height, geometry.width))
    content = planes[..., : geometry.content_height, : geometry.content_width]
    camera = resize(content, (geometry.camera_height, geometry.camera_width))
    return np.asarray(camera[0].cpu().numpy(), np.float32)


def _worst_images(suspects: Sequence[Suspect]) -> list[tuple[str, float]]:
    sums: defaultdict[str, float] = defaultdict(float)
    for one in suspects:
        sums[one.image] += one.score
    rows = [(name, round(score, 3)) for name, score in sums.items()]
    return sorted(rows, key=lambda row: -row[1])
