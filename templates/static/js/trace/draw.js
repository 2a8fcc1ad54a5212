// Draws a laid-out trace on two canvases: the head (time, speed, scheduler) and the lanes. Knows colours and shapes, no events.
import { OUTCOME, clock, histogram, lowerBound, moments, size, span } from "./model.js";

export const AXIS = 22;
export const CURVE = 46;
export const SCHEDULER = 20;
export const HEAD = AXIS + CURVE + SCHEDULER;
const DENSE = 2.2;  // pixels: below this mean width a lane's chunks are drawn as its speed, with what went wrong on top,
const COMPANY = 9;  // and then lanes up to this one as well, so that what is drawn alike can be compared
const CROWD = 7;  // pixels between two decisions that are drawn apart
const PAD = 5;
const OVER = new Set(["taken_over", "shifted_away", "move", "race"]);  // reasons of decisions about a chunk that somebody else had been asked for
const NAMES = ["ink", "soft", "faint", "line", "line-soft", "panel", "sunk", "ok", "warn", "bad", "info", "overlay", "soulseek", "idle", "accent"];

export function colours(root) {
  const probe = document.createElement("span");
  probe.hidden = true;
  root.append(probe);
  const found = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  found.font = getComputedStyle(root).fontFamily;
  return found;
}

const faded = (colour, share) => colour.replace(/^rgb\(([^)]*)\)$/, `rgba($1, ${share})`);

function hatch(context, colour, ratio) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.round(5 * ratio);
  const brush = tile.getContext("2d");
  brush.strokeStyle = colour;
  brush.lineWidth = 1.4 * ratio;
  const edge = tile.width;
  for (const shift of [-edge, 0, edge]) {
    brush.beginPath();
    brush.moveTo(shift - ratio, edge + ratio);
    brush.lineTo(shift + edge + ratio, -ratio);
    brush.stroke();
  }
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
}

export function prepare(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, ratio };
}

// Where each lane lies, top down. `narrow`: the peer's name stands above its lane instead of beside it.
export function measure(lanes, narrow) {
  let y = 2;
  for (const lane of lanes) {
    const rows = Math.max(lane.rows.length, 1);
    lane.rowHeight = rows > 5 ? 5 : rows > 2 ? 6 : 8;
    lane.label = narrow ? 17 : 0;
    lane.top = y;
    lane.body = y + lane.label + PAD;
    lane.inner = Math.max(rows * (lane.rowHeight + 1) - 1, narrow ? 12 : 18);
    lane.bottom = lane.body + lane.inner + PAD;
    y = lane.bottom;
  }
  return y + 2;
}

export function rowTop(lane, number) {
  const used = Math.max(lane.rows.length, 1) * (lane.rowHeight + 1) - 1;
  return lane.body + (lane.inner - used) / 2 + number * (lane.rowHeight + 1);
}

export class Painter {
  constructor(data, axis, words, palette) {
    Object.assign(this, { data, axis, words, palette });
  }

  x(u) {
    return this.gutter + ((u - this.u0) / (this.u1 - this.u0)) * this.plot;
  }

  view({ u0, u1, width, gutter, narrow, lanes }) {
    Object.assign(this, { u0, u1, width, gutter, narrow, plot: Math.max(width - gutter, 1), limit: DENSE });
    if (lanes.some((lane) => this.dense(lane))) this.limit = COMPANY;
  }

  dense(lane) {
    return lane.count > 0 && ((lane.busy / lane.count) * this.plot) / (this.u1 - this.u0) < this.limit;
  }

  // ---- head

  head(canvas, picture) {
    const { context, ratio } = prepare(canvas, this.width, HEAD);
    const { palette } = this;
    context.font = `11.5px ${palette.font}`;
    context.textBaseline = "middle";
    this.ticks(context, true);
    this.stalls(context, ratio, picture, AXIS, HEAD - AXIS, true);
    this.curve(context, picture);
    const y = AXIS + CURVE + SCHEDULER / 2;
    if (!this.narrow) {
      context.fillStyle = palette.faint;
      context.textAlign = "left";
      context.fillText(this.words.scheduler, 10, y + 1);
    }
    context.save();
    context.beginPath();
    context.rect(this.gutter, 0, this.plot, HEAD);
    context.clip();
    this.decisions(context, picture.marks, y);
    context.restore();
  }

  // Decisions that lie too close are drawn as bars, the higher the more of them; everything else keeps its own mark on top.
  decisions(context, marks, y) {
    const { palette, data } = this;
    const shown = marks.filter((mark) => mark.u >= this.u0 && mark.u <= this.u1);
    const crowds = new Map();
    for (const mark of shown) {
      if (mark.kind !== "decision") continue;
      const slot = Math.floor(this.x(mark.u) / CROWD);
      crowds.set(slot, [...(crowds.get(slot) || []), mark]);
    }
    const crowded = [...crowds.values()].some((crowd) => crowd.length > 1) || [...crowds.keys()].filter((slot) => crowds.has(slot + 1)).length > 8;
    for (const [slot, crowd] of crowds) {
      if (crowd.length === 1 && !crowded) {
        this.mark(context, crowd[0], this.x(crowd[0].u), y);
        continue;
      }
      const over = crowd.some((mark) => OVER.has(data.words[data.marks.code[mark.index]]));
      const height = Math.min(3 + crowd.length * 2.5, SCHEDULER - 5);
      context.fillStyle = faded(over ? palette.warn : palette.info, over ? 1 : 0.75);
      context.fillRect(slot * CROWD + 1, y + 6 - height, CROWD - 2.5, height);
    }
    for (const mark of shown) if (mark.kind !== "decision") this.mark(context, mark, this.x(mark.u), y);
  }

  ticks(context, labels) {
    const { palette, axis } = this;
    const tick = this.data.tick_ms / 1000;
    const room = Math.max(this.plot / 90, 2);
    // Labels are real time since the start: between two folds the scale is even, so each such stretch has its own round moments.
    const edges = [this.u0, ...axis.quiet.flatMap(([from, to]) => [axis.u(from), axis.u(to)]), this.u1].filter((u) => u >= this.u0 && u <= this.u1);
    let last = -1e9;
    context.lineWidth = 1;
    for (let at = 0; at + 1 < edges.length; at += 1) {
      const [from, to] = [edges[at], edges[at + 1]];
      const folded = axis.quiet.find(([start, end]) => axis.u(start) <= from + 1e-6 && axis.u(end) >= to - 1e-6 && to > from);
      if (folded) this.fold(context, folded, labels);
      else {
        const begin = axis.at(from) * tick;
        const { step, found } = moments(begin, begin + (to - from) * tick, (room * (to - from)) / (this.u1 - this.u0));
        for (const moment of found) {
          const x = Math.round(this.x(from + (moment - begin) / tick)) + 0.5;
          context.strokeStyle = palette["line-soft"];
          context.beginPath();
          context.moveTo(x, labels ? AXIS - 4 : 0);
          context.lineTo(x, labels ? HEAD : this.height);
          context.stroke();
          const text = clock(moment, step);
          const wide = context.measureText(text).width;
          if (!labels || x - wide / 2 < last + 10 || x + wide / 2 > this.width - 2 || x - wide / 2 < this.gutter - 8) continue;
          context.fillStyle = palette.faint;
          context.textAlign = "center";
          context.fillText(text, x, AXIS / 2);
          last = x + wide / 2;
        }
      }
    }
  }

  fold(context, [from, to], labels) {
    const [left, right] = [Math.max(this.x(this.axis.u(from)), this.gutter), Math.min(this.x(this.axis.u(to)), this.width)];
    const { palette } = this;
    context.fillStyle = palette.sunk;
    context.fillRect(left, labels ? AXIS : 0, right - left, labels ? HEAD - AXIS : this.height);
    context.strokeStyle = palette.line;
    context.setLineDash([2, 3]);
    for (const x of [left, right]) {
      context.beginPath();
      context.moveTo(Math.round(x) + 0.5, labels ? AXIS : 0);
      context.lineTo(Math.round(x) + 0.5, labels ? HEAD : this.height);
      context.stroke();
    }
    context.setLineDash([]);
    const text = `${span((to - from) * (this.data.tick_ms / 1000))} ${this.words.quiet}`;
    if (labels && context.measureText(text).width < right - left - 6) {
      context.fillStyle = palette.faint;
      context.textAlign = "center";
      context.fillText(text, (left + right) / 2, AXIS + CURVE / 2);
    }
  }

  curve(context, picture) {
    const { palette, data } = this;
    const width = Math.max(Math.round(this.plot), 1);
    const planes = ["overlay", "soulseek"].map((source) => {
      const sum = new Float64Array(width);
      for (const lane of picture.lanes) if (lane.source === source) histogram(data, lane.rows, this.u0, this.u1, width, sum);
      return smooth(sum);
    });
    let most = 0;
    for (let x = 0; x < width; x += 1) most = Math.max(most, planes[0][x] + planes[1][x]);
    const floor = AXIS + CURVE;
    context.strokeStyle = palette.line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(this.gutter, floor + 0.5);
    context.lineTo(this.width, floor + 0.5);
    context.stroke();
    const second = ((this.u1 - this.u0) / width) * (data.tick_ms / 1000);
    if (!this.narrow) {
      context.fillStyle = palette.faint;
      context.textAlign = "left";
      context.fillText(this.words.speed, 10, floor - 12);
      if (most) context.fillText(`${size(most / second)}/s`, 10, AXIS + 10);
    }
    if (!most) return;
    const height = (value) => (value / most) * (CURVE - 4);
    // Soulseek on top of the overlay, its line first: where it gave nothing, the overlay's own line covers it.
    for (const plane of [1, 0]) {
      const colour = palette[plane ? "soulseek" : "overlay"];
      const low = (x) => (plane ? planes[0][x] : 0);
      context.beginPath();
      for (let x = 0; x < width; x += 1) context.lineTo(this.gutter + x, floor - height(low(x) + planes[plane][x]));
      for (let x = width - 1; x >= 0; x -= 1) context.lineTo(this.gutter + x, floor - height(low(x)));
      context.closePath();
      context.fillStyle = faded(colour, plane ? 0.55 : 0.3);
      context.fill();
      if (!planes[plane].some(Boolean)) continue;
      context.beginPath();
      for (let x = 0; x < width; x += 1) context.lineTo(this.gutter + x, floor - height(low(x) + planes[plane][x]));
      context.strokeStyle = colour;
      context.lineWidth = 1.25;
      context.stroke();
    }
    if (this.narrow) {
      context.fillStyle = palette.faint;
      context.textAlign = "left";
      const text = `${this.words.speed} ≤ ${size(most / second)}/s`;
      context.fillStyle = faded(palette.panel, 0.75);
      context.fillRect(2, AXIS, context.measureText(text).width + 6, 16);
      context.fillStyle = palette.soft;
      context.fillText(`${this.words.speed} ≤ ${size(most / second)}/s`, 4, AXIS + 8);
    }
  }

  stalls(context, ratio, picture, top, height, labels) {
    const { palette } = this;
    let reached = -1e9;
    for (const stall of [...picture.stalls].sort((a, b) => a.from - b.from)) {
      const left = Math.max(this.x(stall.from), this.gutter, reached);
      const right = Math.min(this.x(stall.to), this.width);
      if (right <= left) continue;
      context.fillStyle = faded(palette.warn, 0.07);
      context.fillRect(left, top, right - left, height);
      context.fillStyle = hatch(context, faded(palette.warn, 0.1), ratio);
      context.fillRect(left, top, right - left, height);
      if (labels && reached < left) {
        const text = `${span(stall.seconds)} ${this.words.stalled}`;
        if (context.measureText(text).width < right - left - 8) {
          context.fillStyle = palette.warn;
          context.textAlign = "center";
          context.fillText(text, (left + right) / 2, AXIS + CURVE / 2);
        }
      }
      reached = Math.max(reached, right);
    }
  }

  // A mark: a diamond for a decision, a triangle for a rescue, a cross for a charge, bars for a beginning and an end, a ring for a wait.
  mark(context, mark, x, y) {
    const { palette, data } = this;
    const action = data.words[data.marks.action[mark.index]];
    context.lineWidth = 1.5;
    context.beginPath();
    if (mark.kind === "decision") {
      const over = OVER.has(data.words[data.marks.code[mark.index]]);
      context.fillStyle = context.strokeStyle = over ? palette.warn : palette.info;
      context.moveTo(x, y - 4);
      context.lineTo(x + 3.4, y);
      context.lineTo(x, y + 4);
      context.lineTo(x - 3.4, y);
      context.closePath();
      if (over) context.fill();
      else context.stroke();
    } else if (mark.kind === "rescue") {
      context.fillStyle = palette.warn;
      context.moveTo(x, y - 5);
      context.lineTo(x + 5.5, y + 4.5);
      context.lineTo(x - 5.5, y + 4.5);
      context.fill();
    } else if (mark.kind === "charge") {
      context.strokeStyle = palette.bad;
      context.lineWidth = 2;
      context.moveTo(x - 3.2, y - 3.2);
      context.lineTo(x + 3.2, y + 3.2);
      context.moveTo(x + 3.2, y - 3.2);
      context.lineTo(x - 3.2, y + 3.2);
      context.stroke();
    } else if (mark.kind === "transfer") {
      context.fillStyle = palette[action === "transfer_aborted" ? "warn" : "ok"];
      if (action === "transfer_started") {
        context.moveTo(x - 1, y - 5);
        context.lineTo(x + 6, y);
        context.lineTo(x - 1, y + 5);
        context.fill();
      } else context.fillRect(x - 3.5, y - 3.5, 7, 7);
    } else if (mark.kind === "waiting" || mark.kind === "gap") {
      context.strokeStyle = palette[mark.kind === "gap" ? "bad" : "warn"];
      context.arc(x, y, 3.4, 0, 7);
      context.stroke();
    } else {
      const came = action === "peer_added";
      context.fillStyle = palette[came ? "ok" : action === "peer_gone" ? "bad" : "idle"];
      context.moveTo(x, y + (came ? -4 : 4));
      context.lineTo(x + 3.6, y + (came ? 3 : -3));
      context.lineTo(x - 3.6, y + (came ? 3 : -3));
      context.fill();
    }
  }

  // ---- lanes

  lanes(canvas, picture, height, selected) {
    const { context, ratio } = prepare(canvas, this.width, height);
    const { palette } = this;
    this.height = height;
    context.font = `12px ${palette.font}`;
    context.textBaseline = "middle";
    this.hatches = { warn: hatch(context, palette.warn, ratio), bad: hatch(context, palette.bad, ratio) };
    picture.lanes.forEach((lane, index) => {
      if (index % 2) return;
      context.fillStyle = faded(palette.ink, 0.025);
      context.fillRect(0, lane.top, this.width, lane.bottom - lane.top);
    });
    this.ticks(context, false);
    this.stalls(context, ratio, picture, 0, height, false);
    // One scale for all lanes, so that heights compare; it follows the zoom.
    const levels = picture.lanes.map((lane) => (this.dense(lane) ? smooth(histogram(this.data, lane.rows, this.u0, this.u1, Math.max(Math.round(this.plot), 1))) : null));
    let most = 0;
    for (const level of levels) if (level) for (const value of level) most = Math.max(most, value);
    context.save();
    context.beginPath();
    context.rect(this.gutter, 0, this.plot, height);
    context.clip();
    picture.lanes.forEach((lane, index) => {
      if (levels[index]) this.level(context, lane, levels[index], most);
      this.bars(context, lane, Boolean(levels[index]));
      for (const mark of lane.marks) if (mark.u >= this.u0 && mark.u <= this.u1) this.mark(context, mark, this.x(mark.u), mark.kind === "charge" ? lane.body - 1.5 : lane.bottom - 4);
    });
    if (selected) this.ring(context, picture, selected);
    context.restore();
    picture.lanes.forEach((lane) => this.label(context, lane));
    if (!picture.lanes.length) {
      context.fillStyle = palette.soft;
      context.textAlign = "center";
      context.fillText(this.words.nothing, this.gutter + this.plot / 2, height / 2);
    }
  }

  label(context, lane) {
    const { palette } = this;
    const y = this.narrow ? lane.top + 11 : (lane.body + lane.body + lane.inner) / 2;
    const name = lane.peers.length > 1 ? `${lane.peers.length} ${this.words.others}` : lane.source === "soulseek" ? lane.key.replace(/^soulseek:/, "") : lane.key.slice(0, 8);
    context.textAlign = "left";
    if (!this.narrow) {
      context.fillStyle = palette.panel;
      context.fillRect(0, lane.top, this.gutter - 1, lane.bottom - lane.top);
      context.strokeStyle = palette.line;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(this.gutter - 0.5, lane.top);
      context.lineTo(this.gutter - 0.5, lane.bottom);
      context.stroke();
    }
    context.fillStyle = palette[lane.source];
    // Planes differ by shape as well: a square is the overlay, a circle Soulseek.
    context.beginPath();
    if (lane.source === "soulseek") context.arc(14, y, 4, 0, 7);
    else context.rect(10, y - 4, 8, 8);
    context.fill();
    context.fillStyle = palette.ink;
    context.fillText(clip(context, name, this.narrow ? this.width - 110 : this.gutter - 84), 24, y);
    context.fillStyle = palette.faint;
    context.textAlign = "right";
    context.font = `11px ${palette.font}`;
    context.fillText(size(lane.verified), this.narrow ? this.width - 8 : this.gutter - 10, y);
    context.font = `12px ${palette.font}`;
  }

  level(context, lane, level, most) {
    const colour = this.palette[lane.source];
    const floor = lane.body + lane.inner;
    const top = (value) => floor - Math.max(value > 0 ? 1 : 0, (value / most) * lane.inner);
    context.beginPath();
    context.moveTo(this.gutter, floor);
    for (let x = 0; x < level.length; x += 1) context.lineTo(this.gutter + x, top(level[x]));
    context.lineTo(this.gutter + level.length, floor);
    context.closePath();
    context.fillStyle = faded(colour, 0.42);
    context.fill();
    context.beginPath();
    for (let x = 0; x < level.length; x += 1) {
      if (level[x] > 0 || level[x - 1] > 0) context.lineTo(this.gutter + x, top(level[x]));
      else context.moveTo(this.gutter + x + 1, floor);
    }
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.stroke();
  }

  bars(context, lane, onlyFaults) {
    const { outcome } = this.data.chunks;
    const good = new Path2D();
    const faults = [];
    lane.rows.forEach((row, number) => {
      const top = rowTop(lane, number);
      const longest = row.longest ?? (row.longest = row.to.reduce((most, to, at) => Math.max(most, to - row.from[at]), 0));
      for (let at = lowerBound(row.from, this.u0 - longest); at < row.chunks.length && row.from[at] <= this.u1; at += 1) {
        if (row.to[at] < this.u0) continue;
        const left = this.x(row.from[at]);
        const width = Math.max(this.x(row.to[at]) - left, 1);
        const index = row.chunks[at];
        if (outcome[index] === OUTCOME.VERIFIED) {
          if (!onlyFaults) good.rect(left, top, width > 4 ? width - 1 : width, lane.rowHeight);
        } else faults.push([outcome[index], left, top, width]);
      }
    });
    context.fillStyle = faded(this.palette[lane.source], 0.84);
    context.fill(good);
    for (const [kind, left, top, width] of faults) this.fault(context, lane, kind, left, top, width);
  }

  fault(context, lane, kind, left, top, width) {
    const { palette } = this;
    const height = lane.rowHeight;
    const middle = top + height / 2;
    switch (kind) {
      case OUTCOME.ARRIVED:
        context.fillStyle = faded(palette[lane.source], 0.5);
        context.fillRect(left, top, width, height);
        break;
      case OUTCOME.UNDER_WAY:
        context.strokeStyle = palette[lane.source];
        context.lineWidth = 1;
        context.setLineDash([2, 2]);
        context.strokeRect(left + 0.5, top + 0.5, Math.max(width - 1, 2), height - 1);
        context.setLineDash([]);
        break;
      case OUTCOME.IN_VAIN:
        context.fillStyle = palette.panel;
        context.fillRect(left, top, Math.max(width, 3), height);
        context.fillStyle = this.hatches.warn;
        context.fillRect(left, top, Math.max(width, 3), height);
        context.strokeStyle = palette.warn;
        context.lineWidth = 1;
        context.strokeRect(left + 0.5, top + 0.5, Math.max(width - 1, 2), height - 1);
        break;
      case OUTCOME.BAD: {
        const wide = Math.max(width, 3);
        context.fillStyle = palette.bad;
        context.fillRect(left, top - 1, wide, height + 2);
        if (wide > 9) {
          context.strokeStyle = palette.panel;
          context.lineWidth = 1.4;
          context.beginPath();
          context.moveTo(left + wide / 2 - 2.4, middle - 2.4);
          context.lineTo(left + wide / 2 + 2.4, middle + 2.4);
          context.moveTo(left + wide / 2 + 2.4, middle - 2.4);
          context.lineTo(left + wide / 2 - 2.4, middle + 2.4);
          context.stroke();
        }
        break;
      }
      case OUTCOME.LOST:
        context.fillStyle = faded(palette[lane.source], 0.35);
        context.fillRect(left, top, Math.max(width, 2), height);
        context.fillStyle = this.hatches.bad;
        context.fillRect(left, top, Math.max(width, 2), height);
        break;
      default: {
        const colour = kind === OUTCOME.TIMED_OUT ? palette.warn : kind === OUTCOME.REFUSED ? palette.bad : palette.idle;
        context.strokeStyle = context.fillStyle = colour;
        context.lineWidth = 2;
        if (kind === OUTCOME.TIMED_OUT) context.setLineDash([4, 3]);
        context.beginPath();
        context.moveTo(left, middle);
        context.lineTo(left + width, middle);
        context.stroke();
        context.setLineDash([]);
        context.beginPath();
        if (kind === OUTCOME.REFUSED) {
          context.arc(left + width, middle, 2.4, 0, 7);
          context.fill();
        } else {
          context.moveTo(left + width, top - 0.5);
          context.lineTo(left + width, top + height + 0.5);
          context.stroke();
        }
      }
    }
  }

  ring(context, picture, { lane, row, at }) {
    const one = picture.lanes[lane];
    const left = this.x(one.rows[row].from[at]);
    const width = Math.max(this.x(one.rows[row].to[at]) - left, 4);
    context.strokeStyle = this.palette.ink;
    context.lineWidth = 1.5;
    context.strokeRect(left - 2, rowTop(one, row) - 2.5, width + 3, one.rowHeight + 5);
  }
}

function smooth(values) {
  const found = new Float64Array(values.length);
  for (let x = 0; x < values.length; x += 1) {
    const [before, after] = [values[Math.max(x - 1, 0)], values[Math.min(x + 1, values.length - 1)]];
    found[x] = values[x] ? values[x] / 2 + (before + after) / 4 : 0;
  }
  return found;
}

function clip(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let kept = text;
  while (kept.length > 1 && context.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}
