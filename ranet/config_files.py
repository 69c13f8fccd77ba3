"""Configuration files: read with what they extend, overridden, checked, and written out again.

Nothing else in the project reads YAML. The fields are those of :mod:`ranet.config`.
"""

import copy
import difflib
import importlib
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from ranet.errors import ConfigError


class Section(BaseModel):
    """A frozen group of fields that refuses keys it does not know, and numbers without end.

    Made in Python, it raises pydantic's ``ValidationError``, which tells all mistakes at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _say_what_was_meant(cls, values: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        """Tell mistakes by the names that a file has, and of an unknown key the known ones."""
        try:
            return check(values)
        except ValidationError as error:
            mistakes = [_in_plain_words(cls, mistake) for mistake in error.errors()]
        raise ValidationError.from_exception_data(cls.__name__, mistakes)


ConfigType = TypeVar("ConfigType", bound=Section)


def load_config(
    kind: type[ConfigType], path: str | Path, overrides: Sequence[str] = ()
) -> ConfigType:
    """Read a YAML file as a configuration of type ``kind``.

    ``extends: base.yaml`` in the file, a path relative to it, takes from there what the file does
    not say: sections are merged; other values, lists, and sections of another ``kind`` or ``name``
    are replaced.

    Args:
        kind: the section the whole file describes, e.g. :class:`ranet.config.TrainConfig`.
        path: the YAML file.
        overrides: ``"section.key=value"`` strings; the value is read as YAML.

    Raises:
        ConfigError: a file is missing or not YAML, or values are wrong; all are listed, each by the
            file that holds it, and those of the overrides apart.
    """
    files = _read_with_extended(Path(path))
    of_files: dict[str, Any] = {}
    for of_file in reversed(files.values()):
        of_files = _merged(of_files, of_file)
    values = copy.deepcopy(of_files)
    for override in overrides:
        _apply_override(values, override)
    config, mistakes = _checked(kind, values)
    if config is not None:
        return config
    _, lines_of_files = _checked(kind, of_files)  # what is wrong without the overrides, too
    command_line = f"The command line (key=value, on top of {path})"
    lines: dict[str, list[str]] = {source: [] for source in [*files, command_line]}
    for line, location in mistakes.items():
        lines[_holder(files, location) if line in lines_of_files else command_line].append(line)
    raise ConfigError(
        "\n".join(_not_valid(source, lines[source]) for source in lines if lines[source])
    )


def parse_config(
    kind: type[ConfigType], values: Mapping[str, Any], source: str = "configuration"
) -> ConfigType:
    """Check ``values`` and freeze them; ``source`` names them in messages.

    Raises:
        ConfigError: with one line for every mistake.
    """
    config, mistakes = _checked(kind, values)
    if config is None:
        raise ConfigError(_not_valid(source, mistakes))
    return config


def to_yaml(config: Section) -> str:
    """Every field with its value, behind it what it means; reading it gives ``config`` again."""
    return "\n".join(_yaml_lines(config)) + "\n"


def _yaml_lines(section: Section) -> Iterator[str]:
    plain = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        comment = f"  # {field.description}" if field.description else ""
        if isinstance(value, Section):
            yield f"{name}:{comment}"
            yield from (f"  {line}" for line in _yaml_lines(value))
        elif isinstance(value, tuple) and any(isinstance(item, Section) for item in value):
            yield f"{name}:{comment}"
            for item in value:
                first, *others = _yaml_lines(item)
                yield from (f"  - {first}", *(f"    {line}" for line in others))
        else:
            text = yaml.safe_dump(
                plain[name], default_flow_style=True, allow_unicode=True, width=math.inf
            ).removesuffix("...\n")  # the end of a document that is one word
            yield from f"{name}: {text.rstrip()}{comment}".splitlines()


def _import_plugins(plugins: tuple[str, ...]) -> tuple[str, ...]:
    for plugin in plugins:
        try:
            _import_plugin(plugin)
        except Exception as error:  # whatever stands in it
            told = f"{type(error).__name__}: {error}"
            raise ValueError(f"cannot import the plugin {plugin!r}: {told}") from error
    return plugins


def _import_plugin(plugin: str) -> None:
    if not plugin.endswith(".py"):
        importlib.import_module(plugin)
        return
    path = Path(plugin).resolve()
    if not path.is_file():
        raise ImportError(f"there is no file {path}")
    sys.path.insert(0, str(path.parent))
    try:
        module = importlib.import_module(path.stem)
    finally:
        sys.path.remove(str(path.parent))
    found = getattr(module, "__file__", None)
    if found is None or Path(found).resolve() != path:
        raise ImportError(f"{path.stem} is the name of another module, {found or 'of Python'}")


Plugins = Annotated[
    tuple[str, ...],
    AfterValidator(_import_plugins),
    Field(description="modules to import, by name or path of a .py file, for what they register"),
]
"""Fields are checked in their order: a section has this one before those that it may concern."""


Size = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
"""(height, width) in pixels or grid positions."""

PositiveInt = Annotated[int, Field(gt=0)]


def _not_valid(source: str, mistakes: Iterable[str]) -> str:
    return f"{source} is not valid:\n" + "\n".join(mistakes)


def _checked(
    kind: type[ConfigType], values: Mapping[str, Any]
) -> tuple[ConfigType | None, dict[str, tuple[int | str, ...]]]:
    """The configuration; or none, and one line for each mistake, with where it is."""
    try:
        return kind.model_validate(values), {}
    except ValidationError as error:
        return None, {_line(mistake): mistake["loc"] for mistake in error.errors()}


def _line(mistake: ErrorDetails) -> str:
    parts = [str(part) for part in mistake["loc"] if part != "[key]"]  # pydantic's mark of a key
    location = ".".join(parts) or "(all together)"
    message = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] in ("missing", "value_error", "extra_forbidden"):
        return f"  {location}: {message}"
    return f"  {location}: {message}, found {mistake['input']!r}"


_SECTION = "Input should be a section of `key: value` lines"

_SHAPES = {
    "tuple_type": "Input should be a list",
    "dict_type": _SECTION,
    "model_type": _SECTION,
    "model_attributes_type": _SECTION,
}
"""What pydantic tells by the names of types in Python."""


def _in_plain_words(section: type[Section], mistake: ErrorDetails) -> InitErrorDetails:
    """The same mistake; of an unknown key of the section itself, what may have been meant."""
    mark, message = mistake["type"], mistake["msg"].removeprefix("Value error, ")
    if mark == "extra_forbidden" and len(mistake["loc"]) == 1:
        meant = _what_was_meant(section, str(mistake["loc"][0]), mistake["input"])
        message = f"unknown key; {meant}"
    elif mark == "too_long" and "ctx" in mistake:  # or else an inner section has told it already
        message = f"Input should be a list of {mistake['ctx']['max_length']}"
    return InitErrorDetails(
        type=PydanticCustomError(mark, _SHAPES.get(mark, message)),
        loc=mistake["loc"],
        input=mistake["input"],
    )


def _by_its_keys(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Tell where mistakes are in a section without its kind, which pydantic takes for a key."""
    try:
        return check(value)
    except ValidationError as error:
        mistakes = [_without_kind(mistake) for mistake in error.errors()]
    raise ValidationError.from_exception_data("section", mistakes)


BY_ITS_KEYS = WrapValidator(_by_its_keys)
"""Of a union of sections, behind its ``Field(discriminator=…)``: mistakes are told by the keys of
the section that is meant."""


def _without_kind(mistake: ErrorDetails) -> InitErrorDetails:
    """The same mistake, as pydantic tells it of a union; or of the kind itself, at its key."""
    mark, message, found = mistake["type"], mistake["msg"], mistake["input"]
    loc = mistake["loc"][1:]
    if mark.startswith("union_tag"):
        loc = (mistake["ctx"]["discriminator"].strip("'"),)
    if mark == "union_tag_not_found":
        mark, message = "missing", "Field required"
    elif mark == "union_tag_invalid":
        found = mistake["ctx"]["tag"]
        message = f"expected one of {mistake['ctx']['expected_tags']}"
    return InitErrorDetails(type=PydanticCustomError(mark, message), loc=loc, input=found)


_MEANT = 3  # keys of one name in several sections that are told, at most


def _what_was_meant(section: type[Section], key: str, value: object) -> str:
    known = sorted(section.model_fields)
    if nearest := difflib.get_close_matches(key, known, n=1):
        return f"did you mean {nearest[0]!r}?"
    inside = value if isinstance(value, dict) else {}  # of a section that is there in other files
    last = next(iter(inside), key)
    names = _dotted_names(section)
    nearest = difflib.get_close_matches(last, [name.rpartition(".")[2] for name in names], n=1)
    elsewhere = [name for name in names if name.rpartition(".")[2] in nearest]
    alike = [name for name in elsewhere if f".{name}".endswith(f".{key}.{last}")]
    if elsewhere:
        return f"did you mean {' or '.join(map(repr, (alike or elsewhere)[:_MEANT]))}?"
    return f"known keys here: {', '.join(known)}"


def _dotted_names(section: type[Section]) -> list[str]:
    """All fields, as an override calls them; of a list of sections, those of its first item."""
    names = []
    for name, field in section.model_fields.items():
        names.append(name)
        prefix = f"{name}.0" if get_origin(field.annotation) is tuple else name
        for inner in sections_in(field.annotation):
            names += [f"{prefix}.{below}" for below in _dotted_names(inner)]
    return list(dict.fromkeys(names))  # kinds of items have fields in common


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """All section classes inside a (possibly optional or nested) annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from sections_in(argument)


DEFAULT_METHOD = "ranet"
"""Which method a ``model`` without ``name`` is of."""

_ONE_OF_SEVERAL = ("kind", "name")
"""Keys whose value says which of several sections it is that they stand in."""


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """``above`` over ``below``: sections in both are merged, all else is replaced."""
    merged = below | above
    for key in below.keys() & above.keys():
        lower, upper = below[key], above[key]
        if not (isinstance(lower, dict) and isinstance(upper, dict)):
            continue
        usual = {"name": DEFAULT_METHOD} if key == "model" else upper
        if all(
            lower.get(name, usual.get(name)) == kind
            for name, kind in upper.items()
            if name in _ONE_OF_SEVERAL
        ):
            merged[key] = _merged(lower, upper)
    return merged


def _holder(files: Mapping[str, Any], location: Sequence[int | str]) -> str:
    """The first of the files with a value at the location; the first of all for what is missing."""
    return next((name for name in files if _holds(files[name], location)), next(iter(files)))


def _holds(values: Any, location: Sequence[int | str]) -> bool:
    for part in location:
        in_list = isinstance(values, list) and isinstance(part, int) and part < len(values)
        if not (in_list or (isinstance(values, dict) and part in values)):
            return False
        values = values[part]
    return True


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """YAML forbids a key to stand twice in a mapping, but PyYAML takes the last one."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        seen: set[str] = set()
        for key in keys:
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} stands there twice; keep one of the two",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
        return node


def _read_with_extended(path: Path) -> dict[str, dict[str, Any]]:
    """What stands in a file, then in the one that it extends, and so on, by how to name them."""
    files = {str(path): _read_yaml(path, str(path))}
    chain = [path]
    while (base := files[name := list(files)[-1]].pop("extends", None)) is not None:
        if not isinstance(base, str):
            raise ConfigError(f"extends in {name} should be the path of a file, but is {base!r}.")
        chain.append(chain[-1].parent / base)
        if chain[-1].resolve() in [earlier.resolve() for earlier in chain[:-1]]:
            raise ConfigError(f"{path} extends itself: {' → '.join(map(str, chain))}.")
        label = f"{chain[-1]}, which {chain[-2]} extends,"
        files[label] = _read_yaml(chain[-1], label)
    return files


def _read_yaml(path: Path, name: str) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", error)  # what the system tells has the path, too
        raise ConfigError(
            f"Cannot read the configuration {name}: {reason}. The ones that come with the project "
            "are in configs/."
        ) from error
    values = _parsed(text, name)
    if values is None:  # comments alone: nothing but defaults
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{name} should hold `key: value` lines, but it holds {type(values).__name__}."
        )
    return values


def _parsed(text: str, name: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: of a date that there is not
        raise ConfigError(f"{name} is not YAML: {error}") from error


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"An override reads section.key=value, but found {override!r}.")
    value = _parsed(text, f"The value of the override {override!r}")
    *parents, last = key.strip().split(".")
    node: Any = values
    for parent in parents:
        if isinstance(node, list):
            node = node[_position(node, parent, override)]
        else:
            if node.get(parent) is None:  # missing or null
                node[parent] = {}
            node = node[parent]
        if not isinstance(node, dict | list):
            raise ConfigError(
                f"The override {override!r} names a field inside {parent!r}, which is not a "
                f"section but the value {node!r}."
            )
    if isinstance(node, list):
        node[_position(node, last, override)] = value
    else:
        node[last] = value


def _position(items: list[Any], key: str, override: str) -> int:
    if not key.isdecimal() or int(key) >= len(items):
        raise ConfigError(
            f"The override {override!r} names item {key!r} of a list that has {len(items)}: "
            "give its position, 0 for the first."
        )
    return int(key)
