# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Video benchmarks by name: where their files lie, how they map to our classes, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
import re

from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.label_ids import (
    APOLLOSCAPE_IDS,
    CITYSCAPES_IDS,
    KITTI_360_IDS,
    read_label_ids,
)
from depthforge_ros.files import is_hidden, natural_key
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import CAMVID, CITYSCAPES, LabelSpace
import numpy as np
import numpy.typing as npt

FRAME_GROUPS = ('frame', 'stem')
"""Groups of a name that differ from frame to frame."""


@dataclass(frozen=True)
class Suite:
    """One benchmark. Paths are below its root, with `/`; `{split}` stands for the split."""

    title: str
    images: str
    """Glob."""
    name: str
    """Regular expression of an image's path; its groups `group` and `frame` (a number, or text in
    the order of time) say what figures are given of, and where in it the image comes."""
    labels: str
    """Template with the groups of `name`, of the label file of an image."""
    splits: Mapping[str, int | None]
    """Labelled images in each split, where that is fixed."""
    space: LabelSpace = CITYSCAPES
    ids: Mapping[int, int] | None = None
    """Train ids of what label files store, see `label_ids`; None for train ids themselves."""
    is_gapless: bool = False
    """Frame numbers rise by 1, so that a jump begins another sequence."""
    listing: str | None = None
    """File whose lines begin with the images of a split."""

    @property
    def default_split(self) -> str:
        """Return the one that is judged by default."""
        return list(self.splits)[-1]


SUITES: Mapping[str, Suite] = {
    'cityscapes_sequences': Suite(
        title='Cityscapes video snippets of 30 frames, of which the 20th is labelled',
        images='leftImg8bit_sequence/{split}/*/*.png',
        name=r'leftImg8bit_sequence/(?P<split>\w+)/(?P<group>[\w-]+)/'
        r'(?P<clip>[\w-]+_\d{6})_(?P<frame>\d{6})_leftImg8bit\.png',
        labels='gtFine/{split}/{group}/{clip}_{frame}_gtFine_labelIds.png',
        splits={'train': 2975, 'val': 500},
        ids=CITYSCAPES_IDS,
        is_gapless=True,
    ),
    'cityscapes_c': Suite(
        title='Cityscapes with common corruptions, of 5 severities each',
        images='leftImg8bit_c/*/*/{split}/*/*.png',
        name=r'leftImg8bit_c/(?P<group>\w+/[1-5])/(?P<split>\w+)/(?P<city>[\w-]+)/'
        r'(?P<clip>[\w-]+_\d{6})_(?P<frame>\d{6})_leftImg8bit\.png',
        labels='gtFine/{split}/{city}/{clip}_{frame}_gtFine_labelIds.png',
        splits={'val': None},
        ids=CITYSCAPES_IDS,
        is_gapless=True,
    ),
    'camvid': Suite(
        title='CamVid in 11 classes, drives labelled about once a second',
        images='{split}/images/*',
        name=r'(?P<split>\w+)/images/(?P<stem>(?P<group>[0-9A-Za-z]+)_(?P<frame>f?\d+))\.\w+',
        labels='{split}/labels/{stem}.png',
        splits={'train': 367, 'val': 101, 'test': 233},
        space=CAMVID,
    ),
    'kitti_360': Suite(
        title='KITTI-360, left perspective camera',
        images='data_2d_raw/*/image_00/data_rect/*.png',
        name=r'data_2d_raw/(?P<group>\w+_sync)/image_00/data_rect/(?P<frame>\d{10})\.png',
        labels='data_2d_semantics/train/{group}/image_00/semantic/{frame}.png',
        splits={'train': None, 'val': None},
        ids=KITTI_360_IDS,
        is_gapless=True,
        listing='data_2d_semantics/train/2013_05_28_drive_{split}_frames.txt',
    ),
    'apolloscape': Suite(
        title='ApolloScape scene parsing, two front cameras, one frame per metre',
        images='{split}/ColorImage/*/*/*.jpg',
        name=r'(?P<split>\w+)/ColorImage/(?P<group>\w+/Camera \d)/(?P<frame>[\w ]+)\.jpg',
        labels='{split}/Label/{group}/{frame}_bin.png',
        splits=dict.fromkeys(('road01_ins', 'road02_ins', 'road02_seg', 'road03_ins')),
        ids=APOLLOSCAPE_IDS,
    ),
}


@dataclass(frozen=True)
class SuiteFrame:
    """An image, and its labels where it has any."""

    image: Path
    labels: Path | None


@dataclass(frozen=True)
class SuiteSequence:
    """Consecutive frames."""

    group: str
    """What it is a part of, such as a city, a drive, or a corruption and its severity."""
    frames: tuple[SuiteFrame, ...]


@dataclass
class SuiteCheck:
    """The files of a split, and what is wrong with them."""

    sequences: int = 0
    images: int = 0
    labelled: int = 0
    groups: dict[str, int] = field(default_factory=dict)
    """Images of each."""
    faults: list[str] = field(default_factory=list)


def find_suite(name: str) -> Suite:
    """Return a suite; UserError for an unknown name."""
    if name not in SUITES:
        raise UserError(f'suite {name!r} is not known; choose one of {", ".join(SUITES)}')
    return SUITES[name]


def open_suite(suite: Suite, root: Path, split: str) -> list[SuiteSequence]:
    """Find the sequences of a split that have labels; UserError where there are none."""
    files = _find(suite, root, split)
    sequences = [one for one in _sequences(files) if any(frame.labels for frame in one.frames)]
    if not sequences:
        raise UserError(
            f'no image of {files.pattern} below {root} has labels; they are looked for as '
            f'{suite.labels}'
        )
    return sequences


def read_suite_labels(suite: Suite, path: Path) -> npt.NDArray[np.uint8]:
    """Read train ids (H, W) in the classes of the suite."""
    return read_label_ids(path, suite.space, suite.ids)


def check_suite(suite: Suite, root: Path, split: str) -> SuiteCheck:
    """
    Count the files of a split, and say what is wrong with them.

    Of each sequence the first labelled image is read with its labels, of all other files only the
    size is looked at. UserError where there is no image at all.
    """
    files = _find(suite, root, split)
    check = SuiteCheck()
    unlabelled: list[Path] = []
    if files.misnamed:
        check.faults.append(
            f'{len(files.misnamed)} images are not named as in this data set, the first is '
            f'{files.misnamed[0]}'
        )
    for sequence in _sequences(files):
        check.sequences += 1
        check.images += len(sequence.frames)
        unlabelled += [frame.image for frame in sequence.frames if not frame.labels]
        check.groups[sequence.group] = check.groups.get(sequence.group, 0) + len(sequence.frames)
        check.faults += _faults(suite, sequence)
    check.labelled = check.images - len(unlabelled)
    if check.labelled == 0 or (files.wanted and check.labelled != files.wanted):
        first = f', the first without is {unlabelled[0]}' if unlabelled else ''
        check.faults.append(
            f'{check.labelled} images have labels, {files.wanted or "all"} should{first}; they '
            f'are looked for as {suite.labels}'
        )
    return check


@dataclass(frozen=True)
class _Files:
    """The images of a split, in order."""

    suite: Suite
    root: Path
    pattern: str
    found: list[re.Match[str]]
    """Of their paths below the root."""
    misnamed: list[str]
    """Images with other names."""
    wanted: int
    """Labelled images of the whole split; 0 where it is not known."""


def _find(suite: Suite, root: Path, split: str) -> _Files:
    if split not in suite.splits:
        raise UserError(
            f'split {split!r} is not known; choose one of {", ".join(suite.splits)} by --split'
        )
    pattern = suite.images.replace('{split}', split)
    found = (path for path in root.glob(pattern) if not is_hidden(path))
    paths = sorted((path.relative_to(root).as_posix() for path in found), key=natural_key)
    if not paths:
        raise UserError(
            f'{root} holds no {pattern}; give the folder by --root in which the data set was '
            'unpacked'
        )
    listed = _listed(suite, root, split)
    matches = {
        path: re.fullmatch(suite.name, path) for path in paths if listed is None or path in listed
    }
    return _Files(
        suite,
        root,
        pattern,
        found=[match for match in matches.values() if match],
        misnamed=[path for path, match in matches.items() if not match],
        wanted=suite.splits[split] or len(listed or ()),
    )


def _listed(suite: Suite, root: Path, split: str) -> set[str] | None:
    if suite.listing is None:
        return None
    path = root / suite.listing.replace('{split}', split)
    if not path.is_file():
        raise UserError(f'{path} does not exist; it says which images the split {split} has')
    lines = path.read_text(encoding='utf-8').splitlines()
    return {line.split()[0] for line in lines if line.strip()}


def _sequences(files: _Files) -> Iterator[SuiteSequence]:
    """Split the images where their group changes and, if frames are numbered by 1, at a jump."""
    for _, run in groupby(enumerate(files.found), key=lambda pair: _run_key(files.suite, *pair)):
        matches = [match for _, match in run]
        frames = tuple(_frame(files, match) for match in matches)
        yield SuiteSequence(matches[0]['group'], frames)


def _run_key(suite: Suite, place: int, match: re.Match[str]) -> tuple[str, ...]:
    """Return what all images of a sequence have in common."""
    fixed = tuple(text for name, text in match.groupdict().items() if name not in FRAME_GROUPS)
    return (*fixed, str(int(match['frame']) - place)) if suite.is_gapless else fixed


def _frame(files: _Files, match: re.Match[str]) -> SuiteFrame:
    labels = files.root / files.suite.labels.format_map(match.groupdict())
    return SuiteFrame(files.root / match.group(), labels if labels.is_file() else None)


def _faults(suite: Suite, sequence: SuiteSequence) -> list[str]:
    files = [path for frame in sequence.frames for path in (frame.image, frame.labels) if path]
    faults = [f'{path} is empty; copy it again' for path in files if not path.stat().st_size]
    first = next((frame for frame in sequence.frames if frame.labels), None)
    if faults or first is None or first.labels is None:
        return faults
    try:
        image, labels = rgb_from_file(first.image), read_suite_labels(suite, first.labels)
    except UserError as error:
        return [str(error)]
    if image.shape[:2] == labels.shape:
        return []
    return [
        f'{first.image} has {image.shape[1]} x {image.shape[0]} pixels, its labels '
        f'{labels.shape[1]} x {labels.shape[0]}'
    ]
