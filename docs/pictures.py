# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Draw the diagrams of the documents as SVG: `python docs/pictures.py`.

Boxes bring their own colours and all else is grey, so that a picture reads on light and on dark
pages, whatever the viewer's own theme is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).parent / 'pictures'
FONT = "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif"
GREY = '#808080'
FROZEN, TRAINED, DATA, OUT, STEP = '#cfd8e3', '#ffe0b2', '#f2f2f2', '#cdeccf', '#d7e3fa'
TOKENS_WAY, DECODER_WAY = '#e07b00', '#2a7de1'
LINE_PX = 17
Point = tuple[float, float]


class Canvas:
    """Collects the elements of one picture; all lengths are pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.size = width, height
        self.title = title
        self.elements: list[str] = []

    def box(
        self, at: Point, size: Point, text: str, *, fill: str = DATA, small: str = '',
        dashed: bool = False,
    ) -> None:  # fmt: skip
        """Draw a box by its upper left corner, with lines of text and smaller ones below."""
        (x, y), (width, height) = at, size
        dash = ' stroke-dasharray="5 4"' if dashed else ''
        self.elements.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" '
            f'stroke="{GREY}"{dash}/>'
        )
        lines, notes = text.splitlines(), small.splitlines()
        top = y + (height - LINE_PX * (len(lines) + len(notes))) / 2 + 13
        for number, line in enumerate([*lines, *notes]):
            is_note = number >= len(lines)
            self._text(
                (x + width / 2, top + LINE_PX * number), line, '#1b1b1b',
                f'font-size="{12 if is_note else 14}"', 'text-anchor="middle"',
                '' if is_note else 'font-weight="600"',
            )  # fmt: skip

    def frame(self, at: Point, size: Point, text: str, *, below: bool = False) -> None:
        """Draw a lane, named in its upper left corner, or in the lower one."""
        (x, y), (width, height) = at, size
        self.elements.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="10" fill="{GREY}" '
            f'fill-opacity="0.10" stroke="{GREY}" stroke-opacity="0.5"/>'
        )
        self.note((x + 12, y + height - 9 if below else y + 21), text)

    def note(self, at: Point, text: str, colour: str = GREY, anchor: str = 'start') -> None:
        """Write lines of text on the page itself."""
        for number, line in enumerate(text.splitlines()):
            self._text(
                (at[0], at[1] + LINE_PX * number), line, colour,
                'font-size="13"', f'text-anchor="{anchor}"', 'font-weight="600"',
            )  # fmt: skip

    def arrow(self, *points: Point, colour: str = GREY, width: float = 1.8) -> None:
        """Draw a line through points, with a head at the last one."""
        path = ' '.join(f'{x},{y}' for x, y in points)
        self.elements.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'marker-end="url(#head-{colour[1:]})"/>'
        )

    def svg(self) -> str:
        """Return the picture."""
        width, height = self.size
        heads = ''.join(
            f'<marker id="head-{colour[1:]}" viewBox="0 0 8 8" refX="7" refY="4" '
            f'markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>\n'
            for colour in (GREY, TOKENS_WAY, DECODER_WAY)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" font-family="{FONT}">\n'
            '<!-- Copyright 2026 The depthforge_ros authors. '
            'SPDX-License-Identifier: Apache-2.0 -->\n'
            f'<title>{escape(self.title)}</title>\n<defs>\n{heads}</defs>\n'
            + '\n'.join(self.elements)
            + '\n</svg>\n'
        )

    def _text(self, at: Point, text: str, colour: str, *attributes: str) -> None:
        more = ' '.join(filter(None, attributes))
        self.elements.append(
            f'<text x="{at[0]}" y="{at[1]}" fill="{colour}" {more}>{escape(text)}</text>'
        )


def network() -> Canvas:
    """Draw the network with both ways of depth into the masks."""
    canvas = Canvas(1180, 584, 'The network: two streams, and two ways of depth into the masks')
    canvas.box((10, 243), (92, 70), 'image', small='RGB')
    canvas.frame((130, 20), (520, 124), 'depth stream')
    canvas.frame((130, 434), (520, 108), 'visual stream', below=True)
    for x, block in ((150, '1'), (318, 'i'), (486, 'L')):
        canvas.box((x, 56), (144, 66), f'block {block}', fill=FROZEN, small='depth features')
        canvas.box((x, 448), (144, 66), f'block {block}', fill=FROZEN, small='visual features')
        canvas.box((x, 236), (144, 84), f'tokens {block}', fill=TRAINED,
                   small='each patch looks up\nits correction')  # fmt: skip
        canvas.arrow((x + 72, 124), (x + 72, 234), colour=TOKENS_WAY, width=2.4)
        canvas.arrow((x + 44, 446), (x + 44, 322))
        canvas.arrow((x + 100, 322), (x + 100, 446), colour=TOKENS_WAY, width=2.4)
        if x > 150:
            canvas.arrow((x - 24, 89), (x - 2, 89))
            canvas.arrow((x - 24, 481), (x - 2, 481))
    canvas.arrow((56, 241), (56, 89), (148, 89))
    canvas.arrow((56, 315), (56, 481), (148, 481))
    canvas.note((572, 172), 'way 1, as published:\nthrough the tokens', TOKENS_WAY)
    canvas.box(
        (700, 44), (170, 90), 'depth head', fill=FROZEN, small='fuses the maps\nof four blocks'
    )
    canvas.box((700, 426), (170, 110), 'refinement\ndecoder', fill=TRAINED,
               small='gates and fuses the\nmaps of four blocks')  # fmt: skip
    canvas.arrow((632, 89), (698, 89))
    canvas.arrow((632, 481), (698, 481))
    canvas.arrow((785, 136), (785, 424), colour=DECODER_WAY, width=4)
    canvas.note((800, 255), 'way 2, ours: fused depth maps and\ninverse depth into the decoder',
                DECODER_WAY)  # fmt: skip
    canvas.box((916, 436), (116, 90), 'head', fill=TRAINED, small='dense, or\nMask2Former')
    canvas.arrow((872, 481), (914, 481))
    canvas.box((1070, 44), (100, 90), 'depth', fill=OUT, small='inverse')
    canvas.arrow((872, 89), (1068, 89))
    canvas.box((1070, 436), (100, 90), 'classes', fill=OUT, small='of every pixel')
    canvas.arrow((1034, 481), (1068, 481))
    for x, fill, text in ((890, FROZEN, 'frozen'), (990, TRAINED, 'trained'), (1096, OUT, 'out')):
        canvas.box((x, 556), (22, 16), '', fill=fill)
        canvas.note((x + 28, 569), text)
    return canvas


def frame() -> Canvas:
    """Draw one frame's way through the node, by its threads."""
    canvas = Canvas(1180, 470, "One frame's way through the node")
    canvas.frame((10, 14), (960, 112), "executor's thread")
    canvas.frame((10, 142), (1160, 150), "worker's thread")
    canvas.frame((10, 308), (1160, 146), "reporter's thread")
    canvas.box((30, 48), (150, 62), 'camera topic', small='Image, Compressed')
    canvas.box((230, 48), (180, 62), 'callback', fill=STEP, small='keeps the newest frame')
    canvas.arrow((182, 79), (228, 79))
    steps = (
        ('decode', 'message to RGB\nframe.py'),
        ('preprocess', 'network input\npreprocess.py'),
        ('engine', 'scores and depth\nengine/'),
        ('postprocess', "camera's size\npostprocess.py"),
        ('geometry', 'scale and metres\ngeometry/'),
        ('publish', 'what somebody\nsubscribes to'),
    )
    for number, (name, note) in enumerate(steps):
        x = 230 + 156 * number
        canvas.box((x, 178), (134, 96), name, fill=STEP, small=note)
        if number:
            canvas.arrow((x - 20, 226), (x - 2, 226))
    canvas.box((30, 178), (150, 96), 'take', fill=STEP, small='the newest frame\nof each camera')
    canvas.arrow((182, 226), (228, 226))
    canvas.arrow((250, 112), (250, 129), (162, 129), (162, 176))
    canvas.box((1010, 40), (134, 70), 'topics', fill=OUT, small='mask, depth, points')
    canvas.arrow((1077, 176), (1077, 112))
    canvas.box((230, 346), (290, 92), 'statistics', fill=STEP,
               small='received = published + dropped\nby reason + in work')  # fmt: skip
    canvas.arrow((365, 112), (365, 134), (206, 134), (206, 392), (228, 392), colour=TOKENS_WAY)
    canvas.note((424, 84), 'dropped: replaced, rate_limited', TOKENS_WAY)
    canvas.arrow((297, 276), (297, 344), colour=TOKENS_WAY)
    canvas.note((310, 332), 'dropped: no_subscribers, bad_length, too_large, ...', TOKENS_WAY)
    canvas.arrow((1077, 276), (1077, 372), (522, 372))
    canvas.note((700, 362), 'published, latencies, confidence')
    canvas.box((850, 392), (294, 46), '/diagnostics', fill=OUT)
    canvas.arrow((522, 415), (848, 415))
    canvas.note((560, 436), 'every second, whatever stalls')
    return canvas


def rooms() -> Canvas:
    """Draw the folders, and which of them imports which."""
    canvas = Canvas(1180, 400, 'The folders of depthforge_ros')
    canvas.frame((10, 14), (310, 372), 'where frames come from')
    canvas.frame((350, 14), (480, 372), "the frame's way, without ROS")
    canvas.frame((860, 14), (310, 372), 'where answers go')
    for y, name, note in (
        (50, 'ros/', 'camera topics: node, rig, camera, worker'),
        (166, 'bags/', 'rosbag1, rosbag2, and their repair'),
        (282, 'evaluation/sources.py', 'images and videos'),
    ):
        canvas.box((30, y), (270, 84), name, fill=STEP, small=note)
    for y, name, note in (
        (50, 'frame.py, preprocess.py', 'message to network input'),
        (134, 'engine/', 'runs the network'),
        (218, 'postprocess.py', "classes and depth at the camera's size"),
        (302, 'geometry/', 'scale from the road, metres, points'),
    ):
        canvas.box((370, y), (290, 66), name, fill=STEP, small=note)
        if y > 50:
            canvas.arrow((515, y - 17), (515, y - 2))
    canvas.box((690, 134), (122, 66), 'model/', fill=TRAINED, small='the network')
    canvas.arrow((688, 167), (662, 167))
    canvas.box((690, 302), (122, 66), 'trainer/', fill=TRAINED, small='another package')
    canvas.arrow((751, 300), (751, 202))
    canvas.note((744, 256), 'checkpoint', anchor='end')
    for y, name, note in (
        (50, 'ros/topics/, ros/diagnostics/', 'messages and reports'),
        (166, 'evaluation/, metrics/, reports/', 'who judges, by what, on which page'),
        (282, 'cli/predict.py', 'masks, depth and overlays as files'),
    ):
        canvas.box((880, y), (270, 84), name, fill=OUT, small=note)
    canvas.arrow((322, 200), (348, 200), width=4)
    canvas.arrow((832, 200), (858, 200), width=4)
    return canvas


PICTURES: Mapping[str, Callable[[], Canvas]] = {'network': network, 'frame': frame, 'rooms': rooms}


def pictures() -> Mapping[str, str]:
    """Return each picture's SVG by its file's name."""
    return {f'{name}.svg': draw().svg() for name, draw in PICTURES.items()}


if __name__ == '__main__':
    FOLDER.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        (FOLDER / name).write_text(svg, encoding='utf-8')
