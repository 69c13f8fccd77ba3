"""Lets the API pages show docstrings that are written for Sphinx as well: roles and ``::``."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|mod|func|data|meth|attr|exc):`~?([^`]+)`")


class Roles(griffe.Extension):
    """Cross-reference roles become names, and the colons before an example one colon."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for everything that has a docstring, before it is parsed."""
        if obj.docstring:
            text = _ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = re.sub(r"::$", ":", text, flags=re.MULTILINE)
