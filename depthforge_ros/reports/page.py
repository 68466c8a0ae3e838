# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The template of a report: its style, script and introduction."""

from __future__ import annotations

from string import Template

JUMP = """
document.getElementById('{plot_id}').on('plotly_click', event => {
  const anchor = event.points[0].customdata;
  if (typeof anchor === 'string') location.hash = anchor;
});
"""
"""Leads from a mark of the time line to its pictures."""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';
  script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>DepthForge report</title>
<style>
body { font: 16px/1.45 system-ui, sans-serif; color: #20242c; background: #eef0f3; margin: 0; }
main { max-width: 1280px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 8px 0 4px; }
h2 { font-size: 20px; margin: 0 0 14px; }
h3 { font-size: 16px; margin: 22px 0 8px; }
section { background: #fff; border-radius: 10px; padding: 22px; margin: 22px 0;
  box-shadow: 0 1px 3px rgb(0 0 0 / 12%); }
.caution { background: #fbe9e7; border-left: 4px solid #c43c2f; padding: 8px 12px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 10px;
  margin-bottom: 18px; }
.card { background: #f4f6f9; border-radius: 8px; padding: 10px 12px; font-size: 13px;
  color: #5a6270; }
.card b { display: block; font-size: 19px; color: #2457a6; font-weight: 600;
  white-space: nowrap; }
.card b + b { color: #b3661a; }
img { width: 100%; border-radius: 6px; display: block; }
.plots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px; }
.wide { grid-column: 1 / -1; }
@media (max-width: 800px) { .plots { grid-template-columns: minmax(0, 1fr); } }
figure { margin: 0 0 10px; padding: 8px; border-radius: 8px; scroll-margin-top: 12px; }
figure:target { background: #fdf1dc; }
figcaption { font-size: 14px; margin-bottom: 4px; }
figcaption b { display: inline-block; background: #c43c2f; color: #fff; border-radius: 50%;
  width: 22px; text-align: center; margin-right: 6px; }
.key { display: flex; flex-wrap: wrap; gap: 4px 14px; font-size: 13px; margin: 8px; }
.key i { display: inline-block; width: 13px; height: 13px; border-radius: 3px;
  vertical-align: -2px; margin-right: 5px; }
table { border-collapse: collapse; font-size: 14px; }
td, th { padding: 3px 18px 3px 0; border-bottom: 1px solid #e4e7ec; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
.proofs { display: grid; grid-template-columns: repeat(auto-fill, minmax(520px, 1fr)); gap: 8px; }
small, code { font-size: 12px; color: #5a6270; overflow-wrap: anywhere; }
summary { cursor: pointer; margin: 8px 0; }
</style>
<script>$plotly</script>
</head>
<body><main>
<h1>DepthForge report</h1>
<p>Masks and depth judged against the ground truth where there is any. Depth is relative: AbsRel
is after the one best scale of each frame. TC is how far a mask agrees with the one before, moved
along with the optical flow; flicker is the share of static pixels that change their class.</p>
$body
</main></body>
</html>
""")
