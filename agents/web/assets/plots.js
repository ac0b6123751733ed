// Charts of a series over time, drawn by uPlot. Drag over one to zoom, double-click to see all again; below it stands
// what is under the cursor. All of them have the time zone that is chosen once: UTC, or that of the reader.
"use strict";

const PLOT_HEIGHT = 220, ZONES = { UTC: "Etc/UTC", local: Intl.DateTimeFormat().resolvedOptions().timeZone };
const plotted = new Set();
let zone = "UTC";
try { zone = Object.hasOwn(ZONES, localStorage.getItem("weir.zone")) ? localStorage.getItem("weir.zone") : zone; } catch { /* a private window keeps nothing */ }
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

// A band far wider than what was measured would flatten the line: it is cut.
function reach(values, model) {
  const low = Math.min(...values), high = Math.max(...values), room = 0.6 * (high - low || Math.abs(high) || 1);
  return model ? [Math.max(Math.min(low, model.lower), low - room), Math.min(Math.max(high, model.upper), high + room)] : [low, high];
}
const readyModel = model => model && model.lower !== null && model.upper !== null ? model : null;

/** A chart: points [[time, value]], spread [[time, least, greatest]] of the same times, and what lies over and under them. */
function chart(points, model, anomalies, spread = [], limits = []) {
  if (points.length < 2) return make("div", { class: "empty" }, "Watching from now on: readings appear as they come.");
  const node = make("div", { class: "plot", "data-key": "plot", role: "group" });
  node.draw = drawn => {
    node.plotted = drawn;
    node.setAttribute("aria-label", inWords(drawn));
    if (node.chart) redraw(node.chart, columns(drawn));
  };
  node.draw({ points, model: readyModel(model), anomalies, spread, limits });
  new ResizeObserver(() => fit(node)).observe(node);
  return node;
}

const columns = ({ points, spread }) => [points.map(p => p[0]), points.map(p => p[1]), ...(spread.length ? [spread.map(p => p[1]), spread.map(p => p[2])] : [])];
function inWords({ points, anomalies }) {
  const values = points.map(p => p[1]);
  return `Chart of ${points.length} values from ${stamp(points[0][0])} to ${stamp(points.at(-1)[0])} UTC, between ${short(Math.min(...values))} and ${short(Math.max(...values))}, with ${anomalies.length} anomalies`;
}

// A chart is made when its place has a width, and ends with its place.
function fit(node) {
  const width = Math.floor(node.clientWidth);
  if (!node.isConnected || !width) { node.chart?.destroy(); plotted.delete(node.chart); node.chart = null; }
  else if (node.chart) node.chart.setSize({ width, height: PLOT_HEIGHT });
  else { node.chart = new uPlot(options(node, width), columns(node.plotted), node); plotted.add(node.chart); }
}

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
    ],
    bands: spread ? [{ series: [3, 2], fill: () => ofTheme("band") }] : [],
    hooks: { drawClear: [chart => drawUnder(chart, node.plotted)], draw: [chart => drawLimits(chart, node.plotted.limits)] },
  };
}

function heightOf({ model, limits }, zoomed, low, high) {
  if (low === null) return [0, 1];
  const [least, greatest] = reach([low, high, ...(zoomed ? [] : limits)], model), room = 0.04 * (greatest - least || Math.abs(greatest) || 1);
  return [least - room, greatest + room];
}

function drawUnder({ ctx, bbox, valToPos }, { model, anomalies }) {
  ctx.save();
  ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
  if (model) {
    const top = valToPos(model.upper, "y", true), floor = valToPos(model.lower, "y", true);
    ctx.fillStyle = ofTheme("band"); ctx.fillRect(bbox.left, top, bbox.width, floor - top);
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

const redrawAll = () => plotted.forEach(chart => chart.redraw(true, true));
function otherZone(button) {
  zone = zone === "UTC" ? "local" : "UTC";
  try { localStorage.setItem("weir.zone", zone); } catch { /* a private window keeps nothing */ }
  nameZone(button); redrawAll();
}
function nameZone(button) { button.textContent = `Charts: ${zone === "UTC" ? "UTC" : ZONES.local}`; }
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
