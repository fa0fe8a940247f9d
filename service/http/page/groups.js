// Domains and classes: which the newest adapter does worst on, in words and as rows of a table.

import { el, metric, number, percent } from "./dom.js";

const SHOWN = 12;

/** What `/curve/groups` names as the weakest, or why it names none. */
export function named({ weakest, headline }) {
  if (!weakest) return [];
  return [weakest.domain && weak("domain", weakest.domain, metric(headline)), weak("class", weakest.class, "F1")].filter(Boolean);
}

function weak(what, { group, whole, reason }, score) {
  if (!group) return `No weakest ${what} is named: ${reason}.`;
  const { value, low, high } = group.score;
  const name = group.name ?? `texts without a ${what}`;
  const errors = group.errors === null ? "" : ` and ${percent(group.errors)} of the errors`;
  return `${high < whole ? "Weakest" : "Perhaps the weakest"} ${what}: ${name}, ${score} ${percent(value)} (95 % interval ${percent(low)} to ${percent(high)}) on ${number(group.n)} examples, ${percent(whole)} of all. ${percent(group.share)} of the examples${errors}.`;
}

/** Rows: the weakest of each kind. */
export function groupRows({ domains, classes }) {
  return [...rows("domain", domains), ...rows("class", classes)];
}

function rows(what, groups) {
  const made = groups.slice(0, SHOWN).map((one) =>
    row(what, one.name ?? `without a ${what}`, one.score ? [percent(one.score.value), el("small", {}, ` ${percent(one.score.low)} – ${percent(one.score.high)}`)] : "–",
      number(one.n), percent(one.share), percent(one.errors), percent(one.precision), percent(one.recall)),
  );
  const more = groups.length - made.length;
  if (more > 0) made.push(row(what, `and ${number(more)} more`, "", "", "", "", "", ""));
  return made;
}

const row = (what, name, ...cells) => el("tr", {}, el("td", { class: "text" }, what), el("td", { class: "text" }, name), ...cells.map((cell) => el("td", {}, cell)));
