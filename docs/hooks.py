"""Hooks of the documentation site: equations become MathML, which needs no script, and links stay inside the site."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import griffe
from latex2mathml.converter import convert

_RENDERED = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
_DIRECTIVE = re.compile(r"^( *)\.\. math::(?: (.*))?\n((?:(?:\1 +.*)?\n)*)", re.MULTILINE)
_OUTSIDE = re.compile(r"\[([^]]*)\]\((?:\.\./)+((?:experiments|benchmarks|src|conf|tests)[^)]*)\)")
_TAG = re.compile(r"\\tag{(\w+)}")  # the converter sets numbers of equations without space before them
_ROLE = re.compile(r":math:`([^`]*)`")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace links to files of the repository outside the site by their paths; MkDocs calls this hook."""
    return _OUTSIDE.sub(lambda found: found[1] if found[1] in found[2] else f"{found[1]} (`{found[2]}`)", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Replace each equation of a rendered page by MathML; MkDocs calls this hook."""

    def as_mathml(found: re.Match[str]) -> str:
        display = "block" if found[2] == "[" else "inline"
        return convert(_TAG.sub(r"\\qquad (\1)", unescape(found[3]).strip()), display=display)

    return _RENDERED.sub(as_mathml, html)


def as_markdown(docstring: str) -> str:
    """Return a docstring with the equations of reStructuredText in Markdown's form."""

    def block(found: re.Match[str]) -> str:
        equation = " ".join(line.strip() for line in [found[2] or "", *found[3].splitlines()] if line.strip())
        return f"{found[1]}$$\n{found[1]}{equation}\n{found[1]}$$\n\n"

    text = _ROLE.sub(r"$\1$", _DIRECTIVE.sub(block, docstring + "\n"))
    text = re.sub(r":(?:func|mod|class|meth):`([^`]*)`", r"`\1`", text)
    return re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)  # the heading that Griffe knows


class Equations(griffe.Extension):
    """Griffe extension that converts the equations of every docstring."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Convert the docstring of one module, class or function."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
