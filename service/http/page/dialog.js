// Dialogs, and messages in the corner of the page.

import { el } from "./dom.js";

const SHOWN_MS = 10_000;
let made = 0;

/** Open a dialog; it closes by its button, by Escape, and when `signal` says that its view is left. */
export function open(title, content, signal) {
  const id = `dialog-${++made}`;
  const close = el("button", { type: "button", class: "quiet close", "aria-label": "Close" }, "✕");
  const box = el("dialog", { "aria-labelledby": id }, el("div", { class: "dialog-head" }, el("h2", { id }, title), close), content);
  const leave = () => box.close();
  close.addEventListener("click", leave);
  signal.addEventListener("abort", leave);
  box.addEventListener("close", () => {
    signal.removeEventListener("abort", leave);
    box.remove();
  });
  document.body.append(box);
  box.showModal();
  return box;
}

/** Say something that needs no answer: what went wrong stays until it is put away. */
export function tell(words, kind = "") {
  const box = el("div", { class: `message ${kind}` }, el("span", {}, words));
  box.append(el("button", { type: "button", class: "quiet close", "aria-label": "Put this message away", onclick: () => box.remove() }, "✕"));
  document.getElementById("messages").append(box);
  if (kind !== "bad") setTimeout(() => box.remove(), SHOWN_MS);
}
