// Bulk selection: click, shift-click for a range, the head's box for all. The bar appears only while something is selected.
let last = null;

const boxes = () => [...document.querySelectorAll("input[data-select]")];

function refresh() {
  const all = boxes();
  const chosen = all.filter((box) => box.checked);
  all.forEach((box) => box.closest("tr")?.setAttribute("aria-selected", String(box.checked)));
  const bar = document.getElementById("selection");
  if (bar) {
    bar.hidden = chosen.length === 0;
    bar.querySelector("[data-count]").textContent = String(chosen.length);
  }
  const head = document.querySelector("[data-select-all]");
  if (head) {
    head.checked = chosen.length > 0 && chosen.length === all.length;
    head.indeterminate = chosen.length > 0 && chosen.length < all.length;
  }
}

export function startSelection() {
  document.addEventListener("click", (event) => {
    const box = event.target.closest("input[data-select]");
    if (box) {
      const all = boxes();
      const from = all.indexOf(last);
      const to = all.indexOf(box);
      if (event.shiftKey && from >= 0) all.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((one) => { one.checked = box.checked; });
      last = box;
      refresh();
    } else if (event.target.closest("[data-select-all]")) {
      const on = event.target.closest("[data-select-all]").checked;
      boxes().forEach((one) => { one.checked = on; });
      refresh();
    } else if (event.target.closest("[data-select-none]")) {
      boxes().forEach((one) => { one.checked = false; });
      refresh();
    }
  });
  document.body.addEventListener("htmx:afterSettle", refresh);
  document.addEventListener("slskdn:patched", refresh);
  refresh();
}
