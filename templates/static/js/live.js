// Live pages: one EventSource that patches elements by id. While the pointer is on a list, nothing in it appears or vanishes.
import { morph } from "./morph.js";
import { clock, tell, tellAll } from "./times.js";

let source = null;
let address = "";
const waiting = [];  // insertions and removals held back while the pointer is on the list

const list = () => document.querySelector("[data-live-list]");
const shown = () => document.querySelector("[data-live]")?.dataset.live || "";  // the stream that belongs to what the page shows
const held = () => Boolean(list()?.matches(":hover, :focus-within"));

function element(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  const made = template.content.firstElementChild;
  made?.querySelectorAll("time[data-when]").forEach(tell);
  made?.querySelectorAll("time[data-clock]").forEach(clock);
  return made;
}

function add(id, html, newer) {
  const target = list();
  if (!target && document.querySelector("[data-live-reload]")) location.reload();  // an empty page gets its first row
  if (!target || target.dataset.liveList === "none" || document.getElementById(id)) return;
  if (target.dataset.liveList === "first") {
    const below = newer.map((other) => document.getElementById(other)).filter(Boolean).pop();
    if (below) below.after(element(html));
    else target.prepend(element(html));
  } else target.append(element(html));
}

function settle() {
  if (held() || shown() !== address) return;
  while (waiting.length) waiting.shift()();
  document.dispatchEvent(new Event("slskdn:patched"));
}

function patch(event) {
  if (shown() !== address) return;  // a filter exchanged the list a moment ago: rows of the former one have no place in it
  const { parts, gone } = JSON.parse(event.data);
  const newer = [];
  for (const [id, html] of Object.entries(parts)) {
    const here = document.getElementById(id);
    if (here) morph(here, element(html));
    else {
      const above = [...newer];
      waiting.push(() => add(id, html, above));
    }
    newer.push(id);
  }
  for (const id of gone) waiting.push(() => document.getElementById(id)?.remove());
  settle();
}

function connect() {
  const wanted = shown();
  if (source && wanted === address && source.readyState !== EventSource.CLOSED) return;
  disconnect();
  if (wanted !== address) waiting.length = 0;
  address = wanted;
  if (!wanted) return;
  source = new EventSource(wanted);
  source.addEventListener("patch", patch);
  source.addEventListener("open", () => document.getElementById("offline")?.setAttribute("hidden", ""));
  source.addEventListener("error", () => document.getElementById("offline")?.removeAttribute("hidden"));
}

function disconnect() {
  source?.close();
  source = null;
}

export function startLive() {
  connect();
  // A hidden tab listens to nothing: browsers allow six connections to a host, and streams would eat them all.
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", connect);
  document.body.addEventListener("htmx:afterSettle", () => {
    connect();
    tellAll();
  });
  document.addEventListener("pointerout", () => waiting.length && setTimeout(settle, 50));
}
