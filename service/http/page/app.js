// The page: sign in, the list of campaigns, one campaign live.

import { ApiError, campaignPath, follow, get, patch, post, session, signIn, signOut } from "./api.js";
import { draw, sentences, table } from "./chart.js";
import { contents, reach } from "./contents.js";
import { adapterCell, openExport, openSettings } from "./controls.js";
import { costCard } from "./cost.js";
import { createForm } from "./create.js";
import { tell } from "./dialog.js";
import { capital, el, link, metric, number, percent, points, seconds, time } from "./dom.js";
import { groupRows, named } from "./groups.js";
import { insight } from "./insight.js";
import { campaignList, labelSum, phasePill } from "./list.js";
import { signs } from "./signs.js";
import { sent, uploads } from "./upload.js";

const main = document.getElementById("main");
const trail = document.getElementById("trail");
const connection = document.getElementById("connection");
const signOutButton = document.getElementById("sign-out");
let leaving = new AbortController();
let mayChange = false;
let mayCreate = false;
let shown = null;

const LOG_KEPT = 200;
const LIST_EVERY_MS = 5000;
const MEASURED_EVERY_MS = 10_000;
const WORKERS_EVERY_MS = 10_000;
const CURVE_EVENTS = ["round-trained", "round-scored", "labels-changed"];
const MEASURE_EVENTS = ["annotations", "annotations-deleted"];
const ROUND_EVENTS = ["round-started", "round-trained", "round-scored", "queue-ranked", "job-failed"];
const QUEUE_EVENTS = ["selected", "tasks-pushed", "queue-ranked", "queue-reordered", "annotations", "annotations-deleted", "tasks-deleted", "labels-changed"];

function askForToken(words) {
  signOutButton.hidden = true;
  shown = null;
  trail.replaceChildren();
  main.className = "";
  const input = el("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const form = el(
    "form", { class: "card sign-in" },
    el("h1", {}, "Sign in"),
    el("p", { class: "summary" }, "With a token of this installation. The first one is in the file ", el("code", {}, "token"), " of its data folder."),
    words ? el("p", { class: "notice bad", role: "alert" }, words) : null,
    el("label", { for: "token" }, "Token"),
    input,
    el("button", { type: "submit" }, "Sign in"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    signIn(input.value.trim()).then(show, showError);
  });
  main.replaceChildren(form);
  input.focus();
}

function showError(error) {
  if (error.name === "AbortError") return;
  shown = null;
  main.className = "";
  if (error instanceof ApiError && error.status === 401) {
    askForToken("That token is not known here.");
    return;
  }
  console.warn(error);
  main.replaceChildren(
    el("div", { class: "notice bad", role: "alert" }, error.message),
    el("button", { type: "button", onclick: show }, "Try again"),
  );
}

/** Show what the address names: `#/` all campaigns, `#/new` a form, `#/campaign/<id>` one, `…/<section>` a part of it. */
async function show() {
  const given = location.hash.match(/^#token=(.+)$/);
  if (given) history.replaceState(null, "", `${location.pathname}#/`);
  const [, id, section] = location.hash.match(/^#\/campaign\/([^/]+)(?:\/(.+))?$/) ?? [];
  const current = id ? decodeURIComponent(id) : null;
  if (current !== null && current === shown) return reach(section);
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const first = shown === null;
  connection.textContent = "";
  try {
    if (given) await signIn(decodeURIComponent(given[1]));
    const who = await session(signal);
    if (who === null) return askForToken("");
    mayChange = who.access !== "viewer";
    mayCreate = mayChange && who.campaigns === null;
    signOutButton.hidden = false;
    if (current !== null) await showCampaign(current, signal);
    else {
      const { campaigns } = await get("/v1/campaigns", signal);
      if (campaigns.length === 1 && given) return void location.replace(`#/campaign/${encodeURIComponent(campaigns[0].id)}`);
      if (location.hash === "#/new" && mayCreate) await showForm(campaigns, signal);
      else showList(campaigns, signal);
    }
    shown = current ?? location.hash;
    if (section) reach(section);
    else if (!first) main.focus();
  } catch (error) {
    if (!signal.aborted) showError(error);
  }
  return undefined;
}

/** Where one is, below all campaigns. */
function showTrail(name) {
  trail.replaceChildren(
    el("li", {}, el("a", { href: "#/", "aria-current": name ? null : "page" }, "Campaigns")),
    name ? el("li", {}, el("span", { "aria-current": "page" }, name)) : "",
  );
  document.title = name ? `${name} · Postil` : "Postil";
}

function put(className, ...elements) {
  main.className = className;
  main.replaceChildren(...elements);
  scrollTo(0, 0);
}

async function showForm(campaigns, signal) {
  const made = (campaign) => { location.hash = `#/campaign/${encodeURIComponent(campaign.id)}/data`; };
  const box = await createForm(campaigns, made, signal);
  showTrail("New campaign");
  put("narrow", el("h1", {}, "New campaign"), el("div", { class: "card" }, box));
}

async function showList(first, signal) {
  const list = campaignList(mayCreate);
  showTrail(null);
  put("", ...list.elements);
  for (let campaigns = first; !signal.aborted; ) {
    list.fill(campaigns);
    await new Promise((resolve) => setTimeout(resolve, LIST_EVERY_MS));
    try {
      if (!signal.aborted) campaigns = (await get("/v1/campaigns", signal, 2)).campaigns;
      connection.textContent = "";
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) return void showError(error);
      connection.textContent = "Connecting …";
    }
  }
}

async function showCampaign(id, signal) {
  const path = campaignPath(id);
  const ask = (what) => get(`${path}${what}`, signal, /curve|annotators|disagreements/.test(what) ? 1 : null); // an old one does until a new one is made
  const again = (what) => get(`${path}${what}`, signal, 1); // `calm` waits for longer than that after what happened
  const [campaign, { rounds }, learning, groups, queue, { jobs }, log, people, disputed, { audit }, { uploads: sends }] = await Promise.all(
    ["", "/rounds?newest=100", "/curve", "/curve/groups", "/queue", "/jobs", "/events?follow=false", "/annotators", "/disagreements?limit=50", "/audit", "/pool"].map(ask),
  );
  const more = insight(campaign, signal, mayChange);
  const parts = campaignParts(campaign, more.elements, signal);
  showTrail(campaign.name);
  put("with-contents", contents(parts.grid, `#/campaign/${encodeURIComponent(id)}`, signal), el("div", { class: "view" }, ...parts.elements));
  const known = { rounds, learning, curve: learning.points };
  parts.status(campaign.status);
  parts.notices(campaign);
  parts.curve(known);
  parts.rounds(known);
  parts.groups(groups);
  parts.queue(queue.tasks);
  parts.jobs(jobs.filter((job) => job.kind !== "sync" || job.progress || job.error));
  parts.log(log.events);
  parts.people(people, disputed);
  parts.audit(audit);
  parts.uploads(sends);

  const refresh = {
    curve: calm(async () => {
      const [learned, found] = await Promise.all(["/curve", "/curve/groups"].map(again));
      known.learning = learned;
      known.curve = learned.points;
      parts.curve(known);
      parts.rounds(known);
      parts.groups(found);
      if (learned.pending || found.pending) refresh.curve();
    }, signal),
    measured: calm(async () => refresh.curve(), signal, MEASURED_EVERY_MS),
    rounds: calm(async () => { known.rounds = (await again("/rounds?newest=100")).rounds; parts.rounds(known); }, signal),
    queue: calm(async () => parts.queue((await again("/queue")).tasks), signal),
    people: calm(async () => {
      const [found, differing] = await Promise.all(["/annotators", "/disagreements?limit=50"].map(again));
      parts.people(found, differing);
      if (found.pending || differing.pending) refresh.people();
    }, signal, MEASURED_EVERY_MS),
    audit: calm(async () => parts.audit((await again("/audit")).audit), signal),
    cost: calm(async () => parts.cost(await again("/cost?rounds=30")), signal, MEASURED_EVERY_MS),
    uploads: calm(async () => parts.uploads(await sent(id, signal)), signal),
    campaign: calm(async () => { parts.notices(await again("")); parts.redraw(); }, signal),
  };
  parts.redraw = () => parts.rounds(known);
  watchWorkers(parts.workers, signal);
  ask("/cost?rounds=30").then(parts.cost, showError); // after the curve, which it stands on
  if (learning.pending || groups.pending) refresh.curve();
  if (people.pending || disputed.pending) refresh.people();
  const hear = ({ id: number_, event, data }) => {
    if (event === "status") return parts.status(data);
    if (event === "progress") return parts.jobs(data.jobs);
    if (number_ === null) return undefined;
    const { at, ...rest } = data;
    parts.log([{ id: number_, at, kind: event, data: rest }]);
    if ([...CURVE_EVENTS, ...MEASURE_EVENTS, "campaign-changed"].includes(event)) refresh.cost();
    more.heard(event);
    if (CURVE_EVENTS.includes(event)) refresh.curve();
    if (MEASURE_EVENTS.includes(event) && known.curve.length) refresh.measured();
    if (["labels-weighed", "round-trained"].includes(event)) refresh.people();
    if (event === "audited") refresh.audit();
    if (event === "upload-finished") refresh.uploads();
    if (ROUND_EVENTS.includes(event)) refresh.rounds();
    if (QUEUE_EVENTS.includes(event)) refresh.queue();
    if (["warning", "project-made", "project-adopted", "project-released", "campaign-changed", "labels-changed"].includes(event)) refresh.campaign();
    return undefined;
  };
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", () => parts.curve(known), { signal });
  follow(id, log.events.at(-1)?.id ?? 0, hear, (words) => { connection.textContent = words; }, signal);
}

/** Whether there is anybody to do the work. */
async function watchWorkers(heard, signal) {
  while (!signal.aborted) {
    const { workers } = await get("/v1/workers", signal, 5).catch(() => ({}));
    if (!signal.aborted && workers) heard(workers);
    await new Promise((resolve) => setTimeout(resolve, WORKERS_EVERY_MS));
  }
}

/** `work` at most once in `pauseMs`, however often it is asked for; pages that heard the same do not ask all at once. */
function calm(work, signal, pauseMs = 1000) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(async () => {
      waiting = false;
      try {
        if (!signal.aborted) await work();
      } catch (error) {
        if (!signal.aborted && error.status === 401) showError(error);
      }
    }, pauseMs * (1 + Math.random()));
  };
}

/** The elements of a campaign's view, and functions that fill them. */
function campaignParts(campaign, more, signal) {
  const parts = { redraw: () => {} };
  const title = el("h1", {});
  const what = el("span", {});
  const data = uploads(campaign, mayChange);
  const workers = el("p", { class: "summary" });
  let work = [];
  let staff = null;
  const phase = el("span", { "aria-live": "polite" });
  const pause = el("button", { type: "button" });
  const labelStudio = el("span", {});
  const notices = el("div", {});
  const tiles = el("dl", { class: "tiles" });
  const chart = el("div", { class: "chart", role: "img", "aria-label": "Learning curve" });
  const chartEmpty = el("p", { class: "empty" }, "The curve begins with the first round, once some labels measure.");
  const words = el("div", { class: "summary" });
  const jobs = el("ul", { class: "jobs" });
  const answers = el("dl", { class: "counts" });
  const rounds = el("tbody", {});
  const weakest = el("div", { class: "summary" });
  const groups = el("tbody", {});
  const audit = el("div", {});
  const auditNow = el("button", { type: "button", class: "plain small" }, "Look now");
  const annotators = el("tbody", {});
  const agreed = el("p", { class: "summary" });
  const disagreements = el("ol", { class: "queue", tabindex: "0", "aria-label": "Disagreements" });
  const queue = el("ol", { class: "queue", tabindex: "0", "aria-label": "Queue" });
  const log = el("ul", { class: "log", tabindex: "0", "aria-label": "Log" });
  const cost = costCard();
  let paused = campaign.paused;
  let queueShown = "";

  pause.addEventListener("click", async () => {
    pause.disabled = true;
    try {
      changed(await patch(campaignPath(campaign.id), { paused: !paused }));
    } catch (error) {
      tell(error.message, "bad");
    }
    pause.disabled = false;
  });

  function changed(now) {
    parts.notices(now);
    parts.status(now.status);
    parts.redraw();
  }

  auditNow.addEventListener("click", async () => {
    auditNow.disabled = true;
    try {
      await post(`${campaignPath(campaign.id)}/audit`);
    } catch (error) {
      tell(error.message, "bad");
      auditNow.disabled = false;
    }
  });

  const train = el("button", { type: "button", class: "plain" }, "Train now");
  train.addEventListener("click", async () => {
    try {
      await post(`${campaignPath(campaign.id)}/rounds`);
    } catch (error) {
      tell(error.message, "bad");
    }
  });

  const settings = () => openSettings(campaign.id, changed, signal).catch((error) => tell(error.message, "bad"));
  parts.elements = [
    el(
      "div", { class: "head" },
      el(
        "div", {},
        title,
        el("div", { class: "what" }, phase, what, el("span", {}, campaign.model)),
      ),
      el(
        "div", { class: "actions" },
        labelStudio, mayChange ? pause : null, mayChange ? train : null,
        mayChange ? el("button", { type: "button", class: "plain", onclick: settings }, "Settings") : null,
        el("button", { type: "button", class: "plain", onclick: () => openExport(campaign, signal) }, "Export"),
      ),
    ),
    notices, tiles,
    parts.grid = el(
      "div", { class: "grid" },
      el("section", { class: "card" }, el("h2", {}, "Learning curve"), chart, chartEmpty, words),
      el(
        "div", { class: "stack" },
        el("section", { class: "card" }, el("h2", {}, "Work"), jobs, workers),
        el("section", { class: "card" }, el("h2", {}, "Annotations"), answers),
      ),
      el("section", { class: "card wide" }, el("h2", {}, "Data"), data.element),
      el(
        "section", { class: "card wide" }, el("h2", {}, "Rounds"),
        el(
          "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rounds" },
          el(
            "table", {},
            el("thead", {}, el("tr", {}, ...["Round", "State", capital(metric(campaign.headline)), "Since before", "Trained on", "Labels", "Log. regression", "Training", "Scoring", "Adapter"].map((name) => el("th", { scope: "col" }, name)))),
            rounds,
          ),
        ),
      ),
      el(
        "section", { class: "card wide" }, el("h2", {}, "Domains and classes, the weakest first"), weakest,
        el(
          "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Domains and classes" },
          el(
            "table", {},
            el("thead", {}, el("tr", {}, ...["", "Name", "Score", "Examples", "Of the examples", "Of the errors", "Precision", "Recall"].map((name, at) => el("th", { scope: "col", class: at < 2 ? "text" : null }, name)))),
            groups,
          ),
        ),
      ),
      cost.element,
      ...more,
      el(
        "section", { class: "card" }, el("h2", {}, "Disagreements, the least sure ones first"), disagreements,
      ),
      el(
        "section", { class: "card" }, el("h2", {}, "Annotators"),
        el(
          "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Annotators" },
          el(
            "table", {},
            el("thead", {}, el("tr", {}, ...["Who", "Answers", "An answer takes", "Changes suggestions", "Right", "Agrees"].map((name) => el("th", { scope: "col" }, name)))),
            annotators,
          ),
        ),
        agreed,
      ),
      el("section", { class: "card wide" }, el("div", { class: "head" }, el("h2", {}, "Audit of pool and labels"), mayChange ? auditNow : null), audit),
      el("section", { class: "card" }, el("h2", {}, "Queue: what is asked next, and why"), queue),
      el("section", { class: "card" }, el("h2", {}, "Log"), log),
    ),
  ];

  parts.uploads = data.shown;

  parts.notices = (now) => {
    Object.assign(campaign, now);
    paused = now.paused;
    title.textContent = now.name;
    what.textContent = `${now.problem.replaceAll("_", " ")} · ${number(now.labels.length)} labels · ${now.strategy}`;
    pause.textContent = paused ? "Resume" : "Pause";
    pause.className = paused ? "" : "plain";
    labelStudio.replaceChildren(link(now.label_studio?.url, "Open Label Studio", "button") ?? "");
    notices.replaceChildren(...now.warnings.map((text) => el("p", { class: "notice" }, text)));
  };

  parts.status = (status) => {
    if (phase.textContent !== status.phase) phase.replaceChildren(phasePill(status.phase));
    train.hidden = !status.changes || ["training", "planning", "scoring"].includes(status.round?.state);
    const { labels } = status;
    const measuring = status.test_examples ? `${number(status.test_examples)} test examples` : `${number(labels["hold-out"] ?? 0)} hold-out`;
    const tile = (name, value, more) => el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, value, el("small", {}, more)));
    tiles.replaceChildren(
      tile("Labels", number(labelSum(status)), `${number((labels.train ?? 0) + (labels.import ?? 0))} chosen or imported, ${number(labels.control ?? 0)} control, ${measuring}${labels.synthetic ? `; ${number(labels.synthetic)} synthetic besides` : ""}`),
      tile("Open tasks", number(status.queue.open), `${number(status.queue.chosen)} on their way`),
      tile("New since last round", number(status.changes), `of ${number(campaign.round_size)} that start one`),
      tile("Rounds", number(status.rounds_done), status.round ? `round ${status.round.number}: ${status.round.state}` : "none begun"),
      tile("Pool", number(status.examples), `${number(status.aliases)} duplicates, ${number(status.near_duplicates)} near ones`),
      tile("Pace", `${(60 * status.pace).toFixed(0)}/min`, status.phase_reason ?? (status.budget_left === null ? "no budget set" : `${number(status.budget_left)} left to ask`)),
    );
    const given = status.annotations;
    answers.replaceChildren(
      ...[["Answers", "answer"], ["Skipped", "skip"], ["Not usable", "invalid"], ["Of other tasks", "foreign"], ["Deleted", "deleted"]].flatMap(
        ([name, kind]) => [el("dt", {}, name), el("dd", {}, number(given[kind] ?? 0))],
      ),
    );
    const wrong = status.label_studio_error;
    notices.querySelector("[data-label-studio]")?.remove();
    if (wrong) notices.append(el("p", { class: "notice bad", "data-label-studio": "" }, `Label Studio: ${wrong}`));
  };

  parts.jobs = (list) => {
    work = list;
    parts.workers(staff);
    const busy = list.filter((job) => job.state === "running" || job.error);
    const waiting = list.length - busy.length;
    jobs.replaceChildren(...busy.map(jobLine));
    if (waiting) jobs.append(el("li", { class: "summary" }, `${number(waiting)} ${waiting === 1 ? "job waits" : "jobs wait"} for a worker`));
    if (!list.length) jobs.append(el("li", { class: "empty" }, "Nothing to do at the moment."));
  };

  /** How many workers there are, and for what there is none though it is wanted. */
  parts.workers = (known) => {
    staff = known;
    if (!known) return;
    const missing = Object.keys(known).filter((queue) => !known[queue] && work.some((job) => job.queue === queue && job.state === "ready"));
    workers.className = missing.length ? "wrong" : "summary";
    const said = missing.length
      ? `${capital(missing.map((queue) => `no ${queue} worker`).join(" and "))} is there, and work waits for one.`
      : `Workers: ${Object.entries(known).map(([queue, count]) => `${number(count)} ${queue}`).join(", ")}.`;
    if (workers.textContent !== said) workers.textContent = said;
  };

  parts.curve = ({ curve, learning }) => {
    const some = curve.some((point) => point.metrics);
    chart.hidden = !some;
    chartEmpty.hidden = some;
    const open = words.querySelector("details")?.open;
    words.replaceChildren(...[...sentences(curve), ...signs(learning)].map((text) => el("p", {}, text)), ...(some ? [table(curve, open)] : []));
    if (some) draw(chart, curve, learning.stopping?.outlook);
  };

  parts.rounds = ({ rounds: list, curve }) => {
    const byRound = new Map(curve.map((point) => [point.round, point]));
    rounds.replaceChildren(...[...list].reverse().map((round) => roundRow(round, byRound.get(round.number), campaign, changed)));
    if (!list.length) rounds.append(el("tr", {}, el("td", { colspan: "10", class: "text empty" }, `The first round begins when ${number(campaign.round_size)} labels have come.`)));
  };

  parts.groups = (found) => {
    weakest.replaceChildren(...named(found).map((text) => el("p", {}, text)));
    groups.replaceChildren(...groupRows(found));
    if (!groups.children.length) groups.append(el("tr", {}, el("td", { colspan: "8", class: "text empty" }, "Known after the first round, once some labels measure.")));
  };

  parts.cost = cost.show;

  parts.people = ({ annotators: list, alpha, review, meaning }, { total, disagreements: some }) => {
    annotators.replaceChildren(...list.map(personRow));
    if (!list.length) annotators.append(el("tr", {}, el("td", { colspan: "6", class: "text empty" }, "Nobody answered yet.")));
    const changed = review.changed ? `, ${percent(review.changed.value)} [${percent(review.changed.low)}, ${percent(review.changed.high)}] changed their label` : "";
    agreed.textContent = `Second opinions: ${number(review.answered)} of ${number(review.asked)}${changed}. `;
    agreed.textContent += alpha ? `Krippendorff's alpha ${alpha.value.toFixed(2)} [${alpha.low.toFixed(2)}, ${alpha.high.toFixed(2)}]: 1 is agreement, 0 is chance.` : "";
    if (list.some((one) => one.changed)) agreed.textContent += ` ${meaning}`;
    disagreements.replaceChildren(...some.map(disagreementLine));
    if (total > some.length) disagreements.append(el("li", { class: "empty" }, el("span", {}), `and ${number(total - some.length)} more`));
    if (!total) disagreements.append(el("li", { class: "empty" }, el("span", {}), "No two people said different things of a text."));
  };

  parts.audit = (found) => {
    auditNow.disabled = false;
    audit.replaceChildren(...(found ? auditLines(found) : [el("p", { class: "empty" }, "Nobody looked yet.")]));
  };

  parts.queue = (tasks) => {
    const now = JSON.stringify(tasks);
    if (now === queueShown) return;
    queueShown = now;
    queue.replaceChildren(...tasks.map(taskLine));
    if (!tasks.length) queue.append(el("li", { class: "empty" }, el("span", {}), "The queue is empty."));
  };

  parts.log = (events) => {
    log.prepend(...[...events].reverse().map((event) => el("li", {}, time(event.at), el("span", {}, eventWords(event)))));
    while (log.children.length > LOG_KEPT) log.lastElementChild.remove();
  };
  return parts;
}

function jobLine(job) {
  const { progress } = job;
  const share = progress && progress.total > 0 ? progress.done / progress.total : null;
  const id = `job-${job.id}`;
  const bar = el("progress", { "aria-labelledby": id, max: "1" });
  if (share !== null) bar.value = share;
  return el(
    "li", {},
    el("div", { class: "line" }, el("span", { id }, progress?.doing ?? job.kind), el("span", {}, share !== null && progress.total > 1 ? `${number(Math.round(progress.done))} / ${number(Math.round(progress.total))}` : "")),
    job.state === "running" ? bar : null,
    job.error ? el("div", { class: "wrong" }, `attempt ${job.attempts}: ${job.error}`) : null,
  );
}

function roundRow(round, point, campaign, changed) {
  const score = point?.metrics?.[campaign.headline];
  const cells = [
    number(round.number),
    el("span", { class: `pill ${{ done: "", failed: "bad" }[round.state] ?? "warm"}`, title: round.error }, round.state),
    score ? [percent(score.value), el("small", {}, ` ${percent(score.low)} – ${percent(score.high)}`)] : "–",
    point?.change ? [points(point.change.value), el("small", {}, ` ${points(point.change.low)} to ${points(point.change.high)}`)] : "–",
    number(round.trained_on),
    number(round.labels),
    percent(point?.baseline),
    seconds(round.train_seconds),
    seconds(round.score_seconds),
    adapterCell(round, campaign, mayChange, changed),
  ];
  return el("tr", {}, ...cells.map((cell) => el("td", {}, cell)));
}

function taskLine(task, at) {
  return el(
    "li", {},
    el("span", { class: "place" }, number(at + 1)),
    el(
      "div", {},
      el("div", { class: "text" }, task.text.slice(0, 600)),
      el(
        "div", { class: "why" },
        el("span", { class: `pill ${task.role === "train" ? "" : "grey"}` }, task.role),
        el("span", {}, task.reason),
        task.prediction ? el("span", {}, `shown: ${predicted(task)}`) : null,
        task.state === "chosen" ? el("span", {}, "on its way") : link(task.url, "open"),
        link(task.similar, "similar"),
      ),
    ),
  );
}

/** An audit: advice first, then the numbers, each with its interval. */
function auditLines(found) {
  const { duplicates, lengths, languages, domains, likelihood, labels, information } = found;
  const share = (value) => (value ? `${percent(value.value)} [${percent(value.low)}, ${percent(value.high)}]` : "unknown");
  const plain = (value, digits) => (value ? `${value.value.toFixed(digits)} [${value.low.toFixed(digits)}, ${value.high.toFixed(digits)}]` : "unknown");
  const groups = (balance) => balance.groups.slice(0, 8).map((one) => `${one.name} ${number(one.examples)}`).join(", ") + (balance.groups.length > 8 ? ", …" : "") + (balance.evenness === null ? "" : `; evenness ${balance.evenness.toFixed(2)}`);
  const rows = [
    ["Duplicates", `${share(duplicates.exact)} exact, ${share(duplicates.near)} near`],
    ["Length", lengths.quantiles.length ? `${number(Math.round(lengths.quantiles[2]))} characters, 90 % from ${number(Math.round(lengths.quantiles[0]))} to ${number(Math.round(lengths.quantiles[4]))}; ${number(lengths.outliers)} far out` : "–"],
    ["Languages", groups(languages.balance) || "–"],
    ["Domains", groups(domains) || "none given"],
    ["Unlikely to the base model", likelihood.reason ?? `pseudo-perplexity ${plain(likelihood.median, 1)}`],
    ["Labels", groups(labels.classes) || "none"],
    ["Krippendorff's alpha", plain(labels.alpha, 2)],
    ["Noise", labels.noise ? `${share(labels.noise)}; ${number(labels.suspects)} labels more probably wrong than right` : "unknown"],
    ["Effective information", information ? `${plain(information.value, 0)} of ${number(information.labels)} labels; signal ${plain(information.signal, 2)}` : "–"],
  ];
  const texts = [
    ["Repeated most", duplicates.clusters.map((one) => ({ id: `${one.examples} times`, text: one.text, words: "" }))],
    ["Of unusual length", lengths.examples], ["In another language", languages.examples],
    ["Unlikely", likelihood.examples], ["Suspected labels", labels.examples],
  ].filter(([, some]) => some.length);
  return [
    el("p", { class: "summary" }, `${number(found.examples)} texts${found.round === null ? "" : `, round ${found.round}`}, `, time(found.at)),
    ...found.advice.map((one) => el("p", {}, el("strong", {}, `${capital(one.what)}: `), `${one.why}.`)),
    el("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    ...texts.map(([name, some]) => el(
      "details", {}, el("summary", {}, `${name} (${number(some.length)})`),
      el("ul", { class: "jobs" }, ...some.map((one) => el("li", {}, `${one.text.slice(0, 200)} `, el("small", {}, [one.id, one.words && one.value !== undefined ? `${one.words} ${Math.round(100 * one.value) / 100}` : ""].filter(Boolean).join(": "))))),
    )),
  ];
}

function personRow(one) {
  const agrees = one.agreement;
  const { seconds: pace, changed } = one;
  return el(
    "tr", {},
    el("td", {}, one.annotator === null ? "unknown" : `#${one.annotator}`),
    el("td", {}, number(one.answers)),
    el("td", { title: "The median time of an answer, as Label Studio measures it" }, pace ? [seconds(pace.value), el("small", {}, ` ${seconds(pace.low)} – ${seconds(pace.high)}`)] : "–"),
    el("td", { title: `Of ${one.shown} answers that began with a suggestion` }, changed ? [percent(changed.value), el("small", {}, ` ${percent(changed.low)} – ${percent(changed.high)}`)] : "–"),
    el("td", { title: "As the newest round took it, which knows no truth" }, percent(one.accuracy)),
    el("td", {}, agrees ? [percent(agrees.value), el("small", {}, ` ${percent(agrees.low)} – ${percent(agrees.high)}`)] : "–"),
  );
}

function disagreementLine(one) {
  const said = (answer) => predicted({ text: one.text, prediction: typeof answer === "string" ? { label: answer } : answer.some((part) => part.start !== undefined) ? { spans: answer } : { labels: answer, confidences: {} } });
  return el(
    "li", {},
    el("span", { class: "place" }, one.probability === null ? "–" : `${Math.round(100 * one.probability)}%`),
    el(
      "div", {},
      el("div", { class: "text" }, one.text.slice(0, 600)),
      el(
        "div", { class: "why" },
        el("span", { class: "pill" }, said(one.believed)),
        ...one.answers.map(({ annotator, answer }) => el("span", {}, `#${annotator ?? "?"}: ${said(answer)}`)),
        one.waits ? el("span", {}, "one more is asked") : null,
        link(one.url, "open"),
      ),
    ),
  );
}

/** What a task shows to its annotator; offsets count characters, not JavaScript's code units. */
function predicted({ text, prediction }) {
  const sure = (name, share) => (share === null || share === undefined ? name : `${name} (${percent(share)})`);
  if (prediction.label !== undefined) return sure(prediction.label, prediction.confidence);
  const characters = prediction.spans ? [...text] : [];
  const several = prediction.spans
    ? prediction.spans.map((one) => sure(`“${characters.slice(one.start, one.end).join("")}” ${one.label}`, one.confidence))
    : prediction.labels.map((label) => sure(label, prediction.confidences[label]));
  return several.join(", ") || "none";
}

function eventWords(event) {
  const facts = Object.entries(event.data)
    .filter(([, value]) => value !== null && value !== 0 && value !== "")
    .map(([name, value]) => (name === "text" ? value : `${metric(name)} ${fact(name, value)}`));
  return [event.kind.replaceAll("-", " "), facts.join(", ")].filter(Boolean).join(": ");
}

function fact(name, value) {
  if (/accuracy|f1/.test(name) && typeof value === "number") return percent(value);
  return typeof value === "number" ? number(value) : typeof value === "object" ? JSON.stringify(value) : String(value);
}

signOutButton.addEventListener("click", () => {
  shown = null;
  signOut().then(show, showError);
});
addEventListener("hashchange", show);
show();
