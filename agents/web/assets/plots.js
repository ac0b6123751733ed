// Charts of a series over time, drawn by uPlot. Drag over one to zoom, double-click to see all again; below it stands
// what is under the cursor. All of them have the time zone that is chosen once: UTC, or that of the reader.
"use strict";

const PLOT_HEIGHT = 220, ZONES = { UTC: "Etc/UTC", local: Intl.DateTimeFormat().resolvedOptions().timeZone };
const plotted = new Set();
let zone = Object.hasOwn(ZONES, kept.read("weir.zone")) ? kept.read("weir.zone") : "UTC";
const inZone = seconds => uPlot.tzDate(new Date(1000 * seconds), ZONES[zone]);
const wholeStamp = uPlot.fmtDate("{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}");
const ofTheme = name => getComputedStyle(document.body).getPropertyValue(`--${name}`).trim();

// Rows as uPlot's templates of axes have them: distance of ticks, its text, then what is added where a year, month, day,
// hour, minute or second begins.
const day = "\n{YYYY}-{MM}-{DD}";
const TICKS = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [86400 * 28, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", day, null, day, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", day, null, day, null, null, null, 1],
];

// A band far wider than what was measured would flatten the line: it is cut. Bands are [[from, to, lower, upper]]: what
// was expected then. Where it is not known there is none.
function reach(values, model) {
  const low = Math.min(...values), high = Math.max(...values), room = 0.6 * (high - low || Math.abs(high) || 1);
  return model ? [Math.max(Math.min(low, model.lower), low - room), Math.min(Math.max(high, model.upper), high + room)] : [low, high];
}
const outermost = bands => bands.length ? { lower: Math.min(...bands.map(band => band[2])), upper: Math.max(...bands.map(band => band[3])) } : null;

/**
 * A chart: points [[time, value]], spread [[time, least, greatest]] of the same times, and what lies over and under them:
 * limits [value], lines [{label, points, color, dash}], zones [[from, to, color]], marks [[time, text]]. It is as long as
 * what was asked for, within [from, to], where that is given: what has not come for long is seen not to come.
 */
function chart(points, bands, anomalies, spread = [], limits = [], { lines = [], zones = [], marks = [], within = null } = {}) {
  if (points.length < 2) return make("div", { class: "empty" }, "Watching from now on: readings appear as they come.");
  const node = make("div", { class: "plot", "data-key": "plot", role: "group" });
  node.draw = drawn => {
    node.plotted = drawn;
    node.setAttribute("aria-label", inWords(drawn));
    if (!node.chart) return;
    if (node.chart.madeOf === shapeOf(drawn)) redraw(node.chart, columns(drawn));
    else { unmake(node); fit(node); }
  };
  node.draw({ points, bands, anomalies, spread, limits, lines, zones, marks, within });
  new ResizeObserver(() => fit(node)).observe(node);
  return node;
}

// Which lines a chart has is said when it is made: with others it is made anew.
const shapeOf = ({ spread, lines }) => JSON.stringify([spread.length > 0, lines.map(({ label, color, dash }) => [label, color, dash])]);
function unmake(node) { node.chart?.destroy(); plotted.delete(node.chart); node.chart = null; }

// Where far more time lies between two points than on either side of it, nothing came: no line leads over that.
function columns({ points, spread, lines = [], within = null }) {
  const found = spread.length ? [[], [], [], []] : [[], []], after = at => at < 0 || at + 1 >= points.length ? 0 : points[at + 1][0] - points[at][0];
  points.forEach(([time, value], at) => {
    const beside = Math.max(after(at - 1), after(at + 1)), gap = after(at);
    for (const [column, each] of [time, value, spread[at]?.[1], spread[at]?.[2]].slice(0, found.length).entries()) found[column].push(each);
    if (beside && gap > 2.5 * beside) for (const [column, each] of found.entries()) each.push(column ? null : time + gap / 2);
  });
  if (within && within[0] < points[0][0]) for (const [column, each] of found.entries()) each.unshift(column ? null : within[0]);
  if (within && within[1] > points.at(-1)[0]) for (const [column, each] of found.entries()) each.push(column ? null : within[1]);
  return lines.length ? uPlot.join([found, ...lines.map(line => [line.points.map(p => p[0]), line.points.map(p => p[1])])]) : found;
}
function inWords({ points, anomalies }) {
  const values = points.map(p => p[1]);
  return `Chart of ${points.length} values from ${stamp(points[0][0])} to ${stamp(points.at(-1)[0])} UTC, between ${short(Math.min(...values))} and ${short(Math.max(...values))}, with ${anomalies.length} anomalies`;
}

// A chart is made when its place has a width, and ends with its place.
function fit(node) {
  const width = Math.floor(node.clientWidth);
  if (!node.isConnected || !width) unmake(node);
  else if (node.chart) node.chart.setSize({ width, height: PLOT_HEIGHT });
  else { node.chart = new uPlot(options(node, width), columns(node.plotted), node); node.chart.madeOf = shapeOf(node.plotted); plotted.add(node.chart); }
}

// Who sets `zoomed` on a chart's node is told what part of it is shown large.
const isZoomed = chart => chart.scales.x.min > chart.data[0][0] || chart.scales.x.max < chart.data[0].at(-1);
function redraw(chart, data) {
  const zoomed = isZoomed(chart);
  chart.setData(data, !zoomed);
  if (zoomed) chart.redraw(false);
}

function options(node, width) {
  const quiet = () => ofTheme("quiet"), font = "11px system-ui, sans-serif", grid = { stroke: () => ofTheme("line"), width: 1 };
  const bound = label => ({ label, stroke: "transparent", width: 0, points: { show: false }, value: (_, v) => short(v) });
  const spread = node.plotted.spread.length > 0;
  return {
    width, height: PLOT_HEIGHT, tzDate: inZone, legend: { live: true }, cursor: { drag: { x: true, y: false } },
    scales: { x: { time: true }, y: { range: (chart, low, high) => heightOf(node.plotted, isZoomed(chart), low, high) } },
    axes: [{ stroke: quiet, font, grid: { show: false }, ticks: grid, values: TICKS }, { stroke: quiet, font, grid, ticks: { show: false }, values: (_, values) => values.map(short), size: 58 }],
    series: [
      { label: "time", value: (_, seconds) => seconds === null ? "–" : `${wholeStamp(inZone(seconds))} ${zone === "UTC" ? "UTC" : ""}` },
      { label: spread ? "mean" : "value", stroke: () => ofTheme("water"), width: 1.5, points: { show: false }, value: (_, v) => short(v) },
      ...(spread ? [bound("least"), bound("greatest")] : []),
      ...node.plotted.lines.map(({ label, color, dash }) => ({ label, stroke: () => ofTheme(color), width: 1.5, dash, points: { show: false }, value: (_, v) => short(v) })),
    ],
    bands: spread ? [{ series: [3, 2], fill: () => ofTheme("band") }] : [],
    hooks: { setScale: [(chart, scale) => { if (scale === "x" && isZoomed(chart)) node.zoomed?.(chart.scales.x.min, chart.scales.x.max); }], drawClear: [chart => drawUnder(chart, node.plotted)], draw: [chart => { drawLimits(chart, node.plotted.limits); drawMarks(chart, node.plotted.marks); }] },
  };
}

function heightOf({ bands, limits }, zoomed, low, high) {
  if (low === null) return [0, 1];
  const [least, greatest] = reach([low, high, ...(zoomed ? [] : limits)], outermost(bands)), room = 0.04 * (greatest - least || Math.abs(greatest) || 1);
  return [least - room, greatest + room];
}

function drawUnder({ ctx, bbox, valToPos }, { bands, anomalies, zones }) {
  ctx.save();
  ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
  for (const [from, to, color] of zones) {
    const left = valToPos(from, "x", true);
    ctx.fillStyle = ofTheme(color); ctx.fillRect(left, bbox.top, Math.max(2, valToPos(to, "x", true) - left), bbox.height);
  }
  for (const [from, to, lower, upper, color = "band"] of bands) {
    const left = valToPos(from, "x", true), top = valToPos(upper, "y", true);
    ctx.fillStyle = ofTheme(color); ctx.fillRect(left, top, Math.max(1, valToPos(to, "x", true) - left), valToPos(lower, "y", true) - top);
  }
  ctx.fillStyle = ofTheme("alarm-soft");
  for (const each of anomalies) {
    const from = valToPos(each.raised_at, "x", true), to = each.cleared_at ? valToPos(each.cleared_at, "x", true) : bbox.left + bbox.width;
    ctx.fillRect(from, bbox.top, Math.max(2, to - from), bbox.height);
  }
  ctx.restore();
}

function drawLimits({ ctx, bbox, valToPos }, limits) {
  ctx.save();
  ctx.strokeStyle = ofTheme("alarm"); ctx.setLineDash([5, 3]);
  for (const limit of limits) {
    const y = valToPos(limit, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
  }
  ctx.restore();
}

function drawMarks({ ctx, bbox, valToPos }, marks) {
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = ofTheme("change"); ctx.setLineDash([5, 3]); ctx.textAlign = "center"; ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  for (const [time, text] of marks) {
    const x = valToPos(time, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
    ctx.fillText(text, x, bbox.top + 11 * devicePixelRatio);
  }
  ctx.restore();
}

/** Put finer points in the place of those of a stretch of time: what is large shows more, and the rest stays. */
function refined(drawn, from, to, points, spread, bands) {
  const around = (known, finer) => [...known.filter(each => each[0] < from), ...finer.filter(each => each[0] >= from && each[0] < to), ...known.filter(each => each[0] >= to)];
  return { ...drawn, points: around(drawn.points, points), spread: around(drawn.spread, spread), bands: around(drawn.bands, bands) };
}

const redrawAll = () => plotted.forEach(chart => chart.redraw(true, true));
function otherZone(button) {
  zone = zone === "UTC" ? "local" : "UTC";
  kept.write("weir.zone", zone); nameZone(button); redrawAll();
}
function nameZone(button) { button.textContent = `Charts: ${zone === "UTC" ? "UTC" : ZONES.local}`; }
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
