// What a chart shows of leaks beside its series: the lows that rise, the line through them, the forecast to the limit,
// when it began, and restarts. The page gives the figures; here they are only drawn.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const NOTHING = { steps: [], trends: [], forecasts: [], marks: [], began: [] };

/** A colour of the stylesheet as the canvas needs it. */
function colourOf(className) {
  const probe = document.createElement("span");
  probe.className = className;
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

export class Overlay {
  constructor() {
    this.read();
  }

  read() {
    const source = document.querySelector("[data-chart-overlay]");
    this.said = source ? JSON.parse(source.dataset.chartOverlay)[0] : NOTHING;
    this.ahead = source ? Number(source.dataset.aheadS) : 0;
  }

  /** The values within this stretch that the scale has to reach. */
  heights([from, to]) {
    return this.said.steps.filter((step) => step.to_s >= from && step.from_s <= to).map((step) => step.low);
  }

  /** What is to be said of a moment, within so many seconds of it. */
  words(time, within) {
    const lows = this.said.steps.filter((step) => step.from_s <= time && time <= step.to_s);
    const marks = this.said.marks.filter((mark) => Math.abs(mark.at_s - time) <= within);
    return [
      ...lows.slice(0, 1).map((step) => `lowest of this stretch: ${whole.format(step.low)}`),
      ...marks.slice(0, 3).map((mark) => mark.label),
    ];
  }

  draw(plot, { ink, paper, font }) {
    const { ctx, bbox } = plot;
    this.plot = plot;
    this.ctx = ctx;
    this.ratio = devicePixelRatio;
    this.colours = { ink, paper, bad: colourOf("ink-bad"), strong: colourOf("ink-strong"), accent: colourOf("ink-accent") };
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = `${11 * this.ratio}px ${font}`;
    this.drawBegan();
    for (const forecast of this.said.forecasts) this.drawForecast(forecast);
    for (const trend of this.said.trends) this.drawTrend(trend);
    for (const step of this.said.steps) this.drawStep(step);
    this.drawMoments();
    ctx.restore();
  }

  x(time) {
    return this.plot.valToPos(time, "x", true);
  }

  y(value) {
    return this.plot.valToPos(value, "y", true);
  }

  line(points, { colour, width, dash = [] }) {
    const { ctx, ratio } = this;
    ctx.strokeStyle = colour;
    ctx.lineWidth = width * ratio;
    ctx.setLineDash(dash.map((length) => length * ratio));
    ctx.beginPath();
    points.forEach(([x, y], at) => (at ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
    ctx.stroke();
    ctx.setLineDash([]);
  }

  drawBegan() {
    const { bbox } = this.plot;
    for (const [from, to] of this.said.began) {
      const left = this.x(from);
      this.ctx.fillStyle = faded(this.colours.accent, 0.14);
      this.ctx.fillRect(left, bbox.top, Math.max(this.x(to) - left, this.ratio), bbox.height);
    }
  }

  drawForecast(forecast) {
    const { ctx, ratio } = this;
    const tip = [this.x(forecast.from_s), this.y(forecast.from_value)];
    const top = this.y(forecast.limit);
    const [first, likely, last] = [forecast.earliest_s, forecast.likely_s, forecast.latest_s].map((time) => this.x(time));
    ctx.fillStyle = faded(this.colours.bad, 0.16);
    ctx.beginPath();
    ctx.moveTo(...tip);
    ctx.lineTo(first, top);
    ctx.lineTo(last, top);
    ctx.closePath();
    ctx.fill();
    this.line([tip, [likely, top]], { colour: this.colours.bad, width: 1.5, dash: [5, 4] });
    this.line([[first, top], [last, top]], { colour: this.colours.bad, width: 3 });
    ctx.fillStyle = this.colours.bad;
    ctx.beginPath();
    ctx.arc(...tip, 3 * ratio, 0, 2 * Math.PI);
    ctx.fill();
  }

  drawTrend(trend) {
    const points = [
      [this.x(trend.from_s), this.y(trend.from_value)],
      [this.x(trend.to_s), this.y(trend.to_value)],
    ];
    this.line(points, { colour: this.colours.accent, width: 1.5, dash: [7, 4] });
  }

  drawStep(step) {
    const y = Math.round(this.y(step.low));
    const gap = this.ratio;
    const points = [
      [this.x(step.from_s) + gap, y],
      [this.x(step.to_s) - gap, y],
    ];
    this.line(points, { colour: this.colours.paper, width: 4 });
    this.line(points, { colour: this.colours.strong, width: 2.5 });
  }

  /** Restarts as small signs at the foot; the other moments as upright lines, their labels below each other. */
  drawMoments() {
    const { ctx, ratio } = this;
    const { bbox } = this.plot;
    const foot = bbox.top + bbox.height;
    let row = 0;
    for (const mark of this.said.marks) {
      const x = Math.round(this.x(mark.at_s));
      if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
      if (mark.kind === "restart") {
        ctx.fillStyle = this.colours.strong;
        ctx.beginPath();
        ctx.moveTo(x, foot - 8 * ratio);
        ctx.lineTo(x + 4.5 * ratio, foot);
        ctx.lineTo(x - 4.5 * ratio, foot);
        ctx.closePath();
        ctx.fill();
        continue;
      }
      const colour = mark.kind === "resolved" ? this.colours.ink : mark.kind === "at_limit" ? this.colours.bad : this.colours.accent;
      this.line([[x, bbox.top], [x, foot]], { colour, width: 1, dash: mark.kind === "detected" ? [2, 3] : [] });
      this.label(mark.label, x, bbox.top + (12 + 15 * (row % 6)) * ratio, colour);
      row += 1;
    }
  }

  label(words, x, y, colour) {
    const { ctx, ratio } = this;
    const { bbox } = this.plot;
    const toLeft = x + 6 * ratio + ctx.measureText(words).width > bbox.left + bbox.width;
    ctx.textAlign = toLeft ? "right" : "left";
    const at = toLeft ? x - 5 * ratio : x + 5 * ratio;
    ctx.strokeStyle = this.colours.paper;
    ctx.lineWidth = 4 * ratio;
    ctx.strokeText(words, at, y);
    ctx.fillStyle = colour;
    ctx.fillText(words, at, y);
  }
}
