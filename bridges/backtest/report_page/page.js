"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const names = data.configurations.map((each) => each.name);
  const colour = (index) => `var(--c${index % 6})`;
  const find = (id) => document.getElementById(id);

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (key === "class") made.className = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }
  function shape(parent, name, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  }

  // -- numbers and times ---------------------------------------------------------------------------------------------
  const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
  const count = (value) => (value == null ? "–" : Math.round(value).toLocaleString("en"));
  const decimal = (digits) => (value) => (value == null ? "–" : value.toFixed(digits));
  const short = (value) => (value == null ? "–" : String(+value.toPrecision(5)));
  function span(seconds) {
    if (seconds == null) return "–";
    const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    const at = units.findIndex(([size]) => Math.abs(seconds) >= size);
    if (at < 0) return "0 s";
    const [size, unit] = units[at];
    return `${(seconds / size).toFixed(seconds / size < 10 && unit !== "s" ? 1 : 0)} ${unit}`;
  }
  function steps(low, high, wanted) {
    const raw = (high - low) / wanted || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(+at.toPrecision(12));
    return found;
  }
  const TIME_STEPS = [1, 5, 15, 60, 300, 900, 3600, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000];
  function timeSteps(low, high, wanted) {
    const step = TIME_STEPS.find((each) => (high - low) / each <= wanted) || TIME_STEPS[TIME_STEPS.length - 1];
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(at);
    return { found, text: (at) => (step >= 86400 ? moment(at).slice(0, 10) : step >= 60 ? moment(at).slice(5, 16) : moment(at).slice(11)) };
  }

  // -- tables ----------------------------------------------------------------------------------------------------------
  const columns = [
    ["anomalies", "anomalies", count], ["/sensor-day", "alarms_per_sensor_day", decimal(3)],
    ["alarm time", "alarm_seconds", span], ["flaps", "flaps", count], ["late", "late", count],
    ...(data.labels ? [["recall", "recall", decimal(2)], ["precision", "precision", decimal(2)], ["F1", "f1", decimal(2)],
      ["delay", "median_delay_seconds", span], ["missed", "missed", count]] : []),
    ...(data.configurations.some((each) => each.figures.nab_standard != null)
      ? [["NAB", "nab_standard", decimal(1)], ["low FP", "nab_low_fp", decimal(1)], ["low FN", "nab_low_fn", decimal(1)]] : []),
  ];
  function swatch(index) {
    return element("span", { class: "swatch", style: `background:${colour(index)}` });
  }
  function figuresTable() {
    const table = find("figures");
    table.append(element("tr", {}, element("th", {}, ""), ...columns.map(([title]) => element("th", {}, title))));
    data.configurations.concat(data.baselines).forEach((each, index) => {
      const own = index < names.length;
      table.append(element("tr", {}, element("td", {}, ...(own ? [swatch(index)] : []), own ? each.name : `baseline: ${each.name}`),
        ...columns.map(([, key, show]) => element("td", {}, show(each.figures[key])))));
    });
    find("figures-note").textContent = data.labels
      ? `${some(data.labels.length, "label", "labels")}. A label is found if an anomaly is raised in it` +
        (data.tolerance_seconds ? ` or within ${span(data.tolerance_seconds)} after it.` : ".")
      : "No labels were given: nothing here says which anomalies are right.";
  }
  function describe(anomaly) {
    const until = anomaly.cleared_at == null ? "still open" : `for ${span(anomaly.cleared_at - anomaly.raised_at)}`;
    return `${anomaly.sensor_id}/${anomaly.quantity} ${moment(anomaly.raised_at)} ${until}, value ${short(anomaly.value)}`;
  }
  const some = (number, what, whats) => `${count(number)} ${number === 1 ? what : whats}`;
  function listed(does, doing, anomalies) {
    const title = some(anomalies.length, `anomaly ${does}`, `anomalies ${doing}`);
    if (!anomalies.length) return element("p", { class: "none" }, title);
    const list = element("ul");
    for (const each of anomalies) {
      const plot = plots.get(`${each.sensor_id}/${each.quantity}`);
      const text = describe(each);
      list.append(element("li", {}, plot ? element("button", { class: "link", onclick: () => plot.show(each) }, text) : text));
    }
    return element("details", anomalies.length <= 12 ? { open: "" } : {}, element("summary", {}, title), list);
  }
  function differences() {
    for (const each of data.differences) {
      find("differences").append(element("h2", {}, `From ${each.before} to ${each.after}`),
        listed("appears", "appear", each.appeared), listed("vanishes", "vanish", each.vanished),
        listed("moves", "move", each.moved.map(([, after]) => after)),
        element("p", { class: "none" }, some(each.same, "anomaly stays as it is", "anomalies stay as they are")));
    }
  }
  function rankingTable() {
    const table = find("ranking");
    const heads = ["series", "readings", ...(data.differences.length ? ["appear", "vanish", "move"] : []), ...(data.labels ? ["labels"] : [])];
    for (const name of names) heads.push(`${name}: anomalies`, "alarm time", ...(data.labels ? ["missed"] : []));
    table.append(element("tr", {}, ...heads.map((head) => element("th", {}, head))));
    for (const each of data.ranking) {
      const plot = plots.get(`${each.sensor_id}/${each.quantity}`);
      const cells = [`${each.sensor_id}/${each.quantity}`, count(each.readings)];
      if (data.differences.length) cells.push(count(each.appeared), count(each.vanished), count(each.moved));
      if (data.labels) cells.push(count(each.labels));
      for (const name of names) {
        const own = each.configurations[name];
        cells.push(count(own.anomalies), span(own.alarm_seconds), ...(data.labels ? [count(own.missed)] : []));
      }
      const row = element("tr", plot ? { class: "plotted", tabindex: "0", onclick: () => plot.show(), onkeydown: (event) => event.key === "Enter" && plot.show() } : {},
        ...cells.map((cell) => element("td", {}, cell)));
      table.append(row);
    }
  }

  // -- plots -----------------------------------------------------------------------------------------------------------
  const LEFT = 56, RIGHT = 12, TOP = 8, HEIGHT = 200, LANE = 12, AXIS = 22;
  class Plot {
    constructor(trace) {
      this.trace = trace;
      this.key = `${trace.sensor_id}/${trace.quantity}`;
      const end = trace.t.length ? trace.t[trace.t.length - 1] + trace.width : 1;
      this.all = [trace.t[0] || 0, end];
      this.range = this.all.slice();
      const mine = (each) => each.sensor_id === trace.sensor_id && each.quantity === trace.quantity;
      this.lanes = data.configurations.map((each) => each.anomalies.filter(mine));
      this.labels = (data.labels || []).filter((each) => each.sensor_id === trace.sensor_id && [trace.quantity, "*"].includes(each.quantity));
      this.at = element("span", { class: "at" });
      this.svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      this.svg.setAttribute("role", "img");
      this.svg.setAttribute("aria-label", `Readings and anomalies of ${this.key}`);
      this.figure = element("figure", { tabindex: "0", id: `plot-${this.key}` }, element("header", {}, element("h3", {}, this.key), this.at), this.svg);
      this.listen();
    }
    x(time) { return LEFT + ((time - this.range[0]) / (this.range[1] - this.range[0])) * this.inner; }
    time(x) { return this.range[0] + ((x - LEFT) / this.inner) * (this.range[1] - this.range[0]); }
    y(value) { return TOP + (1 - (value - this.low) / (this.high - this.low)) * HEIGHT; }
    draw() {
      const { trace, svg } = this;
      const width = Math.max(360, this.figure.clientWidth - 26);
      this.inner = width - LEFT - RIGHT;
      const bottom = TOP + HEIGHT + names.length * LANE + 4;
      svg.setAttribute("viewBox", `0 0 ${width} ${bottom + AXIS}`);
      svg.replaceChildren();
      const clip = `clip-${this.key.replace(/[^\w-]/g, "_")}`;
      shape(shape(shape(svg, "defs", {}), "clipPath", { id: clip }), "rect", { x: LEFT, y: 0, width: this.inner, height: bottom });
      let first = trace.t.findIndex((at) => at + trace.width > this.range[0]);
      let last = trace.t.findIndex((at) => at > this.range[1]);
      first = Math.max(0, (first < 0 ? trace.t.length : first) - 1);
      last = last < 0 ? trace.t.length : last + 1;
      const seen = trace.t.slice(first, last).map((_, at) => at + first);
      this.low = Math.min(...seen.map((at) => trace.min[at]));
      this.high = Math.max(...seen.map((at) => trace.max[at]));
      if (!Number.isFinite(this.low)) [this.low, this.high] = [0, 1];
      if (this.low === this.high) { this.low -= 1; this.high += 1; }
      const margin = (this.high - this.low) * 0.08;
      this.low -= margin; this.high += margin;
      for (const value of steps(this.low, this.high, 5)) {
        shape(svg, "line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: this.y(value), y2: this.y(value) });
        shape(svg, "text", { x: LEFT - 6, y: this.y(value) + 4, "text-anchor": "end" }).textContent = short(value);
      }
      const ticks = timeSteps(this.range[0], this.range[1], this.inner / 90);
      for (const at of ticks.found) {
        shape(svg, "line", { class: "grid", x1: this.x(at), x2: this.x(at), y1: TOP, y2: bottom });
        shape(svg, "text", { x: this.x(at), y: bottom + 15, "text-anchor": "middle" }).textContent = ticks.text(at);
      }
      const inside = shape(svg, "g", { "clip-path": `url(#${clip})` });
      for (const label of this.labels) {
        const left = this.x(label.start);
        shape(inside, "rect", { class: "truth", x: left, y: TOP, width: Math.max(2, this.x(label.end) - left), height: bottom - TOP });
      }
      this.bands(inside);
      const middle = (at) => this.x(trace.t[at] + trace.width / 2);
      for (const run of this.runs(seen)) {
        const up = run.map((at) => `${middle(at).toFixed(1)},${this.y(trace.max[at]).toFixed(1)}`);
        const down = run.map((at) => `${middle(at).toFixed(1)},${this.y(trace.min[at]).toFixed(1)}`).reverse();
        if (run.length > 1) shape(inside, "polygon", { class: "extent", points: up.concat(down).join(" ") });
        shape(inside, "polyline", { class: "mean", points: run.map((at) => `${middle(at).toFixed(1)},${this.y(trace.mean[at]).toFixed(1)}`).join(" ") });
      }
      this.lanes.forEach((lane, index) => {
        const y = TOP + HEIGHT + 4 + index * LANE;
        for (const each of lane) {
          const left = this.x(each.raised_at);
          const until = each.cleared_at == null ? this.all[1] : each.cleared_at;
          const bar = shape(inside, "rect", { x: left, y, width: Math.max(3, this.x(until) - left), height: LANE - 3, fill: colour(index) });
          shape(bar, "title", {}).textContent = `${names[index]}: ${describe(each)} (${each.cause}, ${each.direction})`;
          shape(inside, "line", { x1: left, x2: left, y1: TOP, y2: y, stroke: colour(index), "stroke-width": 1, opacity: 0.55 });
        }
      });
      this.cursor = shape(svg, "line", { class: "cursor", y1: TOP, y2: bottom, visibility: "hidden" });
      this.brush = shape(svg, "rect", { class: "brush", y: TOP, height: bottom - TOP, visibility: "hidden" });
    }
    runs(seen) {
      // A gap of more than three usual steps is not bridged by a line.
      const { t, gap } = this.trace;
      const found = [];
      for (const at of seen) {
        const run = found[found.length - 1];
        if (run && t[at] - t[run[run.length - 1]] <= gap) run.push(at);
        else found.push([at]);
      }
      return found;
    }
    bands(inside) {
      this.trace.bands.forEach((band, index) => {
        const shown = band.map((each, at) => [each, at]).filter(([each]) => each);
        if (index !== names.length - 1 || shown.length < 2) return;
        const clamp = (value) => Math.max(TOP, Math.min(TOP + HEIGHT, this.y(value))).toFixed(1);
        const x = (at) => this.x(this.trace.t[at] + this.trace.width / 2).toFixed(1);
        const up = shown.map(([[, , upper], at]) => `${x(at)},${clamp(upper)}`);
        const down = shown.map(([[, lower], at]) => `${x(at)},${clamp(lower)}`).reverse();
        shape(inside, "polygon", { points: up.concat(down).join(" "), fill: colour(index), opacity: 0.13 });
      });
    }
    zoom(from, to) {
      const least = this.trace.width * 4;
      if (to - from < least) { const centre = (from + to) / 2; from = centre - least / 2; to = centre + least / 2; }
      this.range = [Math.max(this.all[0], from), Math.min(this.all[1], to)];
      if (this.range[1] <= this.range[0]) this.range = this.all.slice();
      this.draw();
    }
    show(anomaly) {
      this.figure.scrollIntoView({ behavior: "smooth", block: "center" });
      if (!anomaly) return;
      const end = anomaly.cleared_at == null ? this.all[1] : anomaly.cleared_at;
      const room = Math.max(3 * (end - anomaly.raised_at), 60 * this.trace.width);
      this.zoom(anomaly.raised_at - room, end + room);
    }
    listen() {
      const place = (event) => {
        const box = this.svg.getBoundingClientRect();
        return ((event.clientX - box.left) / box.width) * (this.inner + LEFT + RIGHT);
      };
      let begun = null;
      this.svg.addEventListener("pointerdown", (event) => { begun = place(event); this.svg.setPointerCapture(event.pointerId); });
      this.svg.addEventListener("pointermove", (event) => {
        const x = place(event);
        this.tell(this.time(x));
        this.cursor.setAttribute("x1", x); this.cursor.setAttribute("x2", x); this.cursor.setAttribute("visibility", "visible");
        if (begun === null) return;
        this.brush.setAttribute("x", Math.min(begun, x)); this.brush.setAttribute("width", Math.abs(x - begun));
        this.brush.setAttribute("visibility", "visible");
      });
      this.svg.addEventListener("pointerup", (event) => {
        const x = place(event);
        const from = begun;
        begun = null;
        this.brush.setAttribute("visibility", "hidden");
        if (from !== null && Math.abs(x - from) > 6) this.zoom(this.time(Math.min(from, x)), this.time(Math.max(from, x)));
      });
      this.svg.addEventListener("pointerleave", () => { this.cursor.setAttribute("visibility", "hidden"); this.at.textContent = ""; });
      this.svg.addEventListener("dblclick", () => this.zoom(...this.all));
      this.figure.addEventListener("keydown", (event) => event.key === "Escape" && this.zoom(...this.all));
      this.svg.addEventListener("wheel", (event) => {
        event.preventDefault();
        const centre = this.time(place(event));
        const by = event.deltaY > 0 ? 1.3 : 1 / 1.3;
        this.zoom(centre - (centre - this.range[0]) * by, centre + (this.range[1] - centre) * by);
      }, { passive: false });
    }
    tell(time) {
      const { t, mean, width } = this.trace;
      let low = 0, high = t.length;
      while (low < high) { const middle = (low + high) >> 1; if (t[middle] + width <= time) low = middle + 1; else high = middle; }
      const at = Math.min(low, t.length - 1);
      if (at >= 0) this.at.textContent = `${moment(t[at])} UTC   ${short(mean[at])}`;
    }
  }
  const plots = new Map();
  for (const trace of data.traces) {
    const plot = new Plot(trace);
    plots.set(plot.key, plot);
    find("plots").append(plot.figure);
    plot.draw();
  }
  window.addEventListener("resize", () => plots.forEach((plot) => plot.draw()));

  // -- the rest of the page --------------------------------------------------------------------------------------------
  find("summary").textContent =
    `${count(data.readings)} readings of ${some(data.sensors, "sensor", "sensors")} (${count(data.series)} series) from ${moment(data.first)} to ` +
    `${moment(data.last)} UTC, ${data.sensor_days.toFixed(1)} sensor-days; source: ${data.source.kind} ${data.source.name}` +
    (data.unreadable ? `; ${count(data.unreadable)} unreadable records were passed over` : "") + `. Weir ${data.weir}.`;
  names.forEach((name, index) => find("legend").append(swatch(index), `anomalies of ${name}   `));
  if (data.labels) find("legend").append(element("span", { class: "swatch", style: "background:var(--label)" }), "label   ");
  find("legend").append(element("span", { class: "swatch", style: `background:${colour(names.length - 1)};opacity:.3` }), `band expected by ${names[names.length - 1]}`);
  figuresTable();
  differences();
  rankingTable();
  data.configurations.forEach((each) => find("settings").append(element("h3", {}, each.name),
    element("pre", {}, JSON.stringify({ windows: each.windows, detection: each.detection, digests: each.digests }, null, 2))));
})();
