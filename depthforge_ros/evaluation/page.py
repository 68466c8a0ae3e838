# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The frame of a report: style, and the script that links time lines with pictures."""

from __future__ import annotations

from string import Template

LINKS = """
document.querySelectorAll('[data-line]').forEach(function (section) {
  var line = document.getElementById(section.dataset.line);
  var shots = section.querySelectorAll('.shot');
  function choose(shot) {
    shots.forEach(function (one) { one.classList.toggle('chosen', one === shot); });
    var x = Number(shot.dataset.time);
    Plotly.relayout(line, {shapes: [{type: 'line', xref: 'x', yref: 'paper', x0: x, x1: x,
      y0: 0, y1: 1, line: {color: '#c43c2f', width: 1.5, dash: 'dot'}}]});
  }
  shots.forEach(function (shot) {
    shot.querySelector('a').addEventListener('click', function (event) {
      event.preventDefault();
      choose(shot);
      line.scrollIntoView({behavior: 'smooth', block: 'center'});
    });
  });
  line.on('plotly_click', function (event) {
    var shot = document.getElementById(event.points[0].customdata);
    if (!shot) { return; }
    choose(shot);
    shot.scrollIntoView({behavior: 'smooth', block: 'center'});
  });
});
"""
"""A click on a marked moment shows its picture, a click on a picture its place in the drive."""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>DepthForge report</title>
<style>
body { font: 16px/1.45 system-ui, sans-serif; color: #20242c; background: #eef0f3; margin: 0; }
main { max-width: 1280px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 8px 0 4px; }
h2 { font-size: 20px; margin: 0 0 4px; }
h3 { font-size: 16px; margin: 22px 0 8px; }
section { background: #fff; border-radius: 10px; padding: 22px; margin: 22px 0;
  box-shadow: 0 1px 3px rgb(0 0 0 / 12%); }
.origin { color: #5a6270; font-size: 14px; margin: 0 0 14px; }
.warning { background: #fbe9e7; border-left: 4px solid #c43c2f; padding: 8px 12px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); gap: 10px;
  margin-bottom: 18px; }
.card { background: #f4f6f9; border-radius: 8px; padding: 10px 12px; font-size: 13px;
  color: #5a6270; }
.card b { display: block; font-size: 21px; color: #20242c; font-weight: 600; }
img { width: 100%; border-radius: 6px; display: block; }
.plots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px; }
.wide { grid-column: 1 / -1; }
.shots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; }
.shot { margin: 0; padding: 6px; border-radius: 8px; border: 2px solid transparent; }
.shot.chosen { border-color: #c43c2f; }
.shot a { color: inherit; text-decoration: none; }
figcaption { font-size: 13px; color: #5a6270; padding: 4px 2px 0; }
@media (max-width: 800px) { .plots, .shots { grid-template-columns: minmax(0, 1fr); } }
table { border-collapse: collapse; font-size: 14px; }
th { text-align: left; padding: 3px 18px 3px 0; border-bottom: 2px solid #c9ced6; }
td { padding: 3px 18px 3px 0; border-bottom: 1px solid #e4e7ec; overflow-wrap: anywhere; }
summary { cursor: pointer; margin: 14px 0 8px; }
</style>
<script>$plotly</script>
</head>
<body><main>
<h1>DepthForge report</h1>
$body
$meanings
</main>
<script>$links</script>
</body>
</html>
""")
