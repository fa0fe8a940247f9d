// Answers as people read them, and stretches of a text marked in it.

import { el } from "./dom.js";

/** An answer of any problem in one line; offsets count characters, not JavaScript's code units. */
export function said(text, answer) {
  if (answer === null || answer === undefined) return "nothing";
  if (typeof answer === "string") return answer;
  const characters = [...text];
  const parts = answer.map((one) => (typeof one === "string" ? one : `“${characters.slice(one.start, one.end).join("")}” ${one.label}`));
  return parts.join(", ") || "none";
}

/** The text with stretches marked: `marks` are [start, end, class name] in characters, and may overlap. */
export function marked(text, marks) {
  const characters = [...text];
  const cuts = [...new Set([0, characters.length, ...marks.flatMap(([start, end]) => [start, end])])].sort((a, b) => a - b);
  return cuts.slice(1).map((end, at) => {
    const piece = characters.slice(cuts[at], end).join("");
    const over = marks.filter(([from, to]) => from <= cuts[at] && end <= to).map(([, , name]) => name);
    return over.length ? el("mark", { class: over.join(" ") }, piece) : piece;
  });
}
