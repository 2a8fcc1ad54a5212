// Toasts come as HTML from the server (htmx adds them). They leave by their button, or after a while when nobody looks at them.
const STAY_MS = 9000;

export function announce(text) {
  const live = document.getElementById("said");
  if (live && text) live.textContent = text;
}

function arm(toast) {
  if (toast.dataset.armed) return;
  toast.dataset.armed = "1";
  const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, STAY_MS / 3) : toast.remove());
  setTimeout(leave, STAY_MS);
}

export function startToasts() {
  const box = document.getElementById("toasts");
  if (!box) return;
  box.querySelectorAll(".toast").forEach(arm);
  new MutationObserver(() => box.querySelectorAll(".toast").forEach(arm)).observe(box, { childList: true });
  box.addEventListener("click", (event) => {
    if (event.target.closest("[data-dismiss]")) event.target.closest(".toast").remove();
  });
}
