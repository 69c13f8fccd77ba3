"""The documentation builds without a warning, needs no network, and its links into code hold."""

import html
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import ranet

pytestmark = pytest.mark.slow

for package in ("mkdocs", "material", "mkdocstrings"):
    pytest.importorskip(package, reason="needs mkdocs: pip install -e '.[docs]'")

ROOT = Path(__file__).parents[1]
HOOK = ROOT / "docs/_site/project_links.py"
FETCHED = re.compile(
    r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"?((?:https?:)?//[^\">\s]+)"
)


def load_hook():
    spec = importlib.util.spec_from_file_location(HOOK.stem, HOOK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout
    return folder


def test_every_page_is_there(site):
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in ROOT.glob("docs/**/*.md")}
    assert [page for page in sorted(pages) if not (site / f"{page}.html").is_file()] == []


def test_nothing_is_fetched_from_a_network(site):
    pages = list(site.rglob("*.html"))
    fetched = {url for page in pages for url in FETCHED.findall(page.read_text("utf-8"))}
    assert pages
    assert fetched == set()
    assert not any("fonts.g" in path.read_text("utf-8") for path in site.rglob("*.css"))


def test_an_equation_leads_to_its_line(site):
    page = (site / "how_it_works.html").read_text("utf-8")
    path, line = re.search(
        r'href="(project/ranet/methods/ranet/correlation\.py\.html)#(\S+?)"', page
    ).groups()
    assert f'id="{line}"' in (site / path).read_text("utf-8")
    number = int(line.rpartition("-")[2])
    source = (ROOT / "ranet/methods/ranet/correlation.py").read_text("utf-8")
    assert "vectors @ embedding" in source.splitlines()[number - 1]


def test_numbers_of_lines_are_not_copied(site, browser):
    browser.get((site / "project/ranet/methods/ranet/correlation.py.html").as_uri())
    copied = browser.execute_script(
        "getSelection().selectAllChildren(document.querySelector('.highlight code'));"
        "return getSelection().toString();"
    )
    source = (ROOT / "ranet/methods/ranet/correlation.py").read_text("utf-8")
    assert copied.split("\n") == source.rstrip("\n").split("\n")


def test_light_and_dark_can_be_chosen_and_the_system_decides_first(site):
    page = (site / "index.html").read_text("utf-8")
    media = re.findall(r'<input[^>]*data-md-color-media="([^"]*)"[^>]*name="__palette"', page)
    assert media == [
        "(prefers-color-scheme)",
        "(prefers-color-scheme: light)",
        "(prefers-color-scheme: dark)",
    ]


def section(page: Path, name: str) -> str:
    """What an API page says of a name, up to the next one of the same level."""
    return page.read_text("utf-8").partition(f'<h2 id="{name}"')[2].partition("<h2 ")[0]


def test_an_example_of_a_docstring_stands_as_it_was_written(site):
    told = section(site / "api/index.html", "ranet.segment_video")
    blocks = re.findall(r"<pre>(.*?)</pre>", told, re.DOTALL)
    texts = [html.unescape(re.sub(r"<[^>]+>", "", block)) for block in blocks]
    assert any(text.startswith(">>> ") and "ranet.segment_video(" in text for text in texts)
    assert "<blockquote>" not in told


def test_the_fields_of_what_is_returned_are_told(site):
    page = site / "api/videos.html"
    told = section(page, "ranet.methods.ranet.figures")
    assert "h×w float32: of the object, in the current crop." in told
    assert 'id="ranet.methods.ranet.figures.Explanation.similarity"' in told


def test_every_public_name_is_in_the_reference(site):
    """Each with a link, which the strict build has found; its heading is how it is imported."""
    text = (ROOT / "docs/api/index.md").read_text("utf-8")
    assert sorted(re.findall(r"\[`(\w+)`\]\[ranet\.\1\]", text)) == sorted(ranet.__all__)
    pages = "".join(path.read_text("utf-8") for path in site.glob("api/*.html"))
    headings = re.findall(r'<span class="doc doc-object-name[^"]*">(ranet\.\w+)</span>', pages)
    assert {f"ranet.{name}" for name in ranet.__all__} <= set(headings)


SOURCE = """\
LIMIT = 3
WIDE: int = 4

class Network:
    def forward(self):
        first = 1
        return first
"""


@pytest.mark.parametrize(
    ("symbol", "code", "line"),
    [
        ("LIMIT", None, 1),
        ("WIDE", None, 2),
        ("Network", None, 4),
        ("Network.forward", None, 5),
        ("Network.forward", "first = 1", 6),
    ],
)
def test_a_symbol_is_found(symbol, code, line):
    assert load_hook().line_of(SOURCE, symbol, code) == line


@pytest.mark.parametrize(
    ("symbol", "code", "message"),
    [
        ("Network.backward", None, "no Network.backward"),
        ("Network.forward", "second", "0 lines with 'second'"),
        ("Network.forward", "first", "2 lines with 'first'"),
    ],
)
def test_a_stale_link_is_found(symbol, code, message):
    with pytest.raises(LookupError, match=message):
        load_hook().line_of(SOURCE, symbol, code)


def test_a_stale_link_stops_the_build():
    from mkdocs.exceptions import PluginError

    page = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"))
    link = "[gone](../ranet/methods/ranet/correlation.py#compare)"
    with pytest.raises(PluginError, match=r"index\.md links to .*#compare, but there is no"):
        load_hook().on_page_markdown(link, page)
