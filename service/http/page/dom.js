// Elements, and numbers as people read them. Text goes in by textContent alone: what a pool holds is never markup.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A link to Label Studio: only addresses that a browser opens as pages. */
export function link(href, words, className) {
  if (!href || !/^https?:\/\//.test(href)) return null;
  return el("a", { href, target: "_blank", rel: "noopener noreferrer", class: className }, words);
}

const whole = new Intl.NumberFormat();
export const number = (value) => (value === null || value === undefined ? "–" : whole.format(value));

export const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);

export const points = (value) => `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(100 * value).toFixed(1)}`;

/** A metric's name as people read it: accuracy, macro F1, F1. */
export const metric = (name) => name.replaceAll("_", " ").replace(/\bf1\b/, "F1");

export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  return value < 60 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

export function time(at) {
  const date = new Date(1000 * at);
  const today = date.toDateString() === new Date().toDateString();
  const words = today ? date.toLocaleTimeString() : date.toLocaleString();
  return el("time", { datetime: date.toISOString() }, words);
}

export function bytes(value) {
  const step = value < 1000 ? 0 : value < 1e6 ? 1 : value < 1e9 ? 2 : 3;
  return `${(value / 1000 ** step).toLocaleString(undefined, { maximumFractionDigits: step ? 1 : 0 })} ${["bytes", "kB", "MB", "GB"][step]}`;
}
