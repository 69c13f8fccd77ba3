"""Puts a table of all fields of a configuration where a page says ``<!-- fields: TrainConfig -->``,
and of all arguments of a method where it says ``<!-- fields: ranet -->``.

Each section has a table, headed by its name in the file; the text is that of ``ranet.config``.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ranet import config as configuration
from ranet.config_files import Section, sections_in
from ranet.methods.registry import method_config

_APART = (configuration.EvalConfig, configuration.InferenceConfig)  # the page has these once
_PLACE = re.compile(r"<!-- fields: (\w+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the tables."""
    return _PLACE.sub(lambda place: "\n".join(_tables(_section(place[1]), "")), markdown)


def _section(name: str) -> type[Section]:
    """A section of the configuration, or the arguments of a method."""
    return getattr(configuration, name, None) or method_config(name)


def _tables(section: type[Section], path: str) -> Iterator[str]:
    """The section's own fields, then those of the sections inside it."""
    if path:
        yield f"\n### {path}\n"
    yield f"{_first_paragraph(section)}\n\n| field | default | meaning |\n|---|---|---|"
    inner: list[tuple[str, type[Section]]] = []
    for name, field in section.model_fields.items():
        sections = list(sections_in(field.annotation))
        if sections:
            many = len(sections) > 1
            inner += [(_path(path, name, s, many), s) for s in sections]
        yield f"| `{name}` | {_default(field, bool(sections))} | {_meaning(field)} |"
    for where, nested in inner:
        if nested not in _APART:
            yield from _tables(nested, where)


def _path(path: str, name: str, section: type[Section], many: bool) -> str:
    dotted = f"{path}.{name}" if path else name
    if not many:
        return dotted
    kinds = get_args(section.model_fields["kind"].annotation)
    return f"{dotted}, kind {', '.join(kinds)}"


def _default(field: FieldInfo, is_section: bool) -> str:
    if field.default is PydanticUndefined:
        return "needed"
    if field.default is None:
        return "null"
    if is_section:
        return "below"
    if isinstance(field.default, bool):
        return str(field.default).lower()
    if isinstance(field.default, dict):
        return ", ".join(f"{key}: {value}" for key, value in field.default.items())
    if isinstance(field.default, tuple):
        return f"{list(field.default)}"
    return f"{field.default}"


def _meaning(field: FieldInfo) -> str:
    choices = [repr(value).strip("'") for value in _choices(field.annotation)]
    parts = [field.description or "", " · ".join(choices) if len(choices) > 1 else ""]
    return "; ".join(part for part in parts if part).replace("|", "\\|")


def _choices(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) is Annotated:
        yield from _choices(get_args(annotation)[0])
    elif type(None) in get_args(annotation):
        for argument in get_args(annotation):
            yield from _choices(argument)


def _first_paragraph(section: type[Section]) -> str:
    text = (section.__doc__ or "").partition("\n\n")[0]
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
