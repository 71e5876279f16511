// The chart of a page: fetches what the series call gives and draws it with uPlot, on top of the legend's table, and
// with it what the page says of leaks. The address says which range is shown; dragging changes it, and a click picks the
// moment of the process table, where there is one.

// of this very version: the address says which
const { Overlay } = await import(new URL(`overlay.js${new URL(import.meta.url).search}`, import.meta.url));

const RANGES = { "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800, "14d": 1209600, "30d": 2592000, "90d": 7776000 };
const REFRESH_MS = 20_000;
const GAP = 3; // points further apart than this many median steps have a gap between them
const NEAR = 3; // a limit up to this many times the highest value is shown from the start
const STEPS = [1, 2, 5].flatMap((n) => Array.from({ length: 14 }, (_, power) => n * 10 ** power)).sort((a, b) => a - b);

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const timeParts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const clock = new Intl.DateTimeFormat(undefined, timeParts);
const clockSeconds = new Intl.DateTimeFormat(undefined, { ...timeParts, second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, {
  ...timeParts,
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZoneName: "short",
});

function stamp(seconds) {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}

function seconds(text) {
  return Math.round(Date.parse(text) / 1000);
}

function canonical(key) {
  return JSON.stringify(Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** What the legend's table says of each series, by key. */
function readLegend() {
  const rows = new Map();
  for (const row of document.querySelectorAll("[data-legend] tr[data-key]")) {
    const swatch = row.querySelector(".swatch");
    rows.set(canonical(JSON.parse(row.dataset.key)), {
      label: row.dataset.label,
      colour: row.dataset.colour,
      stroke: strokeOf(row.dataset.colour) || getComputedStyle(swatch).backgroundColor,
    });
  }
  return rows;
}

/** A colour of the stylesheet as the canvas needs it: read from an element, since the tokens hold both themes. */
function strokeOf(colour) {
  const probe = element("span", `swatch c${colour}`);
  probe.hidden = true;
  document.body.append(probe);
  const value = getComputedStyle(probe).backgroundColor;
  probe.remove();
  return value;
}

function faded(colour, alpha) {
  const [r, g, b] = colour.match(/[\d.]+/g);
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

/** Points further apart than the usual step get an empty one between them, so that no line bridges the silence. */
function withGaps(times, columns) {
  const steps = times.slice(1).map((time, index) => time - times[index]);
  const median = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)];
  if (!steps.some((step) => step > GAP * median)) return [times, columns];
  const outTimes = [];
  const out = columns.map(() => []);
  times.forEach((time, index) => {
    if (index > 0 && steps[index - 1] > GAP * median) {
      outTimes.push((time + times[index - 1]) / 2);
      out.forEach((column) => column.push(null));
    }
    outTimes.push(time);
    columns.forEach((column, at) => out[at].push(column[index]));
  });
  return [outTimes, out];
}

/** Readings with nothing on either side would not show in a line: these get a dot. */
function lonely(values) {
  return values.flatMap((value, index) =>
    value !== null && (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null ? [index] : [],
  );
}

class HandlesChart {
  constructor(box) {
    this.box = box;
    this.plotBox = box.querySelector(".chart-plot");
    this.tip = box.querySelector(".chart-tip");
    this.state = box.querySelector(".chart-state");
    this.spoken = box.querySelector("[data-chart-say]");
    this.tools = document.querySelector("[data-chart-tools]");
    this.zeroButton = this.tools.querySelector("[data-chart-zero]");
    this.limitsButton = this.tools.querySelector("[data-chart-limits]");
    this.limits = JSON.parse(box.dataset.limits);
    this.serverAhead = box.dataset.range ? Date.parse(box.dataset.to) - Date.now() : 0;
    this.firstRange = box.dataset.range || "24h";
    this.home = box.dataset.homeFrom ? { from: seconds(box.dataset.homeFrom), to: seconds(box.dataset.homeTo) } : null;
    this.picks = box.hasAttribute("data-pick");
    this.overlay = new Overlay();
    this.at = box.dataset.at ? seconds(box.dataset.at) : null;
    this.fromZero = true;
    this.limitsShown = null; // until the first answer says whether one is near
    this.hidden = new Set();
    this.answer = null;
    this.plot = null;
    this.request = null;
    this.span = box.dataset.range
      ? { rolling: RANGES[box.dataset.range] }
      : { from: seconds(box.dataset.from), to: seconds(box.dataset.to), home: box.hasAttribute("data-at-home") };
  }

  start() {
    this.box.hidden = false;
    this.tools.hidden = false;
    this.box.tabIndex = 0;
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("blur", () => this.hideTip());
    this.zeroButton.addEventListener("click", () => this.toggleZero());
    this.limitsButton.addEventListener("click", () => this.toggleLimits());
    document.addEventListener("hw:theme", () => this.draw({ rebuild: true }));
    document.addEventListener("hw:refreshed", () => this.legend());
    window.addEventListener("popstate", () => this.followAddress());
    new ResizeObserver(() => this.resize()).observe(this.plotBox);
    setInterval(() => {
      if (!document.hidden && this.span.rolling) this.load();
    }, REFRESH_MS);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.span.rolling) this.load();
    });
    this.legend();
    this.load();
  }

  /** How far the plot reaches beyond the newest reading, where it forecasts; not in a stretch that somebody chose. */
  ahead() {
    return this.span.rolling || this.span.home ? this.overlay.ahead : 0;
  }

  range() {
    if (!this.span.rolling) return [this.span.from, this.span.to];
    const now = Math.floor((Date.now() + this.serverAhead) / 1000);
    return [now - this.span.rolling, now];
  }

  // --- data ---

  async load() {
    const [from, to] = this.range();
    const url = new URL(this.box.dataset.seriesUrl, location.href);
    url.searchParams.set("from", stamp(from));
    url.searchParams.set("to", stamp(to));
    url.searchParams.set("points", String(Math.min(1500, Math.max(200, Math.round(this.plotBox.clientWidth)))));
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    if (!this.answer) this.say("Loading…");
    this.box.classList.add("at-loading");
    try {
      const response = await fetch(url, { signal: request.signal, headers: { Accept: "application/json" } });
      if (!response.ok || response.redirected) throw new Error(`the server answered ${response.status}`);
      this.answer = await response.json();
      this.shown = [from, to + this.ahead()];
      this.draw({});
    } catch (error) {
      if (error.name === "AbortError") return;
      const why = error instanceof TypeError ? "the server does not answer" : error.message;
      if (!this.plot) this.say(`The curve could not be loaded: ${why}. It is tried again every 20 seconds.`);
    } finally {
      if (this.request === request) this.box.classList.remove("at-loading");
    }
  }

  say(words) {
    this.state.textContent = words;
  }

  /** The answer as uPlot wants it: times, then each series' last values and, where they differ, highest and lowest. */
  columns() {
    const rows = readLegend();
    const lines = this.answer.series.map((series, index) => {
      const id = canonical(series.key);
      const colour = index % 8;
      const label = Object.values(series.key).join(" ") || "total";
      const known = rows.get(id) ?? { label, stroke: strokeOf(colour), colour };
      const same = (values) => !values || values.every((value, at) => value === series.last[at]);
      return { ...series, ...known, id, index, band: !(same(series.min) && same(series.max)) };
    });
    const columns = lines.flatMap((line) => (line.band ? [line.last, line.max, line.min] : [line.last]));
    const [times, filled] = withGaps(this.answer.times.map(seconds), columns);
    return { lines, data: [times, ...filled] };
  }

  // --- drawing ---

  draw({ rebuild = false }) {
    if (!this.answer) return;
    const { lines, data } = this.columns();
    const some = data.slice(1).some((values) => values.some((value) => value !== null));
    this.say(some ? "" : "No readings in this range.");
    if (!some) {
      this.destroy();
      return;
    }
    this.high = Math.max(...data.slice(1).flatMap((values) => values.filter((value) => value !== null)));
    this.limitsButton.hidden = this.limits.length === 0;
    if (this.limitsShown === null) this.showLimits(this.limits.some((limit) => limit.value <= this.high * NEAR));
    const shape = JSON.stringify(lines.map((line) => [line.id, line.band, line.stroke, line.label]));
    if (rebuild || !this.plot || shape !== this.shape) {
      this.shape = shape;
      this.destroy();
      this.lines = lines;
      this.build(lines, data);
    } else {
      this.lines = lines;
      this.plot.setData(data, false);
      this.rescale();
    }
    this.applyHidden();
  }

  destroy() {
    this.hideTip();
    this.plot?.destroy();
    this.plot = null;
  }

  build(lines, data) {
    const style = getComputedStyle(this.box);
    const ink = getComputedStyle(this.state).color;
    this.ink = ink;
    this.paper = style.backgroundColor;
    this.font = style.fontFamily;
    const grid = { stroke: faded(style.borderTopColor, 0.7), width: 1 };
    const axis = { stroke: ink, font: `12px ${style.fontFamily}`, grid, ticks: { show: false } };
    const series = [{}];
    const bands = [];
    this.first = []; // the uPlot series that is the line of each of ours
    for (const line of lines) {
      this.first.push(series.length);
      const dash = line.index >= 4 ? [6, 3] : undefined;
      series.push({
        label: line.label,
        stroke: line.stroke,
        width: 1.75,
        dash,
        spanGaps: false,
        points: { show: true, size: 4, fill: line.stroke, filter: (plot, index) => lonely(plot.data[index]) },
      });
      if (line.band) {
        bands.push({ series: [series.length, series.length + 1], fill: faded(line.stroke, 0.16) });
        for (const edge of ["highest", "lowest"]) {
          series.push({ label: `${line.label}, ${edge}`, stroke: "transparent", width: 0, points: { show: false } });
        }
      }
    }
    const options = {
      ...this.size(),
      series,
      bands,
      legend: { show: false },
      padding: [8, 24, 0, 0],
      focus: { alpha: 0.25 },
      scales: {
        x: { time: true, range: () => this.shown },
        y: { range: (plot, low, high) => this.extent(low, high) },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 84,
          size: 40,
          values: (plot, splits, at, space, step) => this.timeLabels(splits, step),
        },
        {
          ...axis,
          incrs: STEPS,
          size: (plot, labels) => 16 + 7 * Math.max(4, ...(labels ?? []).map((label) => label.length)),
          values: (plot, splits) => splits.map((value) => whole.format(value)),
        },
      ],
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
      hooks: {
        setCursor: [() => this.showTip()],
        setSelect: [() => this.selected()],
        draw: [() => this.drawMarks()],
      },
    };
    this.plot = new window.uPlot(options, data, this.plotBox);
    this.plot.over.addEventListener("mousedown", () => (this.dragged = false));
    this.plot.over.addEventListener("click", () => this.clicked());
    this.plot.over.addEventListener("dblclick", () => this.reset());
    this.plot.over.addEventListener("mouseleave", () => this.hideTip());
  }

  size() {
    return { width: Math.max(200, this.plotBox.clientWidth), height: Math.max(120, this.plotBox.clientHeight) };
  }

  resize() {
    const { width, height } = this.size();
    if (this.plot && (this.plot.width !== width || this.plot.height !== height)) this.plot.setSize({ width, height });
  }

  rescale() {
    this.plot.setScale("x", { min: this.shown[0], max: this.shown[1] });
  }

  extent(low, high) {
    if (low === null || high === null) return [0, 10];
    const limits = this.limitsShown ? this.limits.map((limit) => limit.value) : [];
    const top = Math.max(high, ...limits, ...this.overlay.heights(this.shown));
    low = Math.min(low, ...this.overlay.heights(this.shown));
    if (this.fromZero) return [0, Math.max(top * 1.06, 4)];
    const spare = Math.max((top - low) * 0.08, 2);
    return [Math.max(0, low - spare), top + spare];
  }

  timeLabels(splits, step) {
    let before = "";
    return splits.map((value) => {
      const date = new Date(value * 1000);
      const today = day.format(date);
      if (step >= 86400) return today;
      const time = (step < 60 ? clockSeconds : clock).format(date);
      const label = today === before ? time : `${time}\n${today}`;
      before = today;
      return label;
    });
  }

  /** What is no series: leaks, the chosen moment and the limits. */
  drawMarks() {
    const { ctx, bbox } = this.plot;
    const ratio = devicePixelRatio;
    this.overlay.draw(this.plot, { ink: this.ink, paper: this.paper, font: this.font });
    ctx.save();
    ctx.strokeStyle = this.ink;
    ctx.fillStyle = this.ink;
    ctx.lineWidth = ratio;
    ctx.font = `${11 * ratio}px ${this.font}`;
    ctx.textAlign = "right";
    for (const limit of this.limits) {
      const y = Math.round(this.plot.valToPos(limit.value, "y", true));
      if (y < bbox.top - 1 || y > bbox.top + bbox.height) continue;
      ctx.setLineDash([6 * ratio, 4 * ratio]);
      this.stroke(ctx, bbox.left, y, bbox.left + bbox.width, y);
      const words = `${limit.label} ${whole.format(limit.value)}`;
      const [x, above] = [bbox.left + bbox.width - 4 * ratio, y - 5 * ratio];
      ctx.setLineDash([]);
      ctx.strokeStyle = this.paper;
      ctx.lineWidth = 4 * ratio;
      ctx.strokeText(words, x, above);
      ctx.fillText(words, x, above);
      ctx.strokeStyle = this.ink;
      ctx.lineWidth = ratio;
    }
    if (this.at !== null && this.at >= this.shown[0] && this.at <= this.shown[1]) {
      const x = Math.round(this.plot.valToPos(this.at, "x", true));
      ctx.setLineDash([]);
      this.stroke(ctx, x, bbox.top, x, bbox.top + bbox.height);
    }
    ctx.restore();
  }

  stroke(ctx, x1, y1, x2, y2) {
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    ctx.stroke();
  }

  // --- what the cursor is on ---

  showTip() {
    const { idx, left } = this.plot.cursor;
    if (idx === null || idx === undefined || left === null || left < 0) {
      this.hideTip();
      return;
    }
    const time = this.plot.data[0][idx];
    const rows = this.lines
      .map((line, at) => ({ line, at: this.first[at], value: this.plot.data[this.first[at]][idx] }))
      .filter(({ line, value }) => value !== null && value !== undefined && !this.hidden.has(line.id))
      .sort((a, b) => b.value - a.value);
    const body = rows.slice(0, 8).map(({ line, at, value }) => this.tipRow(line, at, idx, value));
    if (rows.length === 0) body.push(element("div", "dim", "no reading"));
    const perPixel = (this.shown[1] - this.shown[0]) / Math.max(1, this.plot.over.clientWidth);
    body.push(...this.overlay.words(time, 4 * perPixel).map((words) => element("div", "tip-more", words)));
    this.tip.replaceChildren(element("div", "tip-time", full.format(new Date(time * 1000))), ...body);
    this.tip.hidden = false;
    const plotLeft = this.plot.over.offsetLeft + this.plotBox.offsetLeft;
    const width = this.tip.offsetWidth;
    const right = plotLeft + left + 14;
    const x = right + width > this.box.clientWidth ? Math.max(4, plotLeft + left - width - 14) : right;
    this.tip.style.transform = `translate(${Math.round(x)}px, 16px)`;
  }

  tipRow(line, at, idx, value) {
    const row = element("div", "tip-row");
    row.append(element("span", `swatch c${line.colour}`), element("bdi", "name", line.label));
    let words = whole.format(value);
    if (line.band) {
      const [high, low] = [this.plot.data[at + 1][idx], this.plot.data[at + 2][idx]];
      if (low !== high) words += ` (${whole.format(low)} to ${whole.format(high)})`;
    }
    row.append(element("span", "num", words));
    return row;
  }

  hideTip() {
    this.tip.hidden = true;
  }

  // --- changing what is shown ---

  address(changes) {
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    history.pushState(null, "", url);
    document.querySelector("[data-live]")?.dispatchEvent(new CustomEvent("hw:refresh"));
  }

  selected() {
    const { left, width } = this.plot.select;
    if (width < 6) return;
    this.dragged = true;
    const from = Math.floor(this.plot.posToVal(left, "x"));
    const to = Math.ceil(this.plot.posToVal(left + width, "x"));
    this.plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoom(from, to);
  }

  zoom(from, to) {
    if (to - from < 60) {
      const middle = Math.round((from + to) / 2);
      [from, to] = [middle - 30, middle + 30];
    }
    this.span = { from, to };
    this.address({ from: stamp(from), to: stamp(to), range: null });
    this.load();
  }

  reset() {
    if (this.span.rolling || this.span.home) return;
    if (this.home) {
      this.span = { ...this.home, home: true };
      this.address({ from: null, to: null, range: null });
      this.load();
      return;
    }
    this.span = { rolling: RANGES[this.firstRange] };
    this.address({ from: null, to: null, range: this.firstRange });
    this.load();
  }

  followAddress() {
    const query = new URLSearchParams(location.search);
    const from = seconds(query.get("from") ?? "");
    const to = seconds(query.get("to") ?? "");
    const named = RANGES[query.get("range")];
    if (from < to) this.span = { from, to };
    else if (this.home && !named) this.span = { ...this.home, home: true };
    else this.span = { rolling: named ?? RANGES[this.firstRange] };
    this.at = query.get("at") ? seconds(query.get("at")) : null;
    document.querySelector("[data-live]")?.dispatchEvent(new CustomEvent("hw:refresh"));
    this.load();
  }

  clicked() {
    const { idx } = this.plot.cursor;
    if (this.dragged || idx === null || idx === undefined) return;
    this.choose(this.plot.data[0][idx]);
  }

  choose(time) {
    if (!this.picks) return;
    this.at = Math.round(time);
    this.address({ at: stamp(this.at) });
    this.plot.redraw(false);
    this.speak(`Processes at ${full.format(new Date(this.at * 1000))}`);
  }

  speak(words) {
    this.spoken.textContent = words;
  }

  toggleZero() {
    this.fromZero = !this.fromZero;
    this.zeroButton.setAttribute("aria-pressed", String(this.fromZero));
    if (this.plot) this.rescale();
  }

  showLimits(shown) {
    this.limitsShown = shown;
    this.limitsButton.setAttribute("aria-pressed", String(shown));
  }

  toggleLimits() {
    this.showLimits(!this.limitsShown);
    if (this.plot) this.rescale();
  }

  // --- keys ---

  key(event) {
    if (!this.plot || event.target !== this.box || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.plot.data[0].length - 1;
    const now = this.plot.cursor.idx ?? last;
    const leap = event.shiftKey ? 20 : 1;
    const goTo = { ArrowLeft: now - leap, ArrowRight: now + leap, Home: 0, End: last }[event.key];
    if (goTo !== undefined) this.moveTo(Math.min(last, Math.max(0, goTo)));
    else if (event.key === "Enter") this.choose(this.plot.data[0][now]);
    else if (event.key === "+" || event.key === "=") this.zoomBy(now, 0.5);
    else if (event.key === "-") this.zoomBy(now, 2);
    else if (event.key === "Escape") this.reset();
    else return;
    event.preventDefault();
  }

  moveTo(index) {
    const left = this.plot.valToPos(this.plot.data[0][index], "x");
    this.plot.setCursor({ left, top: 10 });
    this.speak(this.tip.innerText);
  }

  zoomBy(index, factor) {
    const [from, to] = this.shown;
    const middle = this.plot.data[0][index];
    const half = ((to - from) * factor) / 2;
    const now = Math.floor((Date.now() + this.serverAhead) / 1000);
    this.zoom(Math.round(middle - half), Math.min(now, Math.round(middle + half)));
  }

  // --- the legend's table: its colour marks switch lines on and off, its rows bring a line forward ---

  legend() {
    const rows = [...document.querySelectorAll("[data-legend] tr[data-key]")];
    for (const row of rows) {
      const id = canonical(JSON.parse(row.dataset.key));
      row.classList.toggle("off", this.hidden.has(id));
      if (rows.length < 2 || row.dataset.ready) continue;
      if (!row.querySelector(".swatch-button")) this.legendButton(row, id);
    }
    this.limits = JSON.parse(this.box.dataset.limits);
    this.overlay.read();
    if (this.plot) this.plot.redraw(false);
  }

  legendButton(row, id) {
    const swatch = row.querySelector(".swatch");
    const button = element("button", "swatch-button");
    button.type = "button";
    button.title = "Show or hide this line";
    button.setAttribute("aria-label", `Show ${row.dataset.label} in the chart`);
    button.setAttribute("aria-pressed", String(!this.hidden.has(id)));
    swatch.replaceWith(button);
    button.append(swatch);
    button.addEventListener("click", () => {
      if (!this.hidden.delete(id)) this.hidden.add(id);
      button.setAttribute("aria-pressed", String(!this.hidden.has(id)));
      this.legend();
      this.applyHidden();
    });
    row.addEventListener("mouseenter", () => this.bringForward(id));
    row.addEventListener("mouseleave", () => this.bringForward(null));
  }

  applyHidden() {
    if (!this.plot) return;
    this.lines.forEach((line, at) => {
      const show = !this.hidden.has(line.id);
      for (let n = this.first[at]; n < this.first[at] + (line.band ? 3 : 1); n += 1) {
        if (this.plot.series[n].show !== show) this.plot.setSeries(n, { show });
      }
    });
  }

  bringForward(id) {
    const at = this.lines?.findIndex((line) => line.id === id) ?? -1;
    this.plot?.setSeries(at < 0 ? null : this.first[at], { focus: true });
  }
}

const box = document.querySelector("[data-chart]");
if (box && window.uPlot) new HandlesChart(box).start();
