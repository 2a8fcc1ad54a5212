// A trace as columns, made ready for drawing: lanes, rows inside a lane, and a time axis that folds stretches in which nothing happened. No DOM.
export const OUTCOME = { VERIFIED: 0, ARRIVED: 1, UNDER_WAY: 2, IN_VAIN: 3, BAD: 4, LOST: 5, CANCELLED: 6, TIMED_OUT: 7, REFUSED: 8 };
export const MAX_ROWS = 8;  // requests in flight to one peer that get a row of their own: as many as a link accepts
export const MAX_LANES = 60;  // peers with a lane of their own, those that gave most; the rest share the last

// The time axis. `at` are ticks of the trace, `u` ticks with quiet stretches folded to the same short length.
export class Axis {
  constructor(end, quiet) {
    const busy = quiet.reduce((left, [from, to]) => left - (to - from), end);
    this.fold = Math.max(busy * 0.02, 1);
    this.quiet = quiet.filter(([from, to]) => to - from > this.fold * 2);
    this.end = end;
    this.length = Math.max(this.u(end), 1);
  }

  u(at) {
    let taken = 0;
    for (const [from, to] of this.quiet) {
      if (at <= from) break;
      if (at < to) return from - taken + this.fold * ((at - from) / (to - from));
      taken += to - from - this.fold;
    }
    return at - taken;
  }

  at(u) {
    let taken = 0;
    for (const [from, to] of this.quiet) {
      const begins = from - taken;
      if (u <= begins) break;
      if (u < begins + this.fold) return from + (to - from) * ((u - begins) / this.fold);
      taken += to - from - this.fold;
    }
    return u + taken;
  }
}

// First index whose value in `column` (ascending) is not below `value`.
export function lowerBound(column, value) {
  let low = 0;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function lanesOf(data, wanted) {
  const given = new Map();
  const { peer, bytes, outcome, transfer } = data.chunks;
  for (let index = 0; index < peer.length; index += 1) {
    if (!wanted(transfer[index])) continue;
    given.set(peer[index], (given.get(peer[index]) || 0) + (outcome[index] === OUTCOME.VERIFIED ? bytes[index] : 0));
  }
  data.marks.peer.forEach((number, index) => {
    if (number >= 0 && wanted(data.marks.transfer[index]) && !given.has(number)) given.set(number, 0);
  });
  const order = [...given].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const lanes = order.slice(0, MAX_LANES).map(([number, verified]) => ({ peers: [number], ...data.peers[number], verified }));
  const rest = order.slice(MAX_LANES);
  if (rest.length) lanes.push({ peers: rest.map(([number]) => number), key: "", source: "overlay", verified: rest.reduce((sum, one) => sum + one[1], 0) });
  return lanes;
}

// Lanes of the wanted transfers; each chunk of a lane in the first row that is free when it is asked for.
export function layout(data, axis, wanted) {
  const lanes = lanesOf(data, wanted);
  const laneOf = new Map(lanes.flatMap((lane, index) => lane.peers.map((number) => [number, index])));
  lanes.forEach((lane) => Object.assign(lane, { rows: [], busy: 0, count: 0, marks: [] }));
  const { peer, start, end, transfer } = data.chunks;
  const order = [...peer.keys()].filter((index) => wanted(transfer[index])).sort((a, b) => start[a] - start[b] || a - b);
  for (const index of order) {
    const lane = lanes[laneOf.get(peer[index])];
    const from = axis.u(start[index]);
    const to = axis.u(end[index]);
    let row = lane.rows.find((one) => one.free <= from);
    if (!row && lane.rows.length < MAX_ROWS) lane.rows.push((row = { free: 0, chunks: [], from: [], to: [] }));
    if (!row) row = lane.rows.reduce((one, other) => (other.free < one.free ? other : one));
    row.free = Math.max(row.free, to);
    row.chunks.push(index);
    row.from.push(from);
    row.to.push(to);
    lane.busy += to - from;
    lane.count += 1;
  }
  const general = [];
  data.marks.at.forEach((at, index) => {
    if (!wanted(data.marks.transfer[index])) return;
    const mark = { index, u: axis.u(at), kind: data.words[data.marks.kind[index]] };
    const lane = lanes[laneOf.get(data.marks.peer[index])];
    if (lane && mark.kind !== "decision") lane.marks.push(mark);
    else general.push(mark);
  });
  const stalls = data.stalls.filter((stall) => wanted(stall.transfer)).map((stall) => ({ ...stall, from: axis.u(stall.start), to: axis.u(stall.end) }));
  return { lanes, marks: general, stalls, order };
}

// Verified bytes a pixel in [u0, u1): for the curve of the whole, or of one lane.
export function histogram(data, rows, u0, u1, width, into = new Float64Array(width)) {
  const scale = width / (u1 - u0);
  for (const row of rows) {
    for (let at = Math.max(lowerBound(row.from, u0) - 1, 0); at < row.chunks.length && row.from[at] < u1; at += 1) {
      const index = row.chunks[at];
      if (data.chunks.outcome[index] !== OUTCOME.VERIFIED) continue;
      // The bytes came in over the time since the row's chunk before it at the earliest: spread, so that slow peers draw a level and not spikes.
      const from = Math.max((row.from[at] - u0) * scale, 0);
      const to = Math.min(Math.max((row.to[at] - u0) * scale, from + 1e-6), width);
      const span = (row.to[at] - row.from[at]) * scale || 1e-6;
      const bytes = data.chunks.bytes[index];
      for (let pixel = Math.floor(from); pixel < to && pixel < width; pixel += 1) {
        const part = Math.min(to, pixel + 1) - Math.max(from, pixel);
        into[pixel] += bytes * Math.min(part / span, 1);
      }
    }
  }
  return into;
}

const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

// Round moments (seconds since the start) for `room` labels between two.
export function moments(from, to, room) {
  const step = STEPS.find((one) => (to - from) / one <= room) || STEPS[STEPS.length - 1] * Math.ceil((to - from) / room / STEPS[STEPS.length - 1]);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to && found.length < 200; at += step) found.push(at);
  return { step, found };
}

export function clock(seconds, step = 1) {
  const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3;
  const rounded = Number(seconds.toFixed(digits));
  const whole = Math.floor(rounded);
  const part = digits ? (rounded - whole).toFixed(digits).slice(1) : "";
  const two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${two(whole % 60)}${part}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}${part}`;
}

export function span(seconds) {
  if (seconds < 0.1) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.round(seconds / 86400)} d`;
}

export function size(bytes) {
  let amount = bytes;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (amount < 1000 || unit === "GiB") return `${unit === "B" ? Math.round(amount) : amount < 10 ? amount.toFixed(2) : amount < 100 ? amount.toFixed(1) : amount.toFixed(0)} ${unit}`;
    amount /= 1024;
  }
  return "";
}
