// The timeline of a job's trace: fetches the columns, keeps the view (what is shown, what is chosen), listens to wheel, pointer, keys and buttons.
import { Painter, colours, measure, rowTop } from "./draw.js";
import { Axis, OUTCOME, clock, layout, lowerBound, size, span } from "./model.js";

const NARROW = 620;
const GUTTER = 150;
const LEAST = 40;  // ticks: the closest look, 4 ms

class Timeline {
  constructor(root, data, words) {
    Object.assign(this, { root, data, words });
    this.head = root.querySelector("[data-head]");
    this.body = root.querySelector("[data-lanes]");
    this.detail = root.querySelector("[data-detail]");
    this.scroll = root.querySelector("[data-scroll]");
    this.position = root.querySelector("[data-position]");
    this.tracks = root.querySelector("[data-tracks]");
    this.axis = new Axis(Math.max(data.end, 1), data.quiet);
    this.u0 = -this.axis.length * 0.01;
    this.u1 = this.axis.length * 1.01;
    [this.least, this.most] = [this.u0, this.u1];
    this.selected = null;
    this.pointers = new Map();
    this.painter = new Painter(data, this.axis, words, colours(root));
    this.fillTracks();
    this.choose();
    this.listen();
  }

  // ---- what is shown

  fillTracks() {
    for (const track of this.data.tracks) this.tracks.add(new Option(track.label, track.id));
    const asked = new URLSearchParams(location.search).get("track");
    if (asked && this.data.tracks.some((track) => track.id === asked)) this.tracks.value = asked;
  }

  choose() {
    const track = this.tracks.value;
    const wanted = (number) => !track || this.data.transfers[number]?.track === track;
    this.picture = layout(this.data, this.axis, wanted);
    this.selected = null;
    this.say(null);
    if (track && this.picture.order.length) {
      const { start, end } = this.data.chunks;
      const from = this.axis.u(start[this.picture.order[0]]);
      const to = Math.max(...this.picture.order.map((index) => this.axis.u(end[index])));
      const air = Math.max((to - from) * 0.03, LEAST);
      this.show(from - air, to + air);
    } else this.show(this.least, this.most);
  }

  show(u0, u1) {
    const length = Math.min(Math.max(u1 - u0, LEAST), this.most - this.least);
    const middle = (u0 + u1) / 2;
    this.u0 = Math.min(Math.max(middle - length / 2, this.least), this.most - length);
    this.u1 = this.u0 + length;
    const room = this.most - this.least - length;
    this.position.disabled = room < 1;
    this.position.value = room < 1 ? 0 : Math.round(((this.u0 - this.least) / room) * 1000);
    this.position.setAttribute("aria-valuetext", `${this.time(this.u0)} – ${this.time(this.u1)}`);
    this.draw();
  }

  zoom(factor, at = (this.u0 + this.u1) / 2) {
    this.show(at - (at - this.u0) * factor, at + (this.u1 - at) * factor);
  }

  pan(share) {
    const step = (this.u1 - this.u0) * share;
    this.show(this.u0 + step, this.u1 + step);
  }

  draw() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      const width = this.scroll.clientWidth;
      if (!width) return;
      const narrow = width < NARROW;
      this.gutter = narrow ? 0 : GUTTER;
      this.height = Math.max(measure(this.picture.lanes, narrow), 60);
      this.painter.view({ u0: this.u0, u1: this.u1, width, gutter: this.gutter, narrow, lanes: this.picture.lanes });
      const begun = performance.now();
      this.painter.head(this.head, this.picture);
      this.painter.lanes(this.body, this.picture, this.height, this.selected);
      this.root.dataset.drawMs = (performance.now() - begun).toFixed(1);
      this.root.dataset.drawn = String(this.picture.order.length);
    });
  }

  time(u) {
    const seconds = Math.max(this.axis.at(Math.max(u, 0)) * this.data.tick_ms, 0) / 1000;
    return clock(seconds, (this.u1 - this.u0) * this.data.tick_ms > 20000 ? 1 : 0.001);
  }

  // ---- what is chosen

  u(x) {
    return this.u0 + ((x - this.gutter) / Math.max(this.scroll.clientWidth - this.gutter, 1)) * (this.u1 - this.u0);
  }

  // The chunk at a place of the lanes: the nearest within reach; where bars are too thin to hit, what went wrong before what went well.
  find(x, y) {
    const lane = this.picture.lanes.findIndex((one) => y >= one.top && y < one.bottom);
    if (lane < 0 || x < this.gutter) return null;
    const one = this.picture.lanes[lane];
    const reach = ((this.u1 - this.u0) / Math.max(this.scroll.clientWidth - this.gutter, 1)) * 4;
    const u = this.u(x);
    let best = null;
    one.rows.forEach((row, number) => {
      const longest = row.longest ?? 0;
      for (let at = lowerBound(row.from, u - reach - longest); at < row.chunks.length && row.from[at] <= u + reach; at += 1) {
        const away = Math.max(row.from[at] - u, u - row.to[at], 0);
        if (away > reach) continue;
        const aside = Math.abs(y - rowTop(one, number) - one.rowHeight / 2);
        const good = this.data.chunks.outcome[row.chunks[at]] === OUTCOME.VERIFIED;
        const score = away / reach + aside / 6 + (good && this.painter.dense(one) ? 6 : 0);
        if (!best || score < best.score) best = { lane, row: number, at, score, index: row.chunks[at] };
      }
    });
    return best;
  }

  select(found) {
    if (found?.index === this.selected?.index && Boolean(found) === Boolean(this.selected)) return;
    this.selected = found;
    this.say(found);
    this.draw();
  }

  // By keys: the next or previous chunk of the lane by time, or the one of a neighbouring lane at the same time.
  step(by, lanes = 0) {
    const { lanes: all } = this.picture;
    if (!all.length) return;
    const now = this.selected;
    const time = now ? all[now.lane].rows[now.row].from[now.at] : this.u0;
    let lane = now ? now.lane + lanes : 0;
    while (all[lane] && !all[lane].count) lane += lanes || 1;
    if (!all[lane]) return;
    const places = all[lane].rows.flatMap((row, number) => row.from.map((from, at) => ({ lane, row: number, at, from, index: row.chunks[at] })));
    places.sort((a, b) => a.from - b.from || a.index - b.index);
    let place = now && !lanes ? places.findIndex((one) => one.index === now.index) + by : places.findIndex((one) => one.from >= time);
    place = Math.min(Math.max(place < 0 ? places.length - 1 : place, 0), places.length - 1);
    const { from } = places[place];
    if (from < this.u0 || from > this.u1) this.show(from - (this.u1 - this.u0) / 2, from + (this.u1 - this.u0) / 2);
    this.select(places[place]);
  }

  fault(by) {
    const faults = this.picture.order.filter((index) => this.data.chunks.outcome[index] > OUTCOME.UNDER_WAY);
    if (!faults.length) return;
    const place = this.selected ? faults.indexOf(this.selected.index) : -1;
    let next = place >= 0 ? place + by : by > 0 ? 0 : faults.length - 1;
    next = (next + faults.length) % faults.length;
    const wanted = faults[next];
    this.picture.lanes.forEach((lane, number) => lane.rows.forEach((row, line) => {
      const at = row.chunks.indexOf(wanted);
      if (at < 0) return;
      const [from, to] = [row.from[at], row.to[at]];
      if (from < this.u0 || to > this.u1) this.show((from + to - (this.u1 - this.u0)) / 2, (from + to + (this.u1 - this.u0)) / 2);
      this.select({ lane: number, row: line, at, index: wanted });
    }));
  }

  say(found) {
    const { detail, data, words } = this;
    if (!found) {
      detail.replaceChildren(words.hint);
      return;
    }
    const { chunks, tick_ms: tick } = data;
    const index = found.index;
    const name = data.outcomes[chunks.outcome[index]];
    const peer = data.peers[chunks.peer[index]];
    const track = data.tracks.find((one) => one.id === data.transfers[chunks.transfer[index]].track);
    const chip = Object.assign(document.createElement("strong"), { textContent: words.outcomes[name] || name, className: `outcome outcome-${name}` });
    const facts = [
      `${words.leaf} ${chunks.leaf[index]}, ${size(chunks.bytes[index])}`,
      `${words.of} ${peer ? peer.key.replace(/^soulseek:/, "").slice(0, 20) : "–"} (${words.planes[peer?.source] || ""})`,
      track?.label,
      `${clock((chunks.start[index] * tick) / 1000, 0.001)} + ${span(((chunks.end[index] - chunks.start[index]) * tick) / 1000)}`,
      data.words[chunks.code[index]] && `${words.because} ${this.word(data.words[chunks.code[index]])}`,
      data.words[chunks.why[index]] && `${words.asked} ${this.word(data.words[chunks.why[index]])}`,
    ].filter(Boolean);
    detail.replaceChildren(chip, ` · ${facts.join(" · ")}`);
  }

  word(code) {
    return this.words.codes[code] || code.replaceAll("_", " ");
  }

  markAt(x) {
    const reach = ((this.u1 - this.u0) / Math.max(this.scroll.clientWidth - this.gutter, 1)) * 5;
    const u = this.u(x);
    const near = this.picture.marks.filter((mark) => Math.abs(mark.u - u) <= reach).sort((a, b) => Math.abs(a.u - u) - Math.abs(b.u - u))[0];
    if (!near) return;
    const { marks, words } = this.data;
    const code = words[marks.code[near.index]];
    const text = `${this.word(words[marks.action[near.index]])}${code ? `: ${this.word(code)}` : ""}`;
    this.detail.replaceChildren(Object.assign(document.createElement("strong"), { textContent: text }), ` · ${clock((marks.at[near.index] * this.data.tick_ms) / 1000, 0.001)}`);
  }

  // ---- events

  listen() {
    const { root } = this;
    new ResizeObserver(() => this.draw()).observe(this.scroll);
    const recolour = () => {
      this.painter.palette = colours(root);
      this.draw();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    new MutationObserver(recolour).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.tracks.addEventListener("change", () => this.choose());
    this.position.addEventListener("input", () => {
      const length = this.u1 - this.u0;
      const u0 = this.least + (this.most - this.least - length) * (this.position.value / 1000);
      this.show(u0, u0 + length);
    });
    root.addEventListener("click", (event) => {
      const act = event.target.closest("[data-act]")?.dataset.act;
      if (act) this.act(act);
    });
    for (const canvas of [this.head, this.body]) {
      canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
      canvas.addEventListener("pointerdown", (event) => this.down(event));
      canvas.addEventListener("pointermove", (event) => this.move(event));
      for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.up(event));
      canvas.addEventListener("pointerleave", () => this.pointers.size || document.activeElement === this.scroll || this.select(null));
      canvas.addEventListener("dblclick", (event) => this.zoom(0.4, this.u(event.offsetX)));
    }
    this.scroll.addEventListener("keydown", (event) => this.key(event));
    this.scroll.addEventListener("blur", () => this.select(null));
  }

  act(name) {
    ({ in: () => this.zoom(0.5), out: () => this.zoom(2), fit: () => this.show(this.least, this.most), left: () => this.pan(-0.5), right: () => this.pan(0.5), fault: () => this.fault(1) })[name]?.();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      "+": () => this.zoom(0.6), "=": () => this.zoom(0.6), "-": () => this.zoom(1 / 0.6), 0: () => this.show(this.least, this.most),
      PageUp: () => this.pan(-0.5), PageDown: () => this.pan(0.5), Home: () => this.pan(-1e6), End: () => this.pan(1e6),
      ArrowRight: () => (event.shiftKey ? this.pan(0.15) : this.step(1)), ArrowLeft: () => (event.shiftKey ? this.pan(-0.15) : this.step(-1)),
      ArrowDown: () => this.step(0, 1), ArrowUp: () => this.step(0, -1),
      e: () => this.fault(1), E: () => this.fault(-1), Escape: () => this.select(null),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  // A plain wheel scrolls the page until the timeline has the focus (a click gives it); with Ctrl, or by pinching a touchpad, it always zooms.
  wheel(event) {
    const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      event.preventDefault();
      this.pan(across / Math.max(this.scroll.clientWidth, 1));
    } else if (event.ctrlKey || document.activeElement === this.scroll) {
      event.preventDefault();
      this.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006), this.u(event.offsetX));
    }
  }

  down(event) {
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    event.currentTarget.setPointerCapture(event.pointerId);
    this.moved = 0;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (event.currentTarget === this.body) this.select(this.find(event.offsetX, event.offsetY));
      else this.markAt(event.offsetX);
      return;
    }
    const now = { x: event.offsetX, y: event.offsetY };
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    if (others.length) {  // two fingers: pinch
      const other = others[0][1];
      const [was, is] = [Math.abs(before.x - other.x), Math.abs(now.x - other.x)];
      if (was > 8 && is > 8) this.zoom(was / is, this.u((now.x + other.x) / 2));
    } else {
      this.moved += Math.abs(now.x - before.x);
      this.pan((before.x - now.x) / Math.max(this.scroll.clientWidth - this.gutter, 1));
    }
    this.pointers.set(event.pointerId, now);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (event.type !== "pointerup" || this.moved >= 4) return;
    this.scroll.focus({ preventScroll: true });
    if (event.currentTarget === this.body) this.select(this.find(event.offsetX, event.offsetY));
    else this.markAt(event.offsetX);
  }
}

async function start() {
  const root = document.querySelector("[data-trace]");
  if (!root) return;
  const words = JSON.parse(document.getElementById("trace-words").textContent);
  const detail = root.querySelector("[data-detail]");
  try {
    const answer = await fetch(root.dataset.trace, { headers: { Accept: "application/json" } });
    const data = await answer.json();
    if (!answer.ok) throw new Error(data.message);
    root.classList.add("ready");
    root.timeline = new Timeline(root, data, words);
  } catch (error) {
    detail.textContent = `${words.failed} ${error.message || ""}`;
    root.classList.add("failed");
  }
}

start();
