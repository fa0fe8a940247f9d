// Cards that tell more than the curve does: each loads when it is first looked at, and again after what changes it.

import { confusions } from "./confusion.js";
import { el } from "./dom.js";
import { poolMap } from "./map.js";
import { multiples } from "./multiples.js";
import { turns } from "./turns.js";

const AHEAD = "300px";
const PAUSE_MS = 3000;

/** `elements` for the page, and `heard(kind)` for what happens; `mayChange`: whether the visitor may have work done. */
export function insight(campaign, signal, mayChange) {
  const cards = [turns, multiples, confusions, poolMap].map((make) => make(campaign, signal, mayChange));
  const seen = new Set();
  const due = new Set();

  async function load(card) {
    card.element.querySelector(":scope > .notice.bad")?.remove();
    try {
      await card.load();
    } catch (error) {
      if (!signal.aborted) card.element.append(el("p", { class: "notice bad", role: "alert" }, error.message));
    }
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const card = cards.find((one) => one.element === entry.target);
      if (!entry.isIntersecting || seen.has(card)) continue;
      seen.add(card);
      watcher.unobserve(card.element);
      load(card);
    }
  }, { rootMargin: AHEAD });
  for (const card of cards) watcher.observe(card.element);
  signal.addEventListener("abort", () => watcher.disconnect());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => cards.forEach((card) => seen.has(card) && card.draw?.()), { signal });

  return {
    elements: cards.map((card) => card.element),
    heard(kind) {
      for (const card of cards) {
        if (!seen.has(card) || due.has(card) || !card.events.includes(kind)) continue;
        due.add(card);
        // Many pages hear of the same: they do not ask all at once.
        setTimeout(() => { due.delete(card); if (!signal.aborted) load(card); }, PAUSE_MS * (1 + Math.random()));
      }
    },
  };
}
