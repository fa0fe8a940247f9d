// What is taken for what: a matrix of few labels, the most confused pairs of many; a click lists the texts.

import { campaignPath, get } from "./api.js";
import { marked, said } from "./answers.js";
import { el, link, number, percent } from "./dom.js";
import { whole } from "./form.js";

const GRID_LABELS = 12;
const PAIRS = 25;
const SHOWN = 50;
const TEXT_CHARS = 600;
const SPAN_KINDS = ["right", "wrong boundary", "wrong label", "wrong label and boundary", "missed", "spurious"];

export function confusions(campaign, signal) {
  const path = `${campaignPath(campaign.id)}/confusion`;
  const words = el("p", { class: "summary" });
  const caveat = el("p", { class: "summary caveat" });
  const table = el("div", { class: "scroll" });
  const texts = el("div", { class: "behind", role: "region", "aria-label": "Texts behind a confusion", tabindex: "-1", hidden: true });
  const round = whole(null, { placeholder: "newest", onchange: show });
  const choice = el("label", { hidden: true }, "Round ", round);
  let shown = null;
  let asked = 0;

  async function list(query, title) {
    const mine = ++asked;
    const rest = new URLSearchParams({ round: shown, limit: SHOWN, ...query });
    let found;
    try {
      found = await get(`${path}/examples?${rest}`, signal);
    } catch (error) {
      if (!signal.aborted) texts.replaceChildren(el("p", { class: "notice bad" }, error.message));
      return;
    }
    if (mine !== asked) return;
    const more = found.total - found.examples.length;
    texts.hidden = false;
    texts.replaceChildren(
      el("div", { class: "head" }, el("h3", {}, `${title}: ${number(found.total)}`), el("button", { type: "button", class: "plain small", onclick: () => { texts.hidden = true; } }, "Close")),
      el("ol", { class: "queue" }, ...found.examples.map(example), more > 0 ? el("li", { class: "empty" }, el("span", {}), `and ${number(more)} more`) : null),
    );
    texts.focus({ preventScroll: true });
    texts.scrollIntoView({ block: "nearest" });
  }

  /** The matrix of the round that is chosen; the newest's follows whatever changes it. */
  async function load() {
    const of = round.value;
    const found = await get(of ? `${path}?round=${of}` : path, signal);
    if (of !== round.value) return;
    shown = found.round;
    choice.hidden = shown === null;
    caveat.textContent = shown === null ? "" : found.caveat;
    if (!found.n) {
      words.textContent = "Known after the first round, once some labels measure.";
      table.replaceChildren();
      return;
    }
    words.textContent = summary(found);
    const make = { single_label: found.labels.length <= GRID_LABELS ? grid : pairs, multi_label: byLabel, spans: byKind }[found.problem];
    const focused = table.contains(document.activeElement);
    if (!focused) table.replaceChildren(make(found, list));
  }

  async function show() {
    texts.hidden = true;
    try {
      await load();
    } catch (error) {
      if (signal.aborted) return;
      words.textContent = error.message;
      table.replaceChildren();
    }
  }

  const element = el("section", { class: "card wide" }, el("div", { class: "head" }, el("h2", {}, "What is taken for what"), choice), words, table, texts, caveat);
  return { element, events: ["round-trained", "labels-changed", "annotations", "annotations-deleted"], load };
}

function summary({ problem, round, n, measured_on: on, cells }) {
  const sum = (kinds) => cells.filter((one) => kinds.includes(one.kind)).reduce((all, one) => all + one.n, 0);
  const whom = `${number(n)} ${on === "test" ? "test" : "hold-out"} texts`;
  const right = sum(["right"]);
  if (problem === "single_label") return `Round ${round}, ${whom}: ${number(n - right)} are taken for something else. Choose a number to read the texts.`;
  const kinds = SPAN_KINDS.slice(1).map((kind) => [sum([kind]), kind]).filter(([times]) => times).map(([times, kind]) => `${number(times)} ${kind}`);
  const what = problem === "spans" ? "spans" : "labels";
  return `Round ${round}, ${whom}: ${number(right)} ${what} right, ${kinds.join(", ") || "none wrong"}. Choose a number to read the texts.`;
}

const count = (n, label, show, share, className = "") =>
  el("button", { type: "button", class: `tally ${className}`, "aria-label": label, style: `--share: ${Math.min(1, share).toFixed(3)}`, onclick: show }, number(n));

/** Rows: what is true; columns: what it is taken for. The arrow keys go from cell to cell. */
function grid({ labels, cells }, list) {
  const times = new Map(cells.map((one) => [JSON.stringify([one.truth, one.said]), one.n]));
  const of = (truth, name) => times.get(JSON.stringify([truth, name])) ?? 0;
  const rows = labels.map((truth) => {
    const all = labels.reduce((sum, name) => sum + of(truth, name), 0);
    return el(
      "tr", {}, el("th", { scope: "row", title: truth }, truth),
      ...labels.map((name) => {
        const n = of(truth, name);
        const words = truth === name ? `${truth} rightly told` : `${truth} taken for ${name}`;
        const show = n ? () => list({ truth, said: name }, words) : null;
        return el("td", {}, count(n, `${words}: ${n} of ${all}`, show, all ? n / all : 0, truth === name ? "right" : n ? "" : "zero"));
      }),
    );
  });
  const table = el(
    "table", { class: "matrix", "aria-label": "True labels in rows, what they are taken for in columns" },
    el("thead", {}, el("tr", {}, el("td", { class: "corner" }, "true ↓ taken for →"), ...labels.map((name) => el("th", { scope: "col", title: name }, name)))),
    el("tbody", {}, ...rows),
  );
  const buttons = [...table.querySelectorAll("button")];
  buttons.forEach((button, at) => { button.tabIndex = at ? -1 : 0; });
  table.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: labels.length, ArrowUp: -labels.length }[event.key];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (!step || !next) return;
    event.preventDefault();
    buttons.forEach((button) => { button.tabIndex = button === next ? 0 : -1; });
    next.focus();
  });
  return table;
}

/** Of many labels the pairs that are confused most. */
function pairs({ labels, cells }, list) {
  const totals = new Map();
  for (const one of cells) totals.set(one.truth, (totals.get(one.truth) ?? 0) + one.n);
  const wrong = cells.filter((one) => one.kind !== "right");
  const rows = wrong.slice(0, PAIRS).map((one) => {
    const words = `${one.truth} taken for ${one.said}`;
    const all = totals.get(one.truth);
    return el(
      "tr", {}, el("td", { class: "text" }, one.truth), el("td", { class: "text" }, one.said),
      el("td", {}, count(one.n, `${words}: ${one.n} of ${all}`, () => list({ truth: one.truth, said: one.said }, words), one.n / all)),
      el("td", {}, percent(one.n / all)), el("td", {}, number(all)),
    );
  });
  const more = wrong.length - rows.length;
  return listed(["True", "Taken for", "Times", "Of the true ones", "True ones"], rows, `${number(labels.length)} labels: the pairs that are confused most${more > 0 ? `; ${number(more)} more pairs occur` : ""}.`);
}

/** Labels that do not exclude each other: a two by two table of each, the worst first. */
function byLabel({ labels, n, cells }, list) {
  const of = (kind, label) => cells.find((one) => one.kind === kind && (one.truth ?? one.said) === label)?.n ?? 0;
  const found = labels.map((label) => ({ label, right: of("right", label), missed: of("missed", label), spurious: of("spurious", label) }));
  found.sort((a, b) => b.missed + b.spurious - a.missed - a.spurious);
  const rows = found.slice(0, PAIRS).map(({ label, right, missed, spurious }) => el(
    "tr", {}, el("td", { class: "text" }, label),
    cell(right, `${label} rightly told`, () => list({ kind: "right", truth: label }, `${label} rightly told`), right / n, "right"),
    cell(missed, `${label} missed`, () => list({ kind: "missed", truth: label }, `${label} missed`), missed / Math.max(1, right + missed)),
    cell(spurious, `${label} wrongly told`, () => list({ kind: "spurious", said: label }, `${label} wrongly told`), spurious / Math.max(1, right + spurious)),
    el("td", {}, number(n - right - missed - spurious)),
  ));
  return listed(["Label", "Rightly told", "Missed", "Wrongly told", "Rightly left out"], rows, labels.length > PAIRS ? `The ${PAIRS} of ${number(labels.length)} labels with most errors.` : "");
}

/** Spans: for each label what is wrong with them. */
function byKind({ labels, cells }, list) {
  const kinds = SPAN_KINDS.filter((kind) => cells.some((one) => one.kind === kind));
  const of = (kind, label) => cells.filter((one) => one.kind === kind && (one.truth ?? one.said) === label).reduce((sum, one) => sum + one.n, 0);
  const found = labels.map((label) => ({ label, numbers: kinds.map((kind) => of(kind, label)) }));
  const errors = ({ numbers }) => numbers.reduce((sum, one, at) => sum + (kinds[at] === "right" ? 0 : one), 0);
  found.sort((a, b) => errors(b) - errors(a));
  const rows = found.slice(0, PAIRS).map((one) => {
    const all = Math.max(1, one.numbers.reduce((sum, each) => sum + each, 0));
    return el(
      "tr", {}, el("td", { class: "text" }, one.label),
      ...kinds.map((kind, at) => {
        const words = `${one.label}, ${kind}`;
        const query = kind === "spurious" ? { kind, said: one.label } : { kind, truth: one.label };
        return cell(one.numbers[at], words, () => list(query, words), one.numbers[at] / all, kind === "right" ? "right" : "");
      }),
    );
  });
  return listed(["Label", ...kinds.map((kind) => kind.charAt(0).toUpperCase() + kind.slice(1))], rows, "");
}

const cell = (n, words, show, share, className) => el("td", {}, n ? count(n, `${words}: ${n}`, show, share, className) : "0");

const listed = (names, rows, words) => el(
  "div", {}, words ? el("p", { class: "summary" }, words) : null,
  el("table", {}, el("thead", {}, el("tr", {}, ...names.map((name, at) => el("th", { scope: "col", class: at < 1 || name === "Taken for" ? "text" : null }, name)))), el("tbody", {}, ...rows)),
);

function example(one) {
  const marks = [one.true_span && [...one.true_span, "true"], one.said_span && [...one.said_span, "said"]].filter(Boolean);
  const short = one.text.length > TEXT_CHARS && !marks.length ? `${one.text.slice(0, TEXT_CHARS)} …` : one.text;
  return el(
    "li", {},
    el("span", { class: "place", title: "How sure the adapter is of what it says" }, one.confidence === null ? "–" : `${Math.round(100 * one.confidence)}%`),
    el(
      "div", {},
      el("div", { class: "text" }, ...marked(short, marks)),
      el(
        "div", { class: "why" },
        el("span", { class: "pill" }, `true: ${said(one.text, one.answer)}`),
        el("span", { class: one.kind === "right" ? "pill" : "pill warm" }, `said: ${said(one.text, one.prediction)}`),
        one.domain ? el("span", {}, one.domain) : null,
        el("span", {}, one.id),
        link(one.url, "open"),
      ),
    ),
  );
}
