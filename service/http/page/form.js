// Forms: fields with a hint and, beside each, what the API says of it.

import { ApiError } from "./api.js";
import { el } from "./dom.js";

let made = 0;

/** A field by the name that the API knows it by. */
export function field(name, label, input, hint = null) {
  const id = `field-${++made}`;
  const wrong = el("p", { id: `${id}-wrong`, class: "wrong", hidden: true });
  input.id = id;
  input.name = name;
  input.setAttribute("aria-describedby", hint === null ? wrong.id : `${id}-hint ${wrong.id}`);
  const words = hint === null ? null : el("p", { id: `${id}-hint`, class: "hint" }, hint);
  return el("div", { class: "field", "data-field": name }, el("label", { for: id }, label), input, words, wrong);
}

/** One of several, as radio buttons: [value, name, explanation]. `changed` is told the value, now and later. */
export function choice(name, legend, options, value, changed = () => {}) {
  const id = `field-${++made}`;
  const wrong = el("p", { id: `${id}-wrong`, class: "wrong", hidden: true });
  const buttons = options.map(([one, words, more]) => {
    const input = el("input", { type: "radio", name, value: one, checked: one === value, onchange: () => changed(one) });
    return el("label", { class: "option" }, input, el("span", {}, el("strong", {}, words), more ? el("small", {}, more) : null));
  });
  changed(value);
  return el("fieldset", { class: "field", "data-field": name, "aria-describedby": wrong.id }, el("legend", {}, legend), el("div", { class: "options" }, ...buttons), wrong);
}

export const text = (value = "", more = {}) => el("input", { type: "text", value, autocomplete: "off", ...more });

export const whole = (value, more = {}) => el("input", { type: "number", inputmode: "numeric", step: 1, min: 1, value: value ?? "", ...more });

export function area(value = "", rows = 3, more = {}) {
  const input = el("textarea", { rows, ...more });
  input.value = value;
  return input;
}

/** A form whose `send` may take its time, and whose errors are shown where they belong; `at` names a field for an error. */
export function form(words, fields, send, at = () => null) {
  const wrong = el("p", { class: "notice bad", role: "alert", hidden: true });
  const button = el("button", { type: "submit" }, words);
  const box = el("form", { class: "form", novalidate: true }, wrong, ...fields, el("div", { class: "actions" }, button));
  box.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear(box, wrong);
    const odd = [...box.elements].find((one) => one.type === "number" && one.validity.badInput);
    if (odd) return refuse(box, wrong, odd.name, "This is no number.");
    button.disabled = true;
    try {
      await send();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refuse(box, wrong, error.field ?? at(error), error.message);
    } finally {
      button.disabled = false;
    }
    return undefined;
  });
  return box;
}

/** The number that a field holds, null where it is empty. */
export const given = (input) => (input.value === "" ? null : Number(input.value));

function clear(box, wrong) {
  wrong.hidden = true;
  for (const one of box.querySelectorAll(".field > .wrong")) one.hidden = true;
  for (const one of box.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
}

function refuse(box, wrong, name, words) {
  const part = name && box.querySelector(`[data-field="${CSS.escape(name.split(/[.[]/)[0])}"]`);
  const place = part ? part.querySelector(":scope > .wrong") : wrong;
  place.textContent = words;
  place.hidden = false;
  if (!part) return wrong.scrollIntoView({ block: "nearest" });
  part.hidden = false;
  part.closest("details")?.setAttribute("open", "");
  const input = part.querySelector("input, textarea, select");
  input.setAttribute("aria-invalid", "true");
  return input.focus();
}
