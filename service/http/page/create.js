// A new campaign: what a text gets, from which model it starts, and how much may be asked.

import { get, post } from "./api.js";
import { el, number } from "./dom.js";
import { area, choice, field, form, given, text, whole } from "./form.js";
import { strategyFields } from "./strategy.js";

const MODELS = ["sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-mpnet-base-v2", "FacebookAI/roberta-base", "intfloat/multilingual-e5-small"];
const PROBLEMS = [
  ["single_label", "One label", "Each text gets exactly one."],
  ["multi_label", "Any labels", "Each text gets those that fit, or none."],
  ["spans", "Spans", "Stretches of each text get labels."],
];

/** The form; `made` is told the new campaign. */
export async function createForm(campaigns, made, signal) {
  const { strategies } = await get("/v1/strategies", signal);
  const models = [...new Set([...campaigns.map((one) => one.model).reverse(), ...MODELS])];
  const name = text("", { required: true, maxlength: 200 });
  const labels = area("", 5, { required: true, spellcheck: "false" });
  const model = text(models[0], { list: "models", spellcheck: "false", required: true });
  const instruction = area("", 2);
  const budget = whole(null);
  const roundSize = whole(50);
  const overlap = whole(1, { max: 20 });
  const textField = text("text", { spellcheck: "false" });
  const heard = el("span", {}, "One a line.");
  const strategy = strategyFields(strategies, { problem: "single_label", strategy: "auto" });
  const asked = { problem: "single_label" };
  const lines = () => labels.value.split("\n").map((line) => line.trim()).filter(Boolean);

  labels.addEventListener("input", () => {
    const known = lines();
    heard.textContent = known.length ? `One a line: ${number(known.length)} ${known.length === 1 ? "label" : "labels"}.` : "One a line.";
  });

  async function send() {
    const body = {
      ...{ name: name.value.trim(), labels: lines(), model: model.value.trim(), instruction: instruction.value.trim() },
      ...{ budget: given(budget), text_field: textField.value.trim() || "text" },
      ...asked, ...strategy.values(),
    };
    if (given(roundSize) !== null) body.round_size = given(roundSize);
    if (given(overlap) !== null) body.overlap = given(overlap);
    made(await post("/v1/campaigns", body));
  }

  return form(
    "Start the campaign",
    [
      field("name", "Name", name),
      choice("problem", "What a text gets", PROBLEMS, "single_label", (one) => { asked.problem = one; strategy.fit(one); }),
      field("labels", "Labels", labels, heard),
      field("instruction", "Instruction", instruction, "What annotators read above each text. May be empty."),
      field("model", "Model", model, "A Hugging Face encoder: a name, or a folder where the workers are."),
      el("datalist", { id: "models" }, ...models.map((one) => el("option", { value: one }))),
      ...strategy.parts,
      el(
        "div", { class: "fields" },
        field("budget", "Budget", budget, "Answers to ask for at most. Empty: no end."),
        field("round_size", "Round size", roundSize, "New labels that start a round."),
        field("overlap", "Overlap", overlap, "Different people who answer each text."),
        field("text_field", "Text field", textField, "The field or column of the pool that holds the text."),
      ),
    ],
    send,
    (error) => (error.status === 409 ? "name" : null),
  );
}
