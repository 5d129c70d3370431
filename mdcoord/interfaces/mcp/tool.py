"""A function as a tool: its signature is the tool's schema, its docstring the description."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from mdcoord.errors import UsageError
from mdcoord.interfaces.mcp.answers import Answer
from mdcoord.interfaces.mcp.session import Session

Function = Callable[..., Answer]

_FAULTS: Final = 3
"""How many wrong arguments an error names."""


class Arguments(BaseModel):
    """Arguments by name. One that nobody knows is an error, never ignored; null is as good as none."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {name: value for name, value in given.items() if value is not None}


def about(text: str) -> Any:
    """What an argument is for, as its annotation says it: `Annotated[str, about("…")]`."""
    return Field(description=text)


class Tool:
    """One tool. The function's first parameter is the session; the others are the tool's arguments."""

    def __init__(self, function: Function, *, reads: bool = False) -> None:
        self.name = function.__name__
        self.description = " ".join((inspect.getdoc(function) or "").split())
        self.reads = reads
        """Whether it changes nothing."""
        self._function = function
        self._model = _model_of(function)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments, without what says nothing."""
        whole = self._model.model_json_schema()
        slim: dict[str, Any] = _slim(whole, whole.get("$defs", {}))
        return {"type": "object", "properties": {}, **slim}

    def run(self, session: Session, arguments: Mapping[str, Any]) -> Answer:
        """Check the arguments and do it. Blocks. Raises UsageError, and what the function raises."""
        checked = self._checked(dict(arguments))
        return self._function(session, **{name: getattr(checked, name) for name in self._model.model_fields})

    def _checked(self, arguments: dict[str, Any]) -> BaseModel:
        try:
            return self._model.model_validate(arguments)
        except ValidationError as error:
            # Some clients send lists and mappings as JSON text.
            read = _read(arguments, {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]})
        try:
            return self._model.model_validate(read)
        except ValidationError as error:
            raise UsageError(
                f"{self.name}: {_explained(error)}",
                hint="arguments: " + (", ".join(self._model.model_fields) or "none"),
            ) from None


def _model_of(function: Function) -> type[BaseModel]:
    _, *parameters = inspect.signature(function, eval_str=True).parameters.values()
    fields: dict[str, Any] = {
        parameter.name: (
            parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in parameters
    }
    return create_model(function.__name__, __base__=Arguments, **fields)


def _read(arguments: Mapping[str, Any], wrong: Iterable[str]) -> dict[str, Any]:
    read = dict(arguments)
    for name in wrong:
        if isinstance(read.get(name), str):
            try:
                read[name] = json.loads(read[name])
            except (ValueError, RecursionError):
                continue
    return read


def _explained(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    told = [_fault(fault["loc"], fault["type"], fault["msg"]) for fault in faults[:_FAULTS]]
    more = [f"and {len(faults) - _FAULTS} more"] if len(faults) > _FAULTS else []
    return "; ".join([*told, *more])


def _fault(place: Sequence[int | str], kind: str, message: str) -> str:
    name = ".".join(map(str, place))[:80]
    if kind == "extra_forbidden":
        return f"there is no argument {name!r}"
    return f"{name!r} is missing" if kind == "missing" else f"{name!r}: {message}"


def _slim(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema without titles, empty defaults and alternatives of null; definitions where they are used."""
    if isinstance(schema, list):
        return [_slim(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = dict(schema)
    if reference := schema.pop("$ref", None):
        schema = {**definitions[reference.rpartition("/")[2]], **schema}
    choices = [choice for choice in schema.pop("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        schema = {**choices[0], **schema}
        return _slim(schema, definitions)
    if choices:
        schema["anyOf"] = choices
    for name in ("title", "$defs", "additionalProperties"):
        schema.pop(name, None)
    if schema.get("default") in (None, 0, "", [], {}):
        schema.pop("default", None)
    return {
        name: (
            {key: _slim(value, definitions) for key, value in part.items()}
            if name == "properties"
            else _slim(part, definitions)
        )
        for name, part in schema.items()
    }
