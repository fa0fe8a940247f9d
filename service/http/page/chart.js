// The learning curve. The problem's headline metric stands over the number of labels that a model was trained on.

import { el, metric, number, percent, points } from "./dom.js";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** `outlook`: what `/curve` expects of more labels, which may be nothing. */
export function draw(element, curve, outlook = []) {
  const measured = curve.filter((point) => point.metrics);
  const x = measured.map((point) => point.trained_on);
  const score = measured.map((point) => point.metrics[point.headline]);
  const baseline = measured.filter((point) => point.baseline !== null);
  const control = measured.filter((point) => point.control);
  const ink = color("--ink");
  const traces = [
    { x, y: score.map((one) => one.high), mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false },
    {
      x, y: score.map((one) => one.low), mode: "lines", line: { width: 0 }, hoverinfo: "skip",
      fill: "tonexty", fillcolor: rgba(color("--accent"), 0.16), name: "95 % interval",
    },
    {
      x: baseline.map((point) => point.trained_on), y: baseline.map((point) => point.baseline),
      mode: "lines+markers", name: "logistic regression, same labels",
      line: { color: color("--grey"), width: 1.5, dash: "dot" }, marker: { size: 5, symbol: "square" },
      hovertemplate: "%{y:.1%}<extra>logistic regression</extra>",
    },
    {
      x: control.map((point) => point.control.labels), y: control.map((point) => point.control.score.value),
      error_y: {
        type: "data", symmetric: false, thickness: 1, width: 3, color: rgba(color("--warm"), 0.55),
        array: control.map((point) => point.control.score.high - point.control.score.value),
        arrayminus: control.map((point) => point.control.score.value - point.control.score.low),
      },
      mode: "lines+markers", name: "same model, random labels", line: { color: color("--warm"), width: 1.5, dash: "dash" },
      marker: { color: color("--warm"), size: 9, symbol: "diamond-open", line: { width: 2 } },
      text: control.map(({ control: { score: one } }) => `95 % interval ${percent(one.low)} – ${percent(one.high)}`),
      hovertemplate: "%{x} random labels: %{y:.1%}, %{text}<extra></extra>",
    },
    {
      x, y: score.map((one) => one.value), mode: "lines+markers", name: "adapter",
      line: { color: color("--accent"), width: 2.5 }, marker: { size: 7 },
      text: measured.map((p, at) => `round ${p.round}<br>${p.trained_on} of ${p.labels} labels train<br>95 % interval ${percent(score[at].low)} – ${percent(score[at].high)}${p.change ? `<br>${interval(p.change)} points since the round before` : ""}`),
      hovertemplate: "%{y:.1%}, %{text}<extra></extra>",
    },
    ...expected(x.at(-1), outlook),
  ];
  const axis = { gridcolor: color("--line"), linecolor: color("--line"), zeroline: false, automargin: true };
  const layout = {
    margin: { l: 50, r: 12, t: 8, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: ink },
    xaxis: { ...axis, title: { text: "labels trained on" }, rangemode: "tozero" },
    yaxis: { ...axis, title: { text: metric(measured[0].headline) }, tickformat: ".0%" },
    hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: ink } },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    hovermode: "closest",
  };
  window.Plotly.react(element, traces, layout, { responsive: true, displayModeBar: false });
  element.setAttribute("aria-label", `Learning curve. ${sentences(curve).join(" ")}`);
}

/** What more labels are expected to bring, as the law of the curve goes on from the newest round. */
function expected(from, outlook) {
  if (!outlook.length) return [];
  const now = outlook[0].score.value - outlook[0].gain.value;
  const x = [from, ...outlook.map((one) => from + one.more)];
  const edge = { x: x.slice(1), mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false, legendgroup: "expected" };
  return [
    { ...edge, y: outlook.map((one) => one.score.high) },
    { ...edge, y: outlook.map((one) => one.score.low), fill: "tonexty", fillcolor: rgba(color("--grey"), 0.12) },
    {
      x, y: [now, ...outlook.map((one) => one.score.value)], mode: "lines", name: "expected of more labels", legendgroup: "expected",
      line: { color: color("--accent"), width: 1.5, dash: "dot" },
      text: ["as the curve has it", ...outlook.map((one) => `${one.more} labels more: ${interval(one.gain)} points`)],
      hovertemplate: "%{y:.1%}, %{text}<extra></extra>",
    },
  ];
}

/** The curve as a table, for whoever cannot see it or wants its numbers. */
export function table(curve, open) {
  const measured = curve.filter((point) => point.metrics);
  const ranged = (one) => (one ? `${percent(one.value)} [${(100 * one.low).toFixed(1)}, ${(100 * one.high).toFixed(1)}]` : "–");
  const rows = [...measured].reverse().map((point) => el(
    "tr", {},
    ...[
      number(point.round), number(point.trained_on), ranged(point.metrics[point.headline]), point.change ? `${points(point.change.value)} [${points(point.change.low)}, ${points(point.change.high)}]` : "–",
      percent(point.baseline), point.control ? `${number(point.control.labels)}: ${ranged(point.control.score)}` : "–",
    ].map((cell) => el("td", {}, cell)),
  ));
  const names = ["Round", "Trained on", measured.length ? metric(measured[0].headline).replace(/^./, (first) => first.toUpperCase()) : "", "Since before, points", "Log. regression", "Random labels"];
  return el(
    "details", { class: "as-table", open }, el("summary", {}, "The curve as a table"),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "The curve as a table" }, el("table", {}, el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows))),
  );
}

/** The curve in words: where it stands, what the last round bought, what choosing bought over chance. */
export function sentences(curve) {
  const last = curve.at(-1);
  if (!last || !last.metrics) return [];
  const score = last.metrics[last.headline];
  const what = last.headline === "accuracy" ? `${percent(score.value)} right` : `${metric(last.headline)} ${percent(score.value)}`;
  const whom = last.measured_on === "test" ? "test examples" : "hold-out examples drawn at random";
  const words = [
    `Round ${last.round}: ${what} (95 % interval ${percent(score.low)} to ${percent(score.high)}) on ${number(last.metrics.n)} ${whom}.`,
  ];
  if (last.change) words.push(`Since the round before: ${interval(last.change)} points.`);
  const gain = last.control && last.control.gain;
  if (gain) {
    words.push(
      `Against the same model on ${number(last.control.labels)} random labels: ${interval(gain)} points for round ${last.control.own_round} with ${number(last.control.own_labels)}.`,
    );
  }
  return words;
}

const interval = (one) => `${points(one.value)} (${points(one.low)} to ${points(one.high)})`;

function rgba(hex, alpha) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
}
