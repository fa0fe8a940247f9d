// The card of costs: what it took, round by round, what more labels take and bring, and whether to stop.

import { el, number, percent, points } from "./dom.js";

const ROUNDS = ["Round", "Labels", "Asked", "Answered", "People", "Workers", "Cost", "Score", "Since before"];
const FORECAST = ["Labels more", "Answers", "People", "Cost", "Expected points", "Worth"];

/** Its element, and what fills it with the answer of `/cost`. */
export function costCard() {
  const advice = el("div", { class: "summary" });
  const [forecast, rounds] = [el("tbody", {}), el("tbody", {})];
  const element = el(
    "section", { class: "card wide" }, el("h2", {}, "What it costs"), advice,
    table("What more labels cost", FORECAST, forecast), table("Cost by round", ROUNDS, rounds),
  );
  const show = (found) => {
    advice.replaceChildren(...found.advice.map((words, at) => el("p", {}, at ? words : el("strong", {}, words))));
    forecast.replaceChildren(...found.forecast.map((one) => forecastRow(one, found.prices)));
    rounds.replaceChildren(...found.rounds.map((one) => roundRow(one, found.prices)).reverse());
  };
  return { element, show };
}

function table(name, titles, body) {
  const head = el("thead", {}, el("tr", {}, ...titles.map((title) => el("th", { scope: "col" }, title))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name }, el("table", {}, head, body));
}

const row = (...cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell)));

function forecastRow({ more, answers, cost, gain, worth }, prices) {
  return row(
    number(more), number(answers), ranged(cost.hours, hours), ranged(cost.money, (one) => money(one, prices)),
    gain ? [points(gain.value), el("small", {}, ` ${points(gain.low)} to ${points(gain.high)}`)] : "–",
    ranged(worth, (one) => money(one, prices)),
  );
}

function roundRow(one, prices) {
  const { score, change } = one;
  return row(
    one.round ? number(one.round) : "opening", number(one.labels), number(one.asked), number(one.answers),
    hours(one.people.hours), hours(one.workers.hours), money(one.money, prices),
    score ? [percent(score.value), el("small", {}, ` ${percent(score.low)} – ${percent(score.high)}`)] : "–",
    change ? [points(change.value), el("small", {}, ` ${points(change.low)} to ${points(change.high)}`)] : "–",
  );
}

/** A number, and small beside it its interval, where there is one. */
function ranged(value, words) {
  if (!value || value.value === null) return "–";
  if (value.low === null || value.high === null) return words(value.value);
  return [words(value.value), el("small", {}, ` ${words(value.low)} – ${words(value.high)}`)];
}

/** 8.3 s, 75 s, 4 min, 2.5 h. */
function hours(value) {
  const seconds = 3600 * value;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${value.toFixed(1)} h`;
}

function money(value, { currency }) {
  if (value === null) return "–";
  const words = value.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return currency ? `${words} ${currency}` : words;
}
