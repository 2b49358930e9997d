// Helpers of the page. Text from data only ever becomes text: never markup, never code.

const read = (id) => {
  const found = document.getElementById(id);
  return found ? JSON.parse(found.textContent) : null;
};
const one = (id) => document.getElementById(id);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// An element with attributes, listeners (as functions) and children (text or elements).
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

const MINUS = "\u2212", DASH = "\u2013";
function written(value, digits, signed = false) {
  if (value === null || !Number.isFinite(value)) return DASH;
  const text = Math.abs(value).toFixed(digits), zero = Number(text) === 0;
  return (zero ? "" : value < 0 ? MINUS : signed ? "+" : "") + text;
}

// A page that reloads itself waits while somebody uses it.
function reloadLater(seconds) {
  let touched = 0;
  for (const event of ["input", "keydown", "pointerdown"]) addEventListener(event, () => { touched = Date.now(); });
  setInterval(() => { if (Date.now() - touched > 60000 || !touched) location.reload(); }, 1000 * seconds);
}

function save(name, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
