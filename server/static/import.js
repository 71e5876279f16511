// The import page: a file dropped anywhere on its field is chosen, and looked at without another click.

const form = document.getElementById("import-form");
const drop = document.getElementById("drop");
const input = document.getElementById("dump");
const time = document.getElementById("time");

function two(value) {
  return String(value).padStart(2, "0");
}

// RFC 3339 with this device's own offset from UTC at that time.
function withZone(date) {
  const minutes = -date.getTimezoneOffset();
  const offset = `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}${offset}`;
}

// What this script has filled in, and nobody has changed since, is not kept for the next file.
const GUESS = "import-time";

function chosen() {
  const file = input.files[0];
  if (!file) return;
  try {
    if (time.value === "" || time.value === sessionStorage.getItem(GUESS)) {
      time.value = withZone(new Date(file.lastModified));
      sessionStorage.setItem(GUESS, time.value);
    }
  } catch {
    // Without storage a person fills it in.
  }
  form.requestSubmit(form.querySelector("button[value=look]"));
}

if (form) {
  drop.querySelector(".drop-hint").hidden = false;
  document.getElementById("time-hint").hidden = false;
  input.addEventListener("change", chosen);
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length === 0) return;
    const one = new DataTransfer();
    one.items.add(event.dataTransfer.files[0]);
    input.files = one.files;
    chosen();
  });
}
