# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A model over the sequences of a suite, with the figures that bags get."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

from depthforge_ros.domain import DomainStatistics
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.answers import Answer, predicted
from depthforge_ros.evaluation.camera_judge import CameraJudge, Slicing, Spaces
from depthforge_ros.evaluation.judgement import all_figures
from depthforge_ros.evaluation.suites import read_suite_labels, Suite, SuiteSequence
from depthforge_ros.evaluation.tags import Tags
from depthforge_ros.files import UNREADABLE
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import LabelSpace
from depthforge_ros.metrics.clips import Clip
from depthforge_ros.pipeline import Pipeline
import numpy as np
import numpy.typing as npt
from tqdm import tqdm


def judge_suite(
    suite: Suite,
    sequences: Sequence[SuiteSequence],
    pipeline: Pipeline,
    *,
    target: LabelSpace | None,
    tags: Tags | None,
    skip: Callable[[str], None],
) -> dict[str, Any]:
    """
    Run the model over all frames of some sequences; what is temporal stays within a sequence.

    Returns the figures of `evaluate bag --json` without time lines: of all frames, in `groups` of
    each group, and the `clips` that `compare` reads. Files that are broken are left out, counted
    under `skipped` and named to `skip`.
    """
    engine = pipeline.engine
    spaces = Spaces(masks=engine.label_space, truth=suite.space, wanted=target)
    clips: dict[str, list[Clip]] = {}
    broken: list[str] = []
    with tqdm(total=sum(len(one.frames) for one in sequences), unit='frame') as bar:
        for sequence in sequences:
            slicing = Slicing(partial(_tags, tags, sequence))
            truth = _SequenceTruth(suite, sequence, broken)
            judge = CameraJudge(sequence.group, spaces, truth, slicing)
            for answer in _answers(sequence, pipeline, broken):
                judge.add(answer)
                bar.update()
            judgement = judge.finish()
            if judgement.warnings:
                raise UserError(f'{judgement.warnings[0]}; a benchmark is judged whole')
            clips.setdefault(sequence.group, []).extend(judgement.clips)
    for line in broken:
        skip(f'skipped {line}')
    classes = spaces.target.classes
    every = [clip for group in clips.values() for clip in group]
    return {
        'judged': 'predicted',
        'model': engine.model,
        'engine': engine.name,
        'fingerprint': engine.fingerprint,
        'sequences': len(sequences),
        'images': sum(1 for one in sequences for frame in one.frames if frame.labels)
        - len(broken),
        'skipped': len(broken),
        'warnings': [],
        **all_figures(every, classes, {}),
        'groups': {name: all_figures(group, classes, {}) for name, group in clips.items()},
        'unmatched_tags': tags.unmatched if tags else None,
        'clips': [clip.to_json() for clip in every],
    }


def _tags(tags: Tags | None, sequence: SuiteSequence, place: int) -> list[str]:
    """Look up a frame, whose name is `GROUP/FILE`."""
    return tags.of(f'{sequence.group}/{sequence.frames[place].image.name}') if tags else []


class _SequenceTruth:
    """Ground truth by the place of a frame in its sequence, which stands in for a stamp."""

    def __init__(self, suite: Suite, sequence: SuiteSequence, broken: list[str]) -> None:
        self.space: LabelSpace | None = suite.space
        self._suite, self._frames, self._broken = suite, sequence.frames, broken

    def labels(self, stamp_ns: int) -> npt.NDArray[np.uint8] | None:
        path = self._frames[stamp_ns].labels
        try:
            return read_suite_labels(self._suite, path) if path else None
        except UserError as error:
            if error.reason != UNREADABLE:
                raise
            self._broken.append(str(error))
            return None

    def depth_m(self, stamp_ns: int) -> npt.NDArray[np.float32] | None:
        return None

    def first_stamp_ns(self) -> int | None:
        return next((place for place, one in enumerate(self._frames) if one.labels), None)


def _answers(sequence: SuiteSequence, pipeline: Pipeline, broken: list[str]) -> Iterator[Answer]:
    """Answer every frame; one that cannot be read is dropped."""
    domain = DomainStatistics.fitting(pipeline.engine)
    for place, frame in enumerate(sequence.frames):
        answer = predicted(place, cache(partial(rgb_from_file, frame.image)), pipeline, domain)
        if answer.drop_reason == UNREADABLE:
            broken.append(f'{frame.image.name}: it cannot be read as an image')
        elif answer.drop_reason:
            answer.rgb()
        yield answer
