// The fields that say what is asked next: the strategy in words, and what some strategies go by.

import { el } from "./dom.js";
import { area, field, text } from "./form.js";

const FORMULA = ["weighted"];
const TEACHER = ["signal", "weighted"];

/** Fields for a campaign's strategy; `fit(problem)` leaves those that are for it, `values()` says what was chosen. */
export function strategyFields(strategies, { problem, strategy, formula, teacher }) {
  const select = el("select", {});
  const summary = el("span", {});
  const formulaInput = area(formula ?? "", 2);
  const teacherInput = text(teacher ?? "");
  const parts = [
    field("strategy", "Strategy", select, summary),
    field("formula", "Formula", formulaInput, "A weighted sum, such as 0.7 uncertainty + 0.3 meta.stars."),
    field("teacher", "Teacher", teacherInput, "Who says how sure a label is: a field of the pool's meta, model:NAME, or a server. May be empty."),
  ];

  function show() {
    summary.textContent = strategies.find((one) => one.name === select.value)?.summary ?? "";
    parts[1].hidden = !FORMULA.includes(select.value);
    parts[2].hidden = !TEACHER.includes(select.value);
  }

  function fit(wanted) {
    const before = select.value || strategy;
    const fitting = strategies.filter((one) => one.problems.includes(wanted));
    select.replaceChildren(...fitting.map((one) => el("option", { value: one.name }, one.name)));
    select.value = fitting.some((one) => one.name === before) ? before : "auto";
    show();
  }

  const values = () => ({
    strategy: select.value,
    formula: parts[1].hidden ? formula ?? null : formulaInput.value.trim() || null,
    teacher: parts[2].hidden ? teacher ?? null : teacherInput.value.trim() || null,
  });

  select.addEventListener("change", show);
  fit(problem);
  return { parts, fit, values };
}
