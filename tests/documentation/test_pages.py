"""What the documentation tells people to type works: its `sh` and `python` blocks, page after page."""

import re

import pytest

from service.http import docs
from tests.documentation.blocks import blocks, names
from tests.documentation.conftest import Run

LANGUAGES = {"sh", "python", "text", "toml", "json", "yaml", "html", "xml", "csv"}
RUN = ("sh", "python")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", names())
def test_blocks_of_a_page(page: str, run: Run) -> None:
    for block in blocks(page):
        if block.language in RUN:
            done = run(block)
            assert done.returncode == 0, (
                f"service/docs/{page}.md, line {block.line}: ended with {done.returncode}\n{block.code}"
                f"\n{done.stdout}\n{done.stderr}"
            )


@pytest.mark.parametrize("page", names())
def test_pages_have_the_form_of_pages(page: str) -> None:
    text = (docs.FOLDER / f"{page}.md").read_text()
    assert re.match(r"# \S.*\n\n(?!#|```|\||- )\S", text), "a title, and then a sentence"
    assert text.count("```") % 2 == 0
    for block in blocks(page):
        assert block.language in LANGUAGES, f"line {block.line}: say which, and text for what is not run"
