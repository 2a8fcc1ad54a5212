// Loaded before anything is painted: the theme a person chose, so that there is no flash. No choice: the system's.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.remove("no-js");
  try {
    const chosen = localStorage.getItem("slskdn-theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; the system's theme is fine.
  }
})();
