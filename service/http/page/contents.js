// What a long page holds: a list of its sections, which says where one is.

import { el } from "./dom.js";

/** A navigation for the sections in `area`, old and new ones; `base` is the address that a section's name is put to. */
export function contents(area, base, signal) {
  const list = el("ul", {});
  const nav = el("nav", { class: "contents", "aria-label": "On this page" }, list);
  const links = new Map();
  const seen = new IntersectionObserver(mark, { rootMargin: "-15% 0px -70% 0px" });

  function fill() {
    const found = [...area.querySelectorAll("section")].map((section) => [section, section.querySelector("h2")]).filter(([, heading]) => heading);
    links.clear();
    seen.disconnect();
    for (const [section, heading] of found) {
      section.dataset.section = slug(heading.textContent);
      section.tabIndex = -1;
      if (!section.hidden) links.set(section, el("a", { href: `${base}/${section.dataset.section}` }, heading.textContent.split(/[:,]/)[0]));
      seen.observe(section);
    }
    list.replaceChildren(...[...links.values()].map((link) => el("li", {}, link)));
  }

  function mark(entries) {
    const here = entries.find((entry) => entry.isIntersecting);
    if (!here) return;
    for (const [section, link] of links) {
      if (section === here.target) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    }
  }

  const changes = new MutationObserver(fill);
  changes.observe(area, { childList: true });
  signal.addEventListener("abort", () => { changes.disconnect(); seen.disconnect(); });
  fill();
  return nav;
}

/** Bring a section into view, and the focus to it; where there is none of that name, nothing happens. */
export function reach(name) {
  const section = name && document.querySelector(`[data-section="${CSS.escape(name)}"]`);
  if (!section) return;
  section.focus({ preventScroll: true });
  section.scrollIntoView({ block: "start" });
}

const slug = (words) => words.split(/[:,]/)[0].toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
