// Changes an element into another version of itself, touching only what differs: focus, selection, open branches and hover stay.
const KEPT = new Set(["open", "aria-selected"]);  // what a person did to the element, not what the server says

function attributes(from, to) {
  const at = from.classList.contains("at");  // the row the keyboard is on
  for (const { name, value } of [...to.attributes]) {
    if (!KEPT.has(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!KEPT.has(name) && !to.hasAttribute(name)) from.removeAttribute(name);
  }
  if (at) from.classList.add("at");
}

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && node.id) || "";
const same = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

export function morph(from, to) {
  if (from.isEqualNode(to)) return;
  if (!same(from, to)) {
    from.replaceWith(to);
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  if (from.matches("time[data-when]") && from.dateTime === to.dateTime) return;
  attributes(from, to);
  const old = [...from.childNodes];
  const now = [...to.childNodes];
  let at = 0;
  for (const node of now) {
    if (at < old.length && same(old[at], node)) {
      morph(old[at], node);
      at += 1;
    } else {
      const later = old.findIndex((candidate, index) => index > at && keyOf(node) && same(candidate, node));
      if (later >= 0) {
        while (at < later) old[at++].remove();
        morph(old[at], node);
        at += 1;
      } else from.insertBefore(node, old[at] || null);
    }
  }
  while (at < old.length) old[at++].remove();
}
