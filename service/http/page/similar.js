// Labeled examples like one: a page of its own, for whoever follows a link out of Label Studio's columns.

import { campaignPath, get } from "./api.js";
import { el, percent } from "./dom.js";

const main = document.getElementById("main");
const [, , campaign, key] = window.location.pathname.split("/");

/** An answer in words, whatever the problem. */
function said(answer, text) {
  if (typeof answer === "string") return answer;
  if (!answer.length) return "none";
  const characters = [...text];
  return answer
    .map((one) => (typeof one === "string" ? one : `${one.label}: ${characters.slice(one.start, one.end).join("")}`))
    .join(", ");
}

function line(one) {
  const told = `${said(one.answer, one.text)} · ${percent(one.similarity)} alike · ${one.id}`;
  return el("li", {}, el("p", {}, el("strong", {}, told)), el("p", {}, one.text));
}

function show(found) {
  main.append(
    el("h1", {}, "Similar labeled examples"),
    el("section", { class: "card" }, el("h2", {}, `Example ${found.id}`), el("p", {}, found.text)),
    el(
      "section",
      { class: "card" },
      el("h2", {}, "What was said of those most like it, to the base model"),
      found.similar.length ? el("ol", { class: "similar" }, found.similar.map(line)) : el("p", {}, "Nothing has a label yet."),
    ),
  );
}

function explain(error) {
  const words = error.status === 401 ? "Sign in on the dashboard, then open this page again: " : `${error.message} `;
  main.append(el("p", { role: "alert" }, words, el("a", { href: "/" }, "the dashboard")));
}

get(`${campaignPath(decodeURIComponent(campaign))}/similar/${key}`).then(show, explain);
