// Small multiples: each of the weakest domains and classes over the rounds, with its interval, all on the same scales.

import { campaignPath, get } from "./api.js";
import { capital, el, metric, number, percent } from "./dom.js";

const WIDTH = 200;
const HEIGHT = 84;
const EDGE = 4;

export function multiples(campaign, signal) {
  const body = el("div", {});
  const words = el("p", { class: "summary" });
  return {
    element: el("section", { class: "card wide" }, el("h2", {}, "Weak spots, round by round"), words, body),
    events: ["round-trained", "labels-changed"],
    async load() {
      const found = await get(`${campaignPath(campaign.id)}/curve/groups`, signal, 1);
      const kinds = [["domains", capital(metric(found.headline))], ["classes", "F1"]];
      const charts = kinds.flatMap(([kind, score]) => {
        const all = found[kind];
        const some = drawn(found, kind);
        if (!some.length) return [];
        const more = all.length - some.length;
        return [
          el("h3", { class: "kind" }, `${capital(kind)}, the weakest first: ${score} over labels`),
          el("div", { class: "multiples" }, ...some.map((one) => chart(one, found))),
          more > 0 ? el("p", { class: "summary" }, `and ${number(more)} more that are stronger, or of which too few measure`) : "",
        ];
      });
      words.textContent = charts.length ? "The line is the score, the band its 95 % interval; the dashed line is the score of all texts, or the mean of all classes; grey lines are 0, 50 and 100 %." : "Known after the first round, once five texts of a class or domain measure.";
      body.replaceChildren(...charts);
    },
  };
}

/** The weakest groups that have a history: {name, n, points: [{x, round, score}], whole}. */
function drawn(found, kind) {
  const whole = (kind === "domains" ? found.weakest?.domain : found.weakest?.class)?.whole ?? null;
  return found[kind].map((group) => ({
    name: group.name ?? "without a domain", n: group.n, whole,
    points: found.rounds.flatMap((round) => {
      const one = round[kind].find((each) => each.name === group.name);
      return one?.score ? [{ x: round.trained_on, round: round.round, ...one.score }] : [];
    }),
  })).filter((one) => one.points.length);
}

function chart({ name, n, points, whole }, { rounds }) {
  const last = points.at(-1);
  const span = Math.max(1, ...rounds.map((one) => one.trained_on));
  const x = (value) => EDGE + (value / span) * (WIDTH - 2 * EDGE);
  const y = (value) => EDGE + (1 - value) * (HEIGHT - 2 * EDGE);
  const path = (values) => values.map(([left, top], at) => `${at ? "L" : "M"}${left.toFixed(1)} ${top.toFixed(1)}`).join("");
  const band = [...points.map((one) => [x(one.x), y(one.high)]), ...[...points].reverse().map((one) => [x(one.x), y(one.low)])];
  const words = `${name}: ${percent(last.value)} [${percent(last.low)}, ${percent(last.high)}] on ${number(n)} examples in round ${last.round}, ${percent(points[0].value)} in round ${points[0].round}`;
  const picture = svg(
    "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words },
    ...[0, 0.5, 1].map((at) => svg("line", { class: "rule", x1: EDGE, x2: WIDTH - EDGE, y1: y(at), y2: y(at) })),
    svg("path", { class: points.length > 1 ? "band" : "only", d: `${path(band)}Z` }),
    whole === null ? null : svg("line", { class: "whole", x1: EDGE, x2: WIDTH - EDGE, y1: y(whole), y2: y(whole) }),
    svg("path", { class: "line", d: path(points.map((one) => [x(one.x), y(one.value)])) }),
    ...points.map((one) => svg("g", {}, svg("circle", { class: "dot", cx: x(one.x), cy: y(one.value), r: one === last ? 3 : 2 }), svg("title", {}, `round ${one.round}, ${number(one.x)} labels: ${percent(one.value)} [${percent(one.low)}, ${percent(one.high)}]`))),
  );
  return el("figure", {}, el("figcaption", {}, el("strong", { title: name }, name), el("span", {}, percent(last.value), el("small", {}, ` ${percent(last.low)} – ${percent(last.high)}, ${number(n)} ex.`))), picture);
}

function svg(tag, properties, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}
