"""Jinja for a workspace's own templates. Imported only when one is rendered (it costs 30 ms)."""

from __future__ import annotations

import re
from collections.abc import Callable
from traceback import walk_tb
from typing import Any, Final

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound, TemplateSyntaxError, Undefined
from jinja2.runtime import BlockReference, Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from mdcoord.errors import TemplateFailed
from mdcoord.formats import derived, markdown, packaged
from mdcoord.formats.labels import label_for, one_line_json

MAX_OUTPUT: Final = 1024 * 1024
"""Characters that one view may have."""

MAX_RANGE_STEPS: Final = 100_000
"""Steps of `range` that one rendering may ask for."""

Source = Callable[[str], tuple[str, str]]
"""Gives path and text of a template's file name."""


class Text(str):
    """Markdown that a filter or a macro made: printed as it is."""

    __slots__ = ()


class Sandbox(ImmutableSandboxedEnvironment):
    """Renders views: values are printed harmless on one line, filters of this program make Markdown."""

    def __init__(self, source: Source) -> None:
        super().__init__(
            loader=_Loader(source),
            undefined=StrictUndefined,
            finalize=_printed,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,
        )
        self._source = source
        self._steps = 0
        self.globals = {"range": self._range, "dict": dict, "namespace": Namespace, "LAST": packaged.LAST}
        self.filters.update(FILTERS)
        del self.filters["random"]  # the same record must give the same view

    def view(self, file_name: str, context: dict[str, Any]) -> str:
        """The text of a view: no double blank lines, one line break at the end. Raises TemplateFailed."""
        self._steps = 0
        parts: list[str] = []
        size = 0
        try:
            for part in self.get_template(file_name).generate(context):
                parts.append(part)
                size += len(part)
                if size > MAX_OUTPUT:
                    raise OverflowError(f"more than {MAX_OUTPUT} characters of output")
        except Exception as error:  # a template can raise anything; its author needs file and line
            raise self._failure(file_name, error) from error
        return re.sub(r"\n{3,}", "\n\n", "".join(parts)).strip("\n") + "\n"

    def call(self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Jinja's hook for every call in a template: what a macro printed is Markdown, not a value."""
        result = super().call(__context, __obj, *args, **kwargs)
        return Text(result) if isinstance(__obj, Macro | BlockReference) else result

    def _range(self, *bounds: int) -> range:
        steps = range(*bounds)
        self._steps += len(steps)
        if self._steps > MAX_RANGE_STEPS:
            raise OverflowError(f"more than {MAX_RANGE_STEPS} steps of range")
        return steps

    def _failure(self, file_name: str, error: Exception) -> TemplateFailed:
        path, _ = self._source(file_name)
        line = 1
        if isinstance(error, TemplateSyntaxError):
            path, line = error.filename or path, error.lineno
        else:
            for frame, number in walk_tb(error.__traceback__):
                if frame.f_code.co_filename.endswith(".md.j2"):
                    path, line = frame.f_code.co_filename, number
        message = str(error).strip().split("\n")[0] or type(error).__name__
        return TemplateFailed(
            f"{path}:{line}: {message}",
            hint="correct the template, or rename it so that the packaged one is used",
            path=path,
            line=line,
        )


class _Loader(BaseLoader):
    """Reads the file at every use (5 µs): content decides whether a template changed, not its time."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        try:
            path, text = self._source(template)
        except TemplateFailed as error:  # in Jinja's words, so that the line that includes it is known
            raise TemplateNotFound(template, error.message) from error
        return text, path, lambda: self._source(template) == (path, text)


def _printed(value: Any) -> str:
    """What `{{ value }}` prints."""
    if isinstance(value, Text):
        return value
    if isinstance(value, Undefined):
        return str(value)  # raises, naming what is undefined
    known = value is None or isinstance(value, str | bool | int | float | list | tuple | dict)
    return markdown.one_line(value if known else str(value))


def _upper(value: Any) -> str:
    return markdown.one_line(value).upper()


def _tables(data: dict[str, Any]) -> dict[str, Any]:
    """The entries of a mapping that are tables: lists of flat mappings."""
    return {key: value for key, value in data.items() if markdown.is_table(value)}


def _without_tables(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if not markdown.is_table(value)}


def _text(function: Callable[..., str]) -> Callable[..., Text]:
    checked = _defined(function)
    return lambda *args: Text(checked(*args))


def _defined(function: Callable[..., Any]) -> Callable[..., Any]:
    def checked(value: Any, *args: Any) -> Any:
        if isinstance(value, Undefined):
            str(value)  # raises, naming what is undefined
        return function(value, *args)

    return checked


_MARKDOWN: dict[str, Callable[..., str]] = {
    "bar": derived.bar,
    "block": markdown.block,
    "cell": markdown.cell,
    "code": markdown.code,
    "duration": derived.duration,
    "heading": derived.heading,
    "human_duration": derived.human_duration,
    "item": markdown.item,
    "json": one_line_json,
    "json_block": markdown.json_block,
    "label": label_for,
    "log_line": derived.log_line,
    "pct": derived.pct,
    "percent": derived.percent,
    "progress": derived.progress,
    "reference": markdown.reference,
    "criterion": markdown.criterion,
    "remaining": derived.remaining,
    "success_rate": derived.success_rate,
    "table": markdown.table,
    "upper": _upper,
}
FILTERS: Final[dict[str, Callable[..., Any]]] = {name: _text(f) for name, f in _MARKDOWN.items()} | {
    "listed": _defined(derived.listed),
    "mapping": _defined(derived.mapping),
    "rows": _defined(derived.rows),
    "tables": _defined(_tables),
    "without_tables": _defined(_without_tables),
}
