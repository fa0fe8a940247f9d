// What is changed of a campaign that runs, and what is taken away from it.

import { campaignPath, download, get, patch } from "./api.js";
import { open, tell } from "./dialog.js";
import { el } from "./dom.js";
import { area, choice, field, form, given, text, whole } from "./form.js";
import { strategyFields } from "./strategy.js";

const EXPORTS = [
  ["labels", "Labels", "What the campaign believes, with weights and every id."],
  ["annotations", "Annotations", "Every answer of everybody, and every revision of it."],
  ["pool", "Pool", "Every text, and which other one it repeats."],
  ["auto-labels", "Auto-labels", "The rest of the pool by the newest adapter, where it is right often enough."],
];
const FORMATS = [
  ["jsonl", "JSON Lines", "", "jsonl"], ["csv", "CSV", "", "csv"], ["parquet", "Parquet", "", "parquet"],
  ["hf", "Folder for Hugging Face's datasets", "Labels alone, with a card.", "zip"],
  ["label-studio", "Label Studio's JSON", "Labels alone.", "json"],
];
const TAGGED = [["conll", "CoNLL", "Labels alone, as BIO tags.", "conll"], ["spacy", "spaCy's JSON Lines", "Labels alone.", "spacy.jsonl"]];

/** A dialog for the campaign's settings; `changed` is told the campaign as it is then. */
export async function openSettings(id, changed, signal) {
  const path = campaignPath(id);
  const [campaign, { strategies }] = await Promise.all([get(path, signal), get("/v1/strategies", signal)]);
  const name = text(campaign.name, { maxlength: 200 });
  const strategy = strategyFields(strategies, campaign);
  const budget = whole(campaign.budget);
  const roundSize = whole(campaign.round_size);
  const instruction = area(campaign.instruction, 3);

  async function send() {
    const wanted = { name: name.value.trim(), budget: given(budget), round_size: given(roundSize), instruction: instruction.value.trim(), ...strategy.values() };
    const news = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => value !== campaign[key]));
    if (Object.keys(news).length) changed(await patch(path, news));
    box.close();
  }

  const fields = [
    field("name", "Name", name),
    ...strategy.parts,
    el(
      "div", { class: "fields" },
      field("budget", "Budget", budget, "Answers to ask for at most. Empty: no end."),
      field("round_size", "Round size", roundSize, "New labels that start a round."),
    ),
    field("instruction", "Instruction", instruction, "What annotators read above each text."),
  ];
  const box = open("Settings", form("Save", fields, send, (error) => (error.status === 409 ? "name" : null)), signal);
}

/** A dialog that saves an export as a file; a form that does not fit what is asked for is refused by the API. */
export function openExport({ id, problem }, signal) {
  const formats = problem === "spans" ? [...FORMATS, ...TAGGED] : FORMATS;
  const asked = {};
  const precision = el("input", { type: "number", inputmode: "decimal", min: 0.5, max: 0.999, step: 0.01, value: 0.97 });
  const bar = field("precision", "Precision", precision, "How often they are to be right, in 95 of 100 campaigns.");

  async function send() {
    const query = new URLSearchParams({ what: asked.what, format: asked.format });
    if (asked.what === "auto-labels") query.set("precision", precision.value);
    await download(`${campaignPath(id)}/export?${query}`, `${id}-${asked.what}.${formats.find(([name]) => name === asked.format)[3]}`);
    box.close();
  }

  const fields = [
    choice("what", "What", EXPORTS, "labels", (one) => { asked.what = one; bar.hidden = one !== "auto-labels"; }),
    bar,
    choice("format", "Format", formats, "jsonl", (one) => { asked.format = one; }),
  ];
  const box = open("Export", form("Download", fields, send), signal);
}

/** A cell of the table of rounds: take the round's adapter away, and where campaigns can name one, choose it. */
export function adapterCell(round, campaign, mayChange, changed) {
  if (!["scoring", "done"].includes(round.state) || round.trained_on === null) return "–";
  const path = campaignPath(campaign.id);
  const take = async () => {
    try {
      await download(`${path}/adapters/${round.number}`, `${campaign.id}-round-${round.number}.tar`);
    } catch (error) {
      tell(error.message, "bad");
    }
  };
  const choose = async (adapter) => {
    try {
      changed(await patch(path, { adapter }));
    } catch (error) {
      tell(error.message, "bad");
    }
  };
  const button = (words, label, onclick) => el("button", { type: "button", class: "plain small", "aria-label": label, onclick }, words);
  const cell = el("div", { class: "row" }, button("Download", `Download the adapter of round ${round.number}`, take));
  if (!("adapter" in campaign)) return cell;
  const mine = campaign.adapter === round.number;
  if (mine) cell.append(el("span", { class: "pill" }, "in use"));
  if (mayChange && mine) cell.append(button("Use the newest", "Use the newest round's adapter", () => choose(null)));
  if (mayChange && !mine) cell.append(button("Use", `Use the adapter of round ${round.number}`, () => choose(round.number)));
  return cell;
}
