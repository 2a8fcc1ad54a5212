// The address of a filtered list names what was chosen and nothing else: fields left empty stay out of it.
export function startAddresses() {
  document.addEventListener("htmx:configRequest", (event) => {
    const { verb, elt, formData } = event.detail;
    if (verb !== "get" || !elt.matches("form[role=search]")) return;
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
}
