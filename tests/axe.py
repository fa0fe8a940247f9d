"""Whether a page is accessible, as far as axe-core can tell."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = "serious", "critical"


def findings(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it is now, grave things alone: rule, element, and why."""
    # Colors are taken as they are drawn, so nothing may be half-way to another.
    page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:200]}: {node['failureSummary']}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]
