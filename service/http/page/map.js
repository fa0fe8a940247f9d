// A map of the pool: texts that the base model finds alike are near; what has a label, is asked, or is in doubt stands out.

import { campaignPath, get, post } from "./api.js";
import { el, link, number, time } from "./dom.js";

const COLORS = ["#2b7bba", "#d9622b", "#1f9e77", "#c2649a", "#c99700", "#54a7d8", "#9a6a4b", "#7d68c4"];
const LISTED = 50;
const AGAIN_MS = 3000;
const STATES = { labeled: "labeled", queued: "in the queue", uncertain: "uncertain to the adapter", other: "not asked" };

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function poolMap(campaign, signal, mayChange) {
  const path = `${campaignPath(campaign.id)}/map`;
  const words = el("p", { class: "summary" });
  const chart = el("div", { class: "chart map", role: "img", "aria-label": "Map of the pool", hidden: true });
  const chosen = el("div", { class: "behind", role: "region", "aria-label": "The text of a point", hidden: true });
  const list = el("details", { class: "as-table", hidden: true });
  const drawIt = el("button", { type: "button", class: "plain small" }, "Draw the map");
  let shown = null;

  drawIt.addEventListener("click", async () => {
    drawIt.disabled = true;
    try {
      await post(path);
      words.textContent = "It is being drawn: some seconds, once a worker is free.";
    } catch (error) {
      words.textContent = error.message;
      drawIt.disabled = false;
    }
  });

  function choose(one) {
    chosen.hidden = false;
    chosen.replaceChildren(el("ol", { class: "queue" }, line(one)));
  }

  const card = {
    element: el(
      "section", { class: "card wide" },
      el("div", { class: "head" }, el("h2", {}, "Map of the pool"), mayChange ? drawIt : null),
      words, chart, chosen, list,
    ),
    events: ["map-drawn", "queue-ranked", "job-failed"],
    async load() {
      const { job, map } = await get(path, signal, 1);
      if (map?.pending) setTimeout(() => signal.aborted || card.load().catch(() => {}), AGAIN_MS);
      drawIt.disabled = Boolean(job && job.state !== "failed");
      drawIt.textContent = map ? "Draw it anew" : "Draw the map";
      shown = map;
      words.replaceChildren(...summary(map, job));
      chart.hidden = list.hidden = !map;
      if (!map) return;
      card.draw();
      const some = [...of(map, "queued"), ...of(map, "uncertain")].slice(0, LISTED);
      const open = list.open;
      list.replaceChildren(el("summary", {}, "Queued and uncertain texts as a list"), el("ol", { class: "queue", tabindex: "0", "aria-label": "Queued and uncertain texts" }, ...some.map(line)));
      list.open = open;
    },
    draw() {
      if (!shown) return;
      plot(chart, shown);
      chart.removeAllListeners?.("plotly_click");
      chart.on("plotly_click", ({ points: [point] }) => choose(point.data.texts[point.pointIndex]));
      chart.setAttribute("aria-label", `Map of the pool. ${words.textContent}`);
    },
  };
  return card;
}

const of = (map, state) => map.points.filter((one) => one.state === state);

function summary(map, job) {
  const failed = job?.state === "failed" ? ` The last attempt failed: ${job.error}` : "";
  const busy = job && job.state !== "failed" ? " Another is being drawn." : "";
  if (!map) return [busy ? "It is being drawn." : `Nobody had it drawn yet.${failed}`];
  const numbers = Object.keys(STATES).map((state) => `${number(of(map, state).length)} ${STATES[state]}`).join(", ");
  const late = map.missing ? ` ${number(map.missing)} newer ones come on it with the next round.` : "";
  return [
    `${number(map.points.length)} of ${number(map.examples)} texts: ${numbers}. What is near is alike to the base model; distances between far groups mean little.${late}${busy}${failed} Drawn `,
    time(map.at), ".",
  ];
}

function plot(element, map) {
  const counts = new Map();
  for (const one of of(map, "labeled")) counts.set(one.label ?? "no label", (counts.get(one.label ?? "no label") ?? 0) + 1);
  const names = [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const own = names.length > COLORS.length ? names.slice(0, COLORS.length - 1) : names;
  const trace = (name, texts, marker) => ({
    x: texts.map((one) => one.x), y: texts.map((one) => one.y), texts, name: `${escaped(name)} (${number(texts.length)})`, mode: "markers", type: "scatter",
    text: texts.map((one) => `${wrapped(one.text)}<br><b>${escaped(one.label ?? STATES[one.state])}</b>`), hovertemplate: "%{text}<extra></extra>", marker,
  });
  const traces = [
    trace("not asked", of(map, "other"), { size: 4, color: color("--grey"), opacity: 0.28 }),
    trace("uncertain", of(map, "uncertain"), { size: 6, color: color("--warm"), opacity: 0.85 }),
    ...own.map((name, at) => trace(name, of(map, "labeled").filter((one) => (one.label ?? "no label") === name), { size: 8, color: COLORS[at], line: { width: 0.5, color: color("--card") } })),
    trace("other labels", of(map, "labeled").filter((one) => !own.includes(one.label ?? "no label")), { size: 8, color: color("--soft") }),
    trace("in the queue", of(map, "queued"), { size: 10, color: color("--ink"), symbol: "diamond-open", line: { width: 2 } }),
  ].filter((one) => one.x.length);
  const axis = { visible: false, fixedrange: false };
  window.Plotly.react(element, traces, {
    margin: { l: 4, r: 4, t: 4, b: 4 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: color("--ink") },
    xaxis: axis, yaxis: { ...axis, scaleanchor: null }, hovermode: "closest", dragmode: "pan",
    hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--ink") }, align: "left" },
    legend: { orientation: "h", x: 0, y: -0.02, yanchor: "top", itemsizing: "constant" },
  }, { responsive: true, displayModeBar: false, scrollZoom: false });
}

/** plotly.js reads a few tags in its texts: a pool's text has none of them. */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function wrapped(text) {
  const lines = text.match(/.{1,60}(\s|$)|\S{1,60}/g) ?? [];
  return lines.map((one) => escaped(one.trim())).join("<br>");
}

function line(one) {
  return el(
    "li", {},
    el("span", { class: "place" }, one.state === "labeled" ? "✓" : ""),
    el(
      "div", {}, el("div", { class: "text" }, one.text),
      el("div", { class: "why" }, el("span", { class: `pill ${{ uncertain: "warm", other: "grey" }[one.state] ?? ""}` }, one.label ?? STATES[one.state]), one.domain ? el("span", {}, one.domain) : null, el("span", {}, one.id), link(one.url, "open")),
    ),
  );
}
