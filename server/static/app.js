// What every page gets on top of its HTML: theme, search key, copying, local times, and a refresh that disturbs nobody.

const THEMES = ["auto", "light", "dark"];
const root = document.documentElement;

// --- theme ---

function currentTheme() {
  return root.dataset.theme || "auto";
}

function showTheme(button) {
  const theme = currentTheme();
  const words = `Theme: ${theme === "auto" ? "automatic" : theme}`;
  button.setAttribute("aria-label", words);
  button.title = words;
  button.dataset.now = theme;
}

function setUpTheme() {
  const button = document.getElementById("theme");
  if (!button) return;
  showTheme(button);
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem("theme");
      else localStorage.setItem("theme", next);
    } catch {
      // Not kept, but it holds for this page.
    }
    showTheme(button);
    document.dispatchEvent(new CustomEvent("hw:theme"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    document.dispatchEvent(new CustomEvent("hw:theme")),
  );
}

// --- keys, menus, filters, copying ---

function typing(target) {
  return target.closest?.("input, textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target)) {
    const search = document.querySelector("[data-slash]");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape") {
    const open = event.target.closest?.("details[data-menu][open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  }
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-autosubmit] select")) event.target.form.requestSubmit();
});

// Fields left empty would only lengthen the address.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "get") return;
  for (const field of form.elements) {
    if (field.name && field.value === "" && !field.disabled) {
      field.disabled = true;
      setTimeout(() => (field.disabled = false));
    }
  }
});

function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  let words = "Copied";
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    // No clipboard without HTTPS: select it, so that one key press copies.
    select(source);
    words = "Selected";
  }
  button.textContent = words;
  setTimeout(() => (button.textContent = "Copy"), 1600);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

// --- times: the server writes UTC, people read their own ---

const absolute = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});

function localTimes(scope) {
  for (const time of scope.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const local = absolute.format(date);
    if (time.hasAttribute("data-abs")) {
      if (time.textContent !== local) time.textContent = local;
      time.title = date.toISOString().replace(".000Z", "Z");
    } else {
      time.title = `${local}\n${date.toISOString().replace(".000Z", "Z")}`;
    }
  }
}

// --- the custom range: its fields hold local time while the script runs, the address always UTC ---

function two(value) {
  return String(value).padStart(2, "0");
}

function localField(date) {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

function localRange(scope) {
  const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" })
    .formatToParts(new Date())
    .find((part) => part.type === "timeZoneName").value;
  for (const form of scope.querySelectorAll("form[data-range-form]")) {
    for (const field of form.querySelectorAll('input[type="datetime-local"]')) {
      const utc = field.getAttribute("value");
      if (document.activeElement !== field) field.value = localField(new Date(`${utc}Z`));
    }
    for (const span of form.querySelectorAll("[data-zone]")) span.textContent = zone;
  }
}

function checkRange(form) {
  const [from, to] = [form.elements.namedItem("from"), form.elements.namedItem("to")];
  to.setCustomValidity(from.value && to.value && from.value >= to.value ? "Must be later than the beginning." : "");
}

document.addEventListener("input", (event) => {
  if (event.target.form?.matches("form[data-range-form]")) checkRange(event.target.form);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-range-form]")) return;
  event.preventDefault();
  const query = new URLSearchParams(new FormData(form));
  for (const name of ["from", "to"]) {
    const date = new Date(query.get(name));
    if (!Number.isNaN(date.getTime())) query.set(name, date.toISOString().replace(".000Z", "Z"));
  }
  location.assign(`${form.getAttribute("action").split("#")[0]}?${query}#chart`);
});

// --- refresh ---

const state = document.getElementById("live-state");
let refreshedAt = new Date();

function say(words) {
  if (state && state.textContent !== words) state.textContent = words;
  root.classList.toggle("stale", words !== "");
}

function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function isLive(event) {
  return event.detail?.ctx?.sourceElement?.hasAttribute?.("data-live");
}

/** A refresh would be in the way while text is being selected inside the region, rows are chosen or a menu is open. */
function busy(region) {
  const selection = getSelection();
  if (selection && !selection.isCollapsed && region.contains(selection.anchorNode)) return true;
  return region.querySelector("details[data-menu][open], tbody input:checked") !== null;
}

document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  ctx.request.headers["X-CSRF-Token"] = document.querySelector('meta[name="csrf-token"]').content;
  if (!isLive(event)) return;
  const forced = ctx.sourceEvent?.type === "hw:refresh";
  if (!forced && (document.hidden || busy(ctx.sourceElement))) {
    event.preventDefault();
    return;
  }
  // The address says what is shown, and the chart may have changed it since the page came.
  ctx.request.action = location.pathname + location.search;
});

document.addEventListener("htmx:before:response", (event) => {
  if (!isLive(event)) return;
  const { raw, status } = event.detail.ctx.response;
  if (!raw.redirected && status < 400) return;
  event.preventDefault();
  if (raw.redirected || status === 401 || status === 403) {
    say("You are signed out: reload the page to sign in again.");
  } else {
    say(`Not refreshed since ${clock(refreshedAt)}: the server answered ${status}.`);
  }
});

document.addEventListener("htmx:error", (event) => {
  if (isLive(event)) say(`Not refreshed since ${clock(refreshedAt)}: the server does not answer.`);
});

document.addEventListener("htmx:after:swap", () => {
  refreshedAt = new Date();
  say("");
  localTimes(document);
  localRange(document);
  document.dispatchEvent(new CustomEvent("hw:refreshed"));
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden || Date.now() - refreshedAt.getTime() < 20_000) return;
  for (const region of document.querySelectorAll("[data-live]")) region.dispatchEvent(new CustomEvent("hw:refresh"));
});

setUpTheme();
localTimes(document);
localRange(document);
