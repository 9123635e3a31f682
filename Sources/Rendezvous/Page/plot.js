// One plot of the last minutes on a canvas: it moves with the clock and is read with the pointer or the arrow keys.

import { put, time } from "./text.js";

// Milliseconds that a plot shows, and between two drawings.
const span = 5 * 60 * 1000;
const drawPeriod = 66;
// Pixels below which every other minute is named.
const tightWidth = 280;
const inset = { left: 4, right: 6, top: 10, bottom: 18 };
const stillPreferred = matchMedia("(prefers-reduced-motion: reduce)");
const darkPreferred = matchMedia("(prefers-color-scheme: dark)");

export class Plot {
  // `format(value)` writes a value; `describe(index)` says all that was so at one sample; `smallestTop` is the least that the
  // axis goes up to.
  constructor(canvas, { label, format, describe, reading, smallestTop }) {
    Object.assign(this, { canvas, label, format, describe, reading, smallestTop });
    this.times = [];
    this.values = [];
    this.limits = null;
    this.chosen = null;
    // How far the server's clock is ahead of this browser's, milliseconds.
    this.ahead = 0;
    this.drawn = 0;
    new ResizeObserver(() => this.draw()).observe(canvas);
    darkPreferred.addEventListener("change", () => this.draw());
    canvas.addEventListener("pointermove", event => this.point(event));
    canvas.addEventListener("pointerleave", () => this.choose(null));
    canvas.addEventListener("blur", () => this.choose(null));
    canvas.addEventListener("keydown", event => this.step(event));
    const animate = () => {
      if (!stillPreferred.matches && performance.now() - this.drawn >= drawPeriod) this.draw();
      requestAnimationFrame(animate);
    };
    requestAnimationFrame(animate);
  }

  // `limits`, if any, is drawn as a dashed line: what `values` can reach.
  show({ end, secondsBetween, values, limits, serverTime }) {
    const step = secondsBetween * 1000;
    this.times = values.map((_, index) => end - (values.length - 1 - index) * step);
    this.values = values;
    this.limits = limits ?? null;
    this.ahead = serverTime - Date.now();
    if (this.chosen !== null && this.chosen >= values.length) this.chosen = null;
    this.canvas.setAttribute("aria-label", this.summary());
    this.draw();
    this.tell();
  }

  summary() {
    if (this.values.length === 0) return `${this.label}: nothing yet`;
    const [least, most] = [Math.min(...this.values), Math.max(...this.values)];
    return `${this.label} over the last 5 minutes: from ${this.format(least)} to ${this.format(most)}, `
      + `now ${this.format(this.values.at(-1))}. Arrow keys read single moments.`;
  }

  // MARK: Reading single moments

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientX - box.left - inset.left) / (box.width - inset.left - inset.right);
    const wanted = this.now() - span * (1 - share);
    this.choose(nearest(this.times, wanted));
  }

  step(event) {
    const last = this.values.length - 1;
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || last < 0) return;
    event.preventDefault();
    this.choose(Math.min(last, Math.max(0, (this.chosen ?? last + 1) + moves[event.key])));
  }

  choose(index) {
    this.chosen = index;
    this.tell();
    this.draw();
  }

  tell() {
    if (this.chosen === null || this.values.length === 0) put(this.reading, this.rest ?? "");
    else put(this.reading, `${time(this.times[this.chosen] - this.ahead)}: ${this.describe(this.chosen)}`);
  }

  // What stands in the place of a reading while nothing is read.
  setRest(text) {
    this.rest = text;
    this.tell();
  }

  // MARK: Drawing

  now() {
    // Still plots end at their last sample.
    return stillPreferred.matches && this.times.length > 0 ? this.times.at(-1) : Date.now() + this.ahead;
  }

  draw() {
    this.drawn = performance.now();
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (width === 0 || height === 0) return;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(canvas);
    const colour = name => style.getPropertyValue(name).trim();
    const top = niceTop(Math.max(this.smallestTop, ...this.values, ...(this.limits ?? [])));
    const now = this.now();
    const x = at => width - inset.right - (now - at) / span * (width - inset.left - inset.right);
    const y = value => height - inset.bottom - value / top * (height - inset.top - inset.bottom);
    pen.font = `11px ${style.fontFamily}`;
    drawGrid(pen, { width, top, y, colour });
    pen.save();
    pen.beginPath();
    pen.rect(inset.left, 0, width - inset.left - inset.right + 3, height);
    pen.clip();
    if (this.limits) drawLine(pen, this.times, this.limits, x, y, { colour: colour("--muted"), dash: [4, 4], width: 1.5 });
    drawArea(pen, this.times, this.values, x, y, colour("--plot-fill"));
    drawLine(pen, this.times, this.values, x, y, { colour: colour("--accent"), dash: [], width: 2 });
    if (this.chosen !== null) this.drawChosen(pen, x, y, height, colour);
    pen.restore();
    drawLabels(pen, { height, top, x, y, now, format: this.format, colour });
  }

  drawChosen(pen, x, y, height, colour) {
    const [at, value] = [x(this.times[this.chosen]), y(this.values[this.chosen])];
    pen.strokeStyle = colour("--text");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(at, inset.top);
    pen.lineTo(at, height - inset.bottom);
    pen.stroke();
    pen.fillStyle = colour("--text");
    pen.beginPath();
    pen.arc(at, value, 3.5, 0, 2 * Math.PI);
    pen.fill();
  }
}

function nearest(times, wanted) {
  if (times.length === 0) return null;
  let best = 0;
  times.forEach((at, index) => {
    if (Math.abs(at - wanted) < Math.abs(times[best] - wanted)) best = index;
  });
  return best;
}

// The next of 1, 2, 4, 10, ... that `value` does not exceed: from 2 on, half of it is whole, too.
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 10].map(step => step * power).find(step => value <= step) ?? value;
}

function drawGrid(pen, { width, top, y, colour }) {
  pen.strokeStyle = colour("--line");
  pen.lineWidth = 1;
  for (const share of [0, 0.5, 1]) {
    const level = Math.round(y(top * share)) + 0.5;
    pen.beginPath();
    pen.moveTo(inset.left, level);
    pen.lineTo(width - inset.right, level);
    pen.stroke();
  }
}

// Over everything else, with a rim in the colour of the ground, so that a line behind them does not make them unreadable.
function drawLabels(pen, { height, top, x, y, now, format, colour }) {
  pen.fillStyle = colour("--muted");
  pen.strokeStyle = colour("--card");
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  const write = (text, left, bottom) => {
    pen.strokeText(text, left, bottom);
    pen.fillText(text, left, bottom);
  };
  for (const share of [0.5, 1]) write(format(top * share), inset.left + 2, Math.round(y(top * share)) - 2.5);
  const isTight = x(now) - x(now - span) < tightWidth;
  for (const minutes of isTight ? [4, 2] : [4, 3, 2, 1]) {
    const text = `−${minutes} min`;
    write(text, x(now - minutes * 60000) - pen.measureText(text).width / 2, height - 4);
  }
}

function drawLine(pen, times, values, x, y, { colour, dash, width }) {
  if (values.length === 0) return;
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.lineJoin = "round";
  pen.setLineDash(dash);
  pen.beginPath();
  trace(pen, times, values, x, y);
  pen.stroke();
  pen.setLineDash([]);
}

function drawArea(pen, times, values, x, y, colour) {
  if (values.length < 2) return;
  pen.fillStyle = colour;
  pen.beginPath();
  trace(pen, times, values, x, y);
  pen.lineTo(x(times.at(-1)), y(0));
  pen.lineTo(x(times[0]), y(0));
  pen.fill();
}

function trace(pen, times, values, x, y) {
  values.forEach((value, index) => {
    if (index === 0) pen.moveTo(x(times[0]), y(value));
    else pen.lineTo(x(times[index]), y(value));
  });
}
