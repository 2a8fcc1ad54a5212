// <time data-when>: relative words that stay fresh, the exact moment in the browser's zone as title.
const words = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto", style: "short" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

export function tell(element) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  const seconds = (moment.getTime() - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) || UNITS[3];
  const text = words.format(Math.trunc(seconds / size), unit);
  if (element.textContent !== text) element.textContent = text;
  const exact = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  if (element.title !== exact) element.title = exact;
}

// <time data-clock>: the time of day of a chat, in the browser's zone.
export function clock(element) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  const text = moment.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  if (element.textContent !== text) element.textContent = text;
  const exact = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  if (element.title !== exact) element.title = exact;
}

export function tellAll(root = document) {
  root.querySelectorAll("time[data-clock]").forEach(clock);
  root.querySelectorAll("time[data-when]").forEach(tell);
}

export function startTimes() {
  tellAll();
  setInterval(() => document.hidden || tellAll(), 10_000);
  document.body.addEventListener("htmx:afterSettle", () => tellAll());
}
