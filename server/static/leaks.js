// Choosing leaks: all of a page, all that match, a range with Shift, by keys; how many are chosen, and no refresh while any is.

const form = () => document.getElementById("triage");
const picks = () => [...(form()?.querySelectorAll('input[name="leak"]') ?? [])];
let last = null;

function show() {
  const keys = form()?.querySelector("[data-keys]");
  if (keys) keys.hidden = false;
  const all = picks();
  const chosen = all.filter((one) => one.checked);
  const count = form()?.querySelector("[data-picked]");
  const beyond = form()?.querySelector("[data-pick-every]");
  if (beyond && chosen.length < all.length) beyond.checked = false;
  if (count) {
    const many = beyond?.checked ? Number(beyond.dataset.pickEvery) : chosen.length;
    count.textContent = many ? many.toLocaleString("en") : "";
    count.nextElementSibling.textContent = chosen.length ? " chosen" : "With the chosen";
  }
  const every = form()?.querySelector("[data-pick-all]");
  if (every) {
    every.hidden = false;
    every.checked = chosen.length > 0 && chosen.length === all.length;
    every.indeterminate = chosen.length > 0 && chosen.length < all.length;
  }
}

document.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement)) return;
  if (box.hasAttribute("data-pick-every")) {
    for (const one of picks()) one.checked = true;
  } else if (box.hasAttribute("data-pick-all")) {
    for (const one of picks()) one.checked = box.checked;
  } else if (box.name === "leak") {
    const all = picks();
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) for (const one of all.slice(from, to)) one.checked = box.checked;
    last = box;
  } else {
    return;
  }
  show();
});

// j and k go from leak to leak, x chooses, Enter opens; Escape lets go of all.
function row(step) {
  const all = picks();
  const rows = all.length ? all : [...document.querySelectorAll("tr[data-leak] .c-prog a, table.groups .c-prog a")];
  const here = rows.findIndex((one) => one.closest("tr").contains(document.activeElement));
  return rows[Math.min(rows.length - 1, Math.max(0, here + step))];
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.closest?.("input:not([type=checkbox]), textarea, select");
  if (event.key === "Enter" && field?.tagName === "INPUT" && field.closest(".menu-form")) {
    event.preventDefault();
    field.closest(".menu-form").querySelector("button").click();
    return;
  }
  if (field) return;
  const at = document.activeElement?.closest?.("tr");
  if (event.key === "j" || event.key === "k") {
    const next = row(event.key === "j" ? 1 : -1);
    next?.focus();
    next?.closest("tr").scrollIntoView({ block: "nearest" });
  } else if (event.key === "x" && at) {
    at.querySelector('input[name="leak"]')?.click();
  } else if (event.key === "Enter" && event.target.matches('input[name="leak"]')) {
    event.preventDefault();
    at.querySelector(".c-prog a").click();
  } else if (event.key === "Escape" && !document.querySelector("details[data-menu][open]")) {
    for (const one of picks()) one.checked = false;
    show();
  } else {
    return;
  }
  if (event.key !== "Escape") event.preventDefault();
});

// On a phone the filters would push the leaks off the screen, so they start folded there.
const narrow = matchMedia("(max-width: 720px)");
function fold() {
  const filters = document.querySelector(".filter-fold");
  if (filters) filters.open = !narrow.matches;
}
narrow.addEventListener("change", fold);
fold();

// What was chosen stays chosen when the browser comes back to the page, so the bar says so.
addEventListener("pageshow", show);
document.addEventListener("hw:refreshed", show);
show();
