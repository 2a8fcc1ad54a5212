// The switch: system → light → dark → system.
const ORDER = ["", "light", "dark"];

export function startTheme() {
  const button = document.querySelector("[data-theme-switch]");
  if (!button) return;
  const root = document.documentElement;
  const label = () => button.setAttribute("aria-label", button.dataset[`label${root.dataset.theme || "system"}`]);
  label();
  button.addEventListener("click", () => {
    const next = ORDER[(ORDER.indexOf(root.dataset.theme || "") + 1) % ORDER.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    try {
      if (next) localStorage.setItem("slskdn-theme", next);
      else localStorage.removeItem("slskdn-theme");
    } catch {
      // Storage may be forbidden; then the choice lasts for this page.
    }
    label();
  });
}
