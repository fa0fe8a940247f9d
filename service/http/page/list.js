// All campaigns at a glance. Rows are kept while the list is asked for again, so that the focus stays where it is.

import { el, metric, number, percent } from "./dom.js";
import { spark } from "./spark.js";

const MANY = 8;

export function phasePill(phase) {
  const kind = { labeling: "", "waiting for a pool": "grey" }[phase] ?? "warm";
  return el("span", { class: `pill ${kind}` }, phase);
}

/** What people gave: synthetic labels are told apart. */
export const labelSum = (status) => Object.entries(status.labels).reduce((sum, [role, one]) => sum + (role === "synthetic" ? 0 : one), 0);

/** The list and how it is filled: {elements, fill(campaigns)}. */
export function campaignList(mayCreate) {
  const rows = new Map();
  const filter = el("input", { type: "search", id: "filter", placeholder: "Name, phase or model", autocomplete: "off" });
  const filterPart = el("div", { class: "filter", hidden: true }, el("label", { for: "filter" }, "Filter"), filter);
  const list = el("ul", { class: "campaigns" });
  const nothing = el("p", { class: "empty", hidden: true }, "No campaign fits the filter.");
  const none = el(
    "div", { class: "card none", hidden: true },
    el("p", {}, mayCreate ? "There is no campaign yet." : "There is no campaign yet that this token is for."),
    mayCreate ? el("p", { class: "summary" }, "A campaign asks people for labels of one kind: name them, then send texts.") : null,
  );

  function sift() {
    const wanted = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const { row, words } of rows.values()) {
      row.hidden = !words.includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    nothing.hidden = shown > 0 || rows.size === 0;
  }

  function fill(campaigns) {
    const now = new Set(campaigns.map((one) => one.id));
    for (const [id, { row }] of rows) {
      if (now.has(id)) continue;
      row.remove();
      rows.delete(id);
    }
    for (const campaign of campaigns) {
      const said = JSON.stringify(campaign);
      const held = rows.get(campaign.id) ?? begin(campaign);
      if (!rows.has(campaign.id)) list.prepend(held.row); // the newest first
      rows.set(campaign.id, held);
      if (held.said === said) continue;
      held.said = said;
      held.words = [campaign.name, campaign.status.phase, campaign.model].join(" ").toLowerCase();
      held.link.textContent = campaign.name;
      held.facts.replaceChildren(...facts(campaign));
    }
    none.hidden = campaigns.length > 0;
    filterPart.hidden = campaigns.length < MANY;
    sift();
  }

  filter.addEventListener("input", sift);
  const make = mayCreate ? el("a", { class: "button", href: "#/new" }, "New campaign") : null;
  const head = el("div", { class: "head" }, el("h1", {}, "Campaigns"), el("div", { class: "actions" }, filterPart, make));
  return { elements: [head, none, list, nothing], fill };
}

function begin(campaign) {
  const link = el("a", { href: `#/campaign/${encodeURIComponent(campaign.id)}` });
  const what = el("div", { class: "facts-row" });
  return { row: el("li", { class: "card campaign" }, el("h2", {}, link), what), link, facts: what, said: "", words: "" };
}

function facts(campaign) {
  const { status } = campaign;
  const left = status.budget_left === null ? "" : `, ${number(status.budget_left)} left to ask`;
  const troubles = [...(status.label_studio_error ? [`Label Studio: ${status.label_studio_error}`] : []), ...campaign.warnings];
  const cell = (kind, value, more) => el("div", { class: `cell ${kind}` }, el("strong", {}, value), el("small", {}, more));
  return [
    el("div", { class: "cell phase" }, phasePill(status.phase), el("small", {}, `${campaign.problem.replaceAll("_", " ")} · ${campaign.strategy}`)),
    scoreCell(campaign),
    cell("", number(labelSum(status)), `labels${left}`),
    cell("", number(status.examples), "texts"),
    cell("", `${(60 * status.pace).toFixed(0)}`, "answers a minute"),
    troubles.length
      ? el("div", { class: `cell troubles ${status.label_studio_error ? "bad" : ""}` }, el("span", { class: "mark", "aria-hidden": "true" }, "⚠"), el("span", {}, troubles[0], troubles.length > 1 ? el("small", {}, ` and ${number(troubles.length - 1)} more`) : null))
      : "",
  ];
}

function scoreCell({ measured, headline, status }) {
  const last = measured.at(-1);
  const rounds = `${number(status.rounds_done)} ${status.rounds_done === 1 ? "round" : "rounds"}`;
  if (!last) return el("div", { class: "cell score" }, el("strong", {}, "–"), el("small", {}, status.rounds_done ? `${rounds}, not measured yet` : "no round yet"));
  const words = `${metric(headline)} by round, from ${percent(measured[0].score)} to ${percent(last.score)}`;
  const curve = measured.length > 1 ? spark(measured.map((one) => one.trained_on), measured.map((one) => one.score), words) : null;
  return el("div", { class: "cell score" }, el("strong", {}, percent(last.score)), el("small", {}, `${metric(headline)}, ${rounds}`), curve);
}
