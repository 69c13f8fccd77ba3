"""Lets pages of the site link to any file of the project, and to a line of its code.

A page links as it would be read in the repository. What lies outside ``docs`` becomes a page of its
own, so that the site is whole without a network, and a symbol is looked up when the site is built:

    [Eq. 1](../ranet/methods/ranet/correlation.py#correlate)
    [Eq. 1](../ranet/methods/ranet/correlation.py#correlate "vectors @ embedding")

The first goes to the line that defines ``correlate``; the second to the one line of it that holds
the code in the title. A symbol or code that is not there, or not once, stops the build.
"""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename

_ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(
    r"\]\((?P<path>[^)\s#:]+)(?:#(?P<symbol>[^)\s]+))?(?:\s+\"(?P<code>[^\"]*)\")?\)"
)
_FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
_PREFIX = "project"  # where the site has the files from outside docs
_FORMAT = HtmlFormatter(linenos="inline", linespans="line", anchorlinenos=True, wrapcode=True)


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each file that pages link to, and for those that these link to."""
    pages = [file for file in files if file.is_documentation_page()]
    while pages:
        page = pages.pop()
        for link in _links(page.content_string):
            target = _target(page.src_uri, link["path"])
            if target is None or files.get_file_from_path(_site_path(target)):
                continue
            files.append(File.generated(config, _site_path(target), content=_content(target)))
            pages.append(files.get_file_from_path(_site_path(target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to files of the project into links to their pages and lines."""
    here = page.file.src_uri

    def rewritten(link: re.Match[str]) -> str:
        target = _target(here, link["path"])
        if target is None:
            return link[0]
        path = os.path.relpath(_site_path(target), PurePosixPath(here).parent)
        return f"]({path}{_anchor(target, link['symbol'], link['code'], here)})"

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(rewritten, part) for part in parts)


def line_of(source: str, symbol: str, code: str | None = None) -> int:
    """The line, from 1, that defines ``symbol`` (``Class.method``), or its one line with ``code``.

    Raises:
        LookupError: there is no such symbol, or the code is not on exactly one of its lines.
    """
    node: ast.AST = ast.parse(source)
    for name in symbol.split("."):
        node = _definition(node, name, symbol)
    if code is None:
        return node.lineno
    lines = source.splitlines()
    found = [n for n in range(node.lineno, node.end_lineno + 1) if code in lines[n - 1]]
    if len(found) != 1:
        raise LookupError(f"{symbol} has {len(found)} lines with {code!r}, expected one")
    return found[0]


def _definition(parent: ast.AST, name: str, symbol: str) -> Any:
    for node in getattr(parent, "body", []):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        names = [getattr(node, "name", None), *(getattr(target, "id", None) for target in targets)]
        if name in names:
            return node
    raise LookupError(f"there is no {symbol}")


def _links(markdown: str) -> Iterator[re.Match[str]]:
    return _LINK.finditer(_FENCE.sub("", markdown))


def _target(page: str, path: str) -> PurePosixPath | None:
    """The file of the project that a link is to, if it is one and the site has to make its page."""
    generated = page.startswith(f"{_PREFIX}/")
    folder = PurePosixPath(page).parent
    folder = folder.relative_to(_PREFIX) if generated else "docs" / folder
    target = PurePosixPath(os.path.normpath(folder / path))
    if (not generated and target.parts[0] == "docs") or not (_ROOT / target).is_file():
        return None
    return target


def _site_path(target: PurePosixPath) -> str:
    if target.parts[0] == "docs":
        return str(target.relative_to("docs"))
    return f"{_PREFIX}/{target}" + ("" if target.suffix == ".md" else ".md")


def _content(target: PurePosixPath) -> str:
    text = (_ROOT / target).read_text(encoding="utf-8")
    if target.suffix == ".md":
        return text
    # As HTML: of code in a fence, the check of links would not see the lines' anchors.
    code = highlight(text, get_lexer_for_filename(target.name), _FORMAT)
    return f"---\nsearch: {{exclude: true}}\nhide: [toc]\n---\n# {target}\n\n{code}\n"


def _anchor(target: PurePosixPath, symbol: str | None, code: str | None, page: str) -> str:
    if symbol is None or target.suffix != ".py":
        return f"#{symbol}" if symbol else ""
    try:
        number = line_of((_ROOT / target).read_text(encoding="utf-8"), symbol, code)
    except LookupError as error:
        raise PluginError(f"{page} links to {target}#{symbol}, but {error}.") from error
    return f"#line-{number}"
