// Files that are sent: a pool, known labels, a test set. Sending goes on while other views of the page are shown.

import { campaignPath, get, postFile } from "./api.js";
import { tell } from "./dialog.js";
import { bytes, el, number, time } from "./dom.js";
import { choice } from "./form.js";

const FORMS = { jsonl: "application/x-ndjson", ndjson: "application/x-ndjson", csv: "text/csv", parquet: "application/vnd.apache.parquet" };
const ENCODINGS = { gz: "gzip", zst: "zstd" };
const KEY_CHARS = 120;
const ANSWERS = {
  single_label: (label) => `"label": ${label}`,
  multi_label: (label) => `"labels": [${label}]`,
  spans: (label) => `"spans": [{"start": 0, "end": 3, "label": ${label}}]`,
};
const PATHS = { pool: "/pool", labels: "/labels", test: "/labels?set=test" };
const NAMES = { pool: "pool", labels: "known labels", test: "test set" };

// By campaign: the uploads of this page, and the end of its queue: one file goes after the other.
const sends = new Map();

addEventListener("beforeunload", (event) => {
  if ([...sends.values()].some(({ list }) => list.some((one) => one.busy))) event.preventDefault();
});

/** The part of a campaign's view that takes files and shows what came: {element, shown(uploads)}. */
export function uploads(campaign, mayChange) {
  const mine = sends.get(campaign.id) ?? { list: [], last: Promise.resolve() };
  sends.set(campaign.id, mine);
  const here = el("ul", { class: "sends" }, ...mine.list.map((one) => one.element));
  const heard = el("div", { role: "log", "aria-label": "What was sent" }, here);
  const earlier = el("tbody", {});
  const table = el(
    "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Uploads" },
    el("table", {}, el("thead", {}, el("tr", {}, ...["When", "What", "State", "Lines", "New", "Labels", "Seen before", "Left out"].map((name) => el("th", { scope: "col" }, name)))), earlier),
  );

  function take(files, kind) {
    for (const file of files) {
      const one = begin(campaign, file, kind);
      mine.list.push(one);
      here.append(one.element);
      mine.last = mine.last.then(one.go);
    }
  }

  const parts = mayChange ? [...drop(campaign, take), heard, table] : [table];
  return {
    element: el("div", {}, ...parts),
    shown(list) {
      earlier.replaceChildren(...[...list].reverse().map(row));
      if (!list.length) earlier.append(el("tr", {}, el("td", { colspan: "8", class: "text empty" }, "Nothing was sent yet.")));
    },
  };
}

function row({ kind, state, seen_at: at, receipt }) {
  const pill = el("span", { class: `pill ${{ done: "", broken: "bad" }[state] ?? "warm"}` }, state);
  const texts = kind === "labels" ? null : receipt; // labels come for texts that are there
  const counts = [receipt?.received, texts?.added, receipt?.labels, texts?.duplicates, receipt?.rejected].map(number);
  return el("tr", {}, ...[time(at), NAMES[kind] ?? kind, pill, ...counts].map((cell) => el("td", {}, cell)));
}

/** What is sent, and where it is dropped or chosen. */
function drop(campaign, take) {
  const example = el("code", {});
  const hint = el("p", { class: "hint" });
  let kind = "pool";
  const words = {
    pool: ["A line for each text. id, domain and meta may be left out, and so may what is known of it: ", `{"${campaign.text_field}": "…", "id": "…", "domain": "…", ${answer(campaign)}}`],
    labels: ["What is known of texts of the pool, by id or text. It trains, and never measures: ", `{"id": "…", ${answer(campaign)}}`],
    test: ["Texts whose labels are known. They measure every round, and never train: ", `{"${campaign.text_field}": "…", ${answer(campaign)}}`],
  };
  const kinds = choice("kind", "What is sent", [["pool", "Texts to be labeled"], ["labels", "Known labels"], ["test", "A test set"]], kind, (one) => {
    kind = one;
    hint.replaceChildren(words[one][0], example);
    example.textContent = words[one][1];
  });
  const input = el("input", { type: "file", multiple: true, accept: ".jsonl,.ndjson,.csv,.parquet,.gz,.zst", "aria-label": "Files to send" });
  const zone = el("div", { class: "drop" }, input, el("p", {}, el("strong", {}, "Choose files"), " or drop them here"), el("p", { class: "hint" }, "JSON Lines, CSV or Parquet, also compressed (.gz, .zst)"));
  input.addEventListener("change", () => {
    take([...input.files], kind);
    input.value = "";
  });
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files], kind);
  });
  return [kinds, hint, zone];
}

const answer = ({ problem, labels }) => ANSWERS[problem](JSON.stringify(labels[0]));

/** Which form a file has and how it is packed, by its name: {type, encoding}, or null. */
export function formOf(name) {
  const parts = name.toLowerCase().split(".");
  const encoding = ENCODINGS[parts.at(-1)];
  if (encoding) parts.pop();
  const type = FORMS[parts.at(-1)];
  return type && parts.length > 1 ? { type, encoding } : null;
}

/** The same file has the same key: what was sent whole is not read again, and what broke off goes on where it is new. */
const keyOf = (kind, { name, size, lastModified }) => `page:${kind}:${size}:${lastModified}:${encodeURIComponent(name).slice(0, KEY_CHARS)}`;

function begin(campaign, file, kind) {
  const words = el("span", { "aria-live": "off" });
  const bar = el("progress", { max: "1", value: "0", "aria-label": file.name });
  const told = el("div", {});
  const button = el("button", { type: "button", class: "plain small" });
  const element = el(
    "li", {},
    el("div", { class: "line" }, el("strong", {}, file.name), el("small", {}, `${NAMES[kind]}, ${bytes(file.size)}`), words, button),
    bar, told,
  );
  const one = { element, busy: true, go };
  let stop = new AbortController();
  wait();

  function wait() {
    one.busy = true;
    words.textContent = "waits for its turn";
    told.replaceChildren();
    act("Stop", () => stop.abort());
  }

  function act(name, work) {
    button.textContent = name;
    button.setAttribute("aria-label", `${name}: ${file.name}`);
    button.onclick = work;
    button.hidden = !name;
  }

  function over(kindOfEnd, ...lines) {
    one.busy = false;
    element.className = kindOfEnd;
    told.replaceChildren(...lines);
  }

  function again() {
    stop = new AbortController();
    element.className = "";
    wait();
    const mine = sends.get(campaign.id);
    mine.last = mine.last.then(go);
  }

  async function go() {
    const { signal } = stop;
    const form = formOf(file.name);
    bar.hidden = false;
    bar.value = 0;
    if (!form) {
      bar.hidden = true;
      act("");
      words.textContent = "not sent";
      return over("broken", el("p", { class: "wrong", role: "alert" }, "Its name ends with neither .jsonl, .ndjson, .csv nor .parquet (.gz or .zst may follow)."));
    }
    const headers = { "Content-Type": form.type, "Idempotency-Key": keyOf(kind, file), ...(form.encoding ? { "Content-Encoding": form.encoding } : {}) };
    try {
      signal.throwIfAborted();
      const receipt = await postFile(`${campaignPath(campaign.id)}${PATHS[kind]}`, file, headers, (sent) => {
        bar.value = file.size ? sent / file.size : 1;
        words.textContent = sent < file.size ? `${bytes(sent)} of ${bytes(file.size)}` : "sent; it is being stored";
        if (sent >= file.size) bar.removeAttribute("value");
      }, signal);
      bar.value = 1;
      bar.hidden = true;
      words.textContent = "done";
      act("");
      over("done", ...receiptLines(receipt, kind));
      if (!element.isConnected) tell(`${file.name} was sent: ${summary(receipt, kind)}`);
    } catch (error) {
      words.textContent = error.name === "AbortError" ? "stopped" : "broke off";
      bar.value = bar.value || 0;
      act("Send again", again);
      const why = error.name === "AbortError" ? "Stopped: what was stored of it stays." : error.message;
      over("broken", el("p", { class: "wrong", role: error.name === "AbortError" ? null : "alert" }, `${why} Send it again, and only the rest is added.`));
      if (!element.isConnected) tell(`${file.name} was not sent: ${why}`, "bad");
    }
    return undefined;
  }
  return one;
}

function summary(receipt, kind) {
  const several = (count, name) => `${number(count)} ${name}${count === 1 ? "" : "s"}`;
  const parts = [several(receipt.received, "line"), kind === "labels" ? null : `${number(receipt.added)} new`];
  if (receipt.labels) parts.push(several(receipt.labels, "label"));
  if (receipt.duplicates && kind !== "labels") parts.push(`${number(receipt.duplicates)} seen before`);
  if (receipt.truncated) parts.push(`${number(receipt.truncated)} shortened`);
  if (receipt.rejected) parts.push(`${number(receipt.rejected)} left out`);
  return `${parts.filter(Boolean).join(", ")}.`;
}

function receiptLines(receipt, kind) {
  const lines = [el("p", {}, summary(receipt, kind))];
  if (!receipt.rejected) return lines;
  const more = receipt.rejected - receipt.errors.length;
  lines.push(el(
    "details", { open: true }, el("summary", {}, `Lines that were left out (${number(receipt.rejected)})`),
    el("ol", { class: "bad-lines", tabindex: "0", "aria-label": "Lines that were left out" }, ...receipt.errors.map((one) => el("li", {}, el("span", {}, `line ${number(one.line)}`), el("span", {}, one.reason)))),
    more > 0 ? el("p", { class: "hint" }, `and ${number(more)} more`) : null,
  ));
  return lines;
}

/** What the API knows of uploads. */
export const sent = async (campaign, signal) => (await get(`${campaignPath(campaign)}/pool`, signal, 1)).uploads;
