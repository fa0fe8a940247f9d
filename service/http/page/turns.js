// What a round did: what its adapter asked for and why, what labels were new to it, and what came of it.

import { campaignPath, get } from "./api.js";
import { el, metric, number, points } from "./dom.js";

export function turns(campaign, signal) {
  const path = `${campaignPath(campaign.id)}/rounds`;
  const choice = el("select", { "aria-label": "Round" });
  const body = el("div", { role: "region", "aria-label": "The round" });

  async function show() {
    const found = await get(`${path}/${choice.value}/turn`, signal);
    if (String(found.round) === choice.value) body.replaceChildren(...lines(found));
  }
  choice.addEventListener("change", () => show().catch((error) => signal.aborted || body.replaceChildren(el("p", { class: "notice bad" }, error.message))));

  return {
    element: el("section", { class: "card wide" }, el("div", { class: "head" }, el("h2", {}, "What a round did"), choice), body),
    events: ["round-trained", "round-scored", "queue-ranked", "selected"],
    async load() {
      const { rounds } = await get(`${path}?newest=100`, signal, 1);
      const before = choice.value;
      const followed = !before || before === choice.options[0].value;
      const numbers = [...rounds.map((one) => one.number).reverse(), 0];
      choice.replaceChildren(...numbers.map((one) => el("option", { value: String(one) }, one ? `Round ${one}` : "Before the first round")));
      choice.value = followed || !numbers.includes(Number(before)) ? String(numbers[0]) : before;
      await show();
    },
  };
}

function lines({ round, before, asked, new: fresh, changed, ended, vocabulary, change, headline }) {
  const words = [];
  if (round) {
    words.push(`${number(fresh)} labels were new to it${before === null ? "" : ` since round ${before}`}, ${number(changed)} said something else than then, ${number(ended)} held no more.`);
    for (const one of vocabulary) words.push(`Labels: ${one.old.join(" and ") || "added"} → ${one.new.join(", ")}.`);
    if (change) words.push(`${metric(headline)} against round ${before}: ${points(change.value)} points (${points(change.low)} to ${points(change.high)}), paired.`);
  }
  const rows = asked.map((one) => el(
    "tr", {},
    el("td", { class: "text" }, one.strategy), el("td", { class: "text" }, one.role),
    ...[one.n, one.answered, one.skipped, one.waiting, one.withdrawn].map((value) => el("td", {}, number(value))),
    el("td", { class: "text reasons" }, one.reasons.join("; ")),
  ));
  const names = ["Strategy", "Role", "Asked", "Answered", "Skipped", "Waiting", "Taken back", "Why, for example"];
  const head = el("thead", {}, el("tr", {}, ...names.map((name, at) => el("th", { scope: "col", class: at < 2 || at === names.length - 1 ? "text" : null }, name))));
  return [
    ...words.map((text) => el("p", { class: "summary" }, text)),
    rows.length
      ? el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What the round asked for" }, el("table", {}, head, el("tbody", {}, ...rows)))
      : el("p", { class: "empty" }, "Nothing was asked by its scores yet."),
  ];
}
