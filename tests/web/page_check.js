// Run in the page: what a person with a screen reader, a keyboard or weak eyes would stumble over. Returns faults as sentences.
(() => {
  const faults = [];
  const visible = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && node.getClientRects().length > 0;
  const told = (node) => `${node.tagName.toLowerCase()}${node.id ? `#${node.id}` : ""}${node.className?.baseVal === undefined && node.className ? `.${node.className}` : ""} “${(node.textContent || "").trim().slice(0, 40)}”`;
  const nameOf = (node) => (node.getAttribute("aria-label") || (node.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent || "").join("")
    || [...(node.labels || [])].map((label) => label.textContent).join("") || node.textContent || node.title || node.alt || "").trim();

  for (const node of document.querySelectorAll("a[href], button, summary, input:not([type=hidden]), select, textarea")) {
    if (visible(node) && !nameOf(node)) faults.push(`has no name: ${told(node)}`);
  }
  for (const node of document.querySelectorAll("img:not([alt]), [role=img]:not([aria-label]), [role=progressbar]:not([aria-label])")) faults.push(`has no text: ${told(node)}`);
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  ids.filter((id, index) => ids.indexOf(id) !== index).forEach((id) => faults.push(`id twice: ${id}`));
  for (const node of document.querySelectorAll("[aria-labelledby], [aria-describedby], [for]")) {
    for (const id of (node.getAttribute("aria-labelledby") || node.getAttribute("aria-describedby") || node.getAttribute("for")).split(" ")) if (!document.getElementById(id)) faults.push(`points at nothing: ${told(node)}`);
  }
  if (document.querySelectorAll("main").length !== 1) faults.push("needs exactly one main");
  if (document.querySelectorAll("h1").length !== 1) faults.push("needs exactly one h1");
  if (!document.documentElement.lang) faults.push("has no language");
  if (!document.title.trim()) faults.push("has no title");
  for (const table of document.querySelectorAll("table")) if (!table.caption || table.querySelectorAll("th:not([scope])").length) faults.push(`table without caption or scopes: ${told(table)}`);

  // Contrast, WCAG 2.1 AA: 4.5, or 3 for large text.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below) => [0, 1, 2].map((index) => top[index] * top[3] + below[index] * (1 - top[3])).concat(1);
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.unshift(colour);
      if (colour[3] === 1) break;
    }
    return layers.reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = ([red, green, blue]) => [red, green, blue].map((part) => part / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.nodeValue.trim() || seen.has(node) || !visible(node) || node.closest("[disabled], .sr, .skip, svg")) continue;
    seen.add(node);
    if (seen.size > 1500) break;
    const style = getComputedStyle(node);
    const below = ground(node);
    const [one, other] = [light(over(rgba(style.color), below)), light(below)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    const size = parseFloat(style.fontSize);
    if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5) - 0.01) faults.push(`contrast ${ratio.toFixed(2)}: ${told(node)}`);
  }
  // Tap targets on narrow screens: 24 px (WCAG 2.2 AA), text links in a line excepted.
  if (innerWidth < 720) {
    for (const node of document.querySelectorAll("button, summary, [role=button], nav a")) {
      const box = node.getBoundingClientRect();
      if (visible(node) && (box.width < 24 || box.height < 24)) faults.push(`too small to tap (${Math.round(box.width)}×${Math.round(box.height)}): ${told(node)}`);
    }
  }
  return [...new Set(faults)].slice(0, 20);
})()
