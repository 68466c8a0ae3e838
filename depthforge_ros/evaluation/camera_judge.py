# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""One camera's answers, frame by frame, into sums, time lines and moments to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import heapq

from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.answers import Answer
from depthforge_ros.evaluation.evidence import Evidence, small
from depthforge_ros.evaluation.judgement import Judgement, Moment
from depthforge_ros.evaluation.label_judge import judge_labels, JudgedLabels, Mask
from depthforge_ros.evaluation.own_distance import OwnDistance
from depthforge_ros.evaluation.truth import Truth
from depthforge_ros.evaluation.truth_mismatch import FrameTruth, TRUTH_SIZE, TruthMismatches
from depthforge_ros.labels import LabelSpace
from depthforge_ros.metrics.accumulators import Accumulators
from depthforge_ros.metrics.boundary import boundary_counts
from depthforge_ros.metrics.clips import Clip, CLIP_FRAMES
from depthforge_ros.metrics.confusion import mean_iou
from depthforge_ros.metrics.depth import align_depth
from depthforge_ros.metrics.segmentation import common_space, percent, SegmentationScore
from depthforge_ros.metrics.slice_table import time_name
from depthforge_ros.metrics.slices import places_of, slice_depth
from depthforge_ros.metrics.temporal import Tracker, VideoConsistency
import numpy as np
import numpy.typing as npt

MOMENTS = 8
WORST = 6
Row = dict[str, float | None]


@dataclass(frozen=True)
class Spaces:
    """Classes of the masks, of the ground truth (None without labels), and those asked for."""

    masks: LabelSpace
    truth: LabelSpace | None
    wanted: LabelSpace | None

    @property
    def target(self) -> LabelSpace:
        """Classes to judge in."""
        return self.wanted or common_space(self.truth or self.masks, self.masks)


def untagged(stamp_ns: int) -> list[str]:
    """Say that no frame has a tag."""
    del stamp_ns
    return []


@dataclass(frozen=True)
class Slicing:
    """What frames are sliced by beside place and time, and whether those with errors are kept."""

    tags: Callable[[int], list[str]] = untagged
    """Of a frame by its stamp."""
    own_distance: OwnDistance | None = None
    """Gives distances where the ground truth has none."""
    keeps_evidence: bool = False


class CameraJudge:
    """Takes the answers to one camera's frames in their order."""

    def __init__(
        self, topic: str, spaces: Spaces, truth: Truth, slicing: Slicing | None = None
    ) -> None:
        self._truth = truth
        self._slicing = slicing or Slicing()
        self._spaces = spaces
        self._judgement = Judgement(topic, spaces.masks, spaces.target, spaces.truth)
        if self._slicing.keeps_evidence and spaces.truth is not None:
            self._judgement.evidence = Evidence(spaces.target.classes)
        self._score = (
            SegmentationScore(truth=spaces.truth, predicted=spaces.masks, target=spaces.target)
            if spaces.truth is not None
            else None
        )
        self._tracker = Tracker(len(spaces.masks))
        self._consistency = VideoConsistency()
        self._moments = _MomentPicker()
        self._start_ns: int | None = None
        self._last_answered_ns: int | None = None
        self._judged_truth = 0
        self._mismatches = TruthMismatches(spaces.truth)

    def add(self, answer: Answer) -> None:
        """Judge one frame."""
        if self._start_ns is None:
            self._start_ns = answer.stamp_ns
        # Milliseconds, as clips keep it.
        time_s = round((answer.stamp_ns - self._start_ns) / 1e9, 3)
        clip = self._clip(answer.stamp_ns, time_s)
        clip.received += 1
        row: Row = {'time_s': time_s}
        if answer.labels is None or answer.latency_ms is None:
            self._judgement.dropped_by_reason[str(answer.drop_reason)] += 1
        elif not self._mismatches.fits(
            answer, frame_truth := FrameTruth.at(self._truth, answer.stamp_ns)
        ):
            self._judgement.dropped_by_reason[TRUTH_SIZE] += 1
        else:
            row['latency_ms'] = answer.latency_ms
            clip.latencies_ms.append(round(answer.latency_ms, 3))
            if answer.age_ms is not None:
                clip.ages_ms.append(round(answer.age_ms, 3))
            self._add_answer(clip, row, answer, answer.labels, frame_truth)
        self._judgement.line.append(**row)

    @property
    def found_truth(self) -> bool:
        """Tell whether any frame had labels or depth, though of another size."""
        return bool(self._judged_truth or self._mismatches.first)

    def finish(self) -> Judgement:
        """Return the judgement; UserError where no ground truth belongs to any frame, or fits."""
        if self._mismatches.first and not self._judged_truth:
            raise UserError(
                f'no ground truth of {self._judgement.topic} is of the size of its masks: '
                f'{self._mismatches.first}; both must come from one camera'
            )
        first_ns = self._truth.first_stamp_ns()
        answered = any(one is not None for one in self._judgement.line.latency_ms)
        if answered and first_ns is not None and not self._judged_truth:
            raise UserError(
                f'no labels or depth have the stamp of an answered frame of '
                f'{self._judgement.topic}: the truth begins at {first_ns} ns, the frames at '
                f'{self._start_ns} ns (where all stamps are 0, by the times of recording); give '
                'the truth of this drive by --truth'
            )
        self._judgement.warnings += self._mismatches.warnings(self._judgement.topic)
        self._judgement.moments = self._moments.spread()
        self._judgement.worst = self._moments.worst()
        return self._judgement

    def _clip(self, stamp_ns: int, time_s: float) -> Clip:
        """Return the clip of a frame, whose frames are all of one slice of time and of tags."""
        clips, tags = self._judgement.clips, self._slicing.tags(stamp_ns)
        slices = time_name(time_s), tags
        if (
            not clips
            or clips[-1].received == CLIP_FRAMES
            or (time_name(clips[-1].time_s), clips[-1].tags) != slices
        ):
            sums = Accumulators.zeros(len(self._spaces.target), len(self._spaces.masks))
            clips.append(Clip(self._judgement.topic, stamp_ns, sums, time_s=time_s, tags=tags))
            self._moments.next_clip()
        return clips[-1]

    def _add_answer(
        self,
        clip: Clip,
        row: Row,
        answer: Answer,
        labels: npt.NDArray[np.uint8],
        frame_truth: FrameTruth,
    ) -> None:
        sums, tags = clip.sums, clip.tags
        truth, rgb = frame_truth.labels, answer.rgb()
        judged = None
        if truth is not None and self._score is not None:
            distance_m = self._distance_m(answer, labels, frame_truth)
            mask = Mask(labels, answer.confidence, answer.entropy_levels)
            judged = self._add_labels(sums, self._score, mask, truth, distance_m)
            row['miou'] = percent(mean_iou(judged.found.confusion))
            if self._judgement.evidence is not None:
                name = str(answer.stamp_ns)
                shown = partial(small, name, rgb, labels, truth)
                where = [*tags, time_name(row['time_s'] or 0.0)]
                self._judgement.evidence.add(judged.found, shown, where)
        self._add_depth(sums, row, answer, frame_truth.depth_m, judged)
        self._add_temporal(sums, row, rgb, answer, labels)
        for name in ('entropy', 'domain_shift'):
            row[name] = getattr(answer, name)
            sums.add_value(name, row[name])
        self._add_throughput(sums, answer)
        if answer.inverse_depth is not None:
            score = row.get('miou') if row.get('miou') is not None else row.get('tc')
            time_s = row['time_s'] or 0.0
            self._moments.add(
                Moment(time_s, rgb, labels, answer.inverse_depth, truth, answer.stamp_ns, score)
            )

    def _distance_m(
        self, answer: Answer, labels: npt.NDArray[np.uint8], frame_truth: FrameTruth
    ) -> npt.NDArray[np.float32] | None:
        """Return metres (H, W) of a frame, from ground truth or else from its own depth."""
        own = self._slicing.own_distance
        if frame_truth.depth_m is not None:
            self._judgement.distances = 'truth'
            return frame_truth.depth_m
        if own is None or answer.inverse_depth is None or self._judgement.distances == 'truth':
            return None
        self._judgement.distances = 'own'
        return own(labels, answer.inverse_depth, answer.stamp_ns)

    def _add_labels(
        self,
        sums: Accumulators,
        score: SegmentationScore,
        mask: Mask,
        truth: npt.NDArray[np.uint8],
        distance_m: npt.NDArray[np.float32] | None,
    ) -> JudgedLabels:
        """Judge a mask against its labels, and add the counts."""
        self._judged_truth += 1
        self._mismatches.count_ids(truth)
        judged = judge_labels(sums, score, mask, truth, distance_m)
        classes = len(score.space)
        sums.boundary += boundary_counts(judged.truth, judged.labels, classes=classes)
        shares = self._consistency.add(
            truth=judged.truth, predicted=judged.labels, classes=classes
        )
        sums.add_windows('vc', shares)
        return judged

    def _add_depth(
        self,
        sums: Accumulators,
        row: Row,
        answer: Answer,
        depth_m: npt.NDArray[np.float32] | None,
        judged: JudgedLabels | None,
    ) -> None:
        if depth_m is None or answer.inverse_depth is None:
            return
        self._judged_truth += 1
        self._judgement.distances = 'truth'
        aligned = align_depth(answer.inverse_depth, depth_m)
        if aligned is not None:
            errors = aligned.errors()
            sums.add_depth(errors)
            # With labels too, they were sliced by this same depth.
            places = judged.found.places if judged else places_of(depth_m, depth_m.shape)
            sizes = judged.found.sizes if judged else None
            sums.slice_depth += slice_depth(aligned, places, sizes)
            row['absrel'] = errors.absrel

    def _add_temporal(
        self,
        sums: Accumulators,
        row: Row,
        rgb: npt.NDArray[np.uint8],
        answer: Answer,
        labels: npt.NDArray[np.uint8],
    ) -> None:
        change = self._tracker.add(rgb, labels, answer.inverse_depth)
        if change is None:
            return
        sums.flow_confusion += change.flow_confusion
        sums.flicker += [change.flickering, change.static]
        sums.add_windows('flow_vc', change.consistency)
        sums.add_depth_pair(change.same_depth, change.scale_change)
        row['tc'] = percent(mean_iou(change.flow_confusion))
        if change.static:
            row['flicker'] = percent(change.flickering / change.static)
        if change.same_depth is not None:
            row['depth_tc'] = percent(change.same_depth)

    def _add_throughput(self, sums: Accumulators, answer: Answer) -> None:
        """Count how long answers took, one after the other, as recorded or as the model ran."""
        took_ns = round((answer.latency_ms or 0.0) * 1e6)
        if answer.answered_ns is not None:
            before_ns, self._last_answered_ns = self._last_answered_ns, answer.answered_ns
            if before_ns is None:
                return
            took_ns = answer.answered_ns - before_ns
        sums.pace += [1, took_ns]


class _MomentPicker:
    """Keeps a few frames of a drive whose length is not known: evenly spread, and the worst."""

    def __init__(self) -> None:
        self._seen = 0
        self._every = 1
        self._spread: list[Moment] = []
        self._last: Moment | None = None
        self._worst_of_clip: Moment | None = None
        self._clips = 0
        self._worst: list[tuple[float, int, Moment]] = []

    def add(self, moment: Moment) -> None:
        if moment.score is not None and (
            self._worst_of_clip is None or moment.score < (self._worst_of_clip.score or 0.0)
        ):
            self._worst_of_clip = moment
        if self._seen % self._every == 0:
            self._spread.append(moment)
        self._seen += 1
        self._last = moment
        if len(self._spread) > 2 * MOMENTS:
            self._spread = self._spread[::2]
            self._every *= 2

    def next_clip(self) -> None:
        """Keep the worst frame of the clip that has ended, if it is among the worst of all."""
        moment, self._worst_of_clip = self._worst_of_clip, None
        if moment is None:
            return
        self._clips += 1
        heapq.heappush(self._worst, (-(moment.score or 0.0), -self._clips, moment))
        if len(self._worst) > WORST:
            heapq.heappop(self._worst)

    def spread(self) -> list[Moment]:
        """Return evenly spaced frames, the first and the last among them."""
        kept = self._spread
        if self._last is not None and self._last is not kept[-1]:
            kept = [*kept, self._last]
        places = np.linspace(0, len(kept) - 1, min(MOMENTS, len(kept)))
        return [kept[round(place)] for place in places]

    def worst(self) -> list[Moment]:
        """Return the worst frames, the worst first."""
        self.next_clip()
        return [moment for _, _, moment in sorted(self._worst, reverse=True)]
