"""What the general reader gives, against PyYAML's composer with core typing of its own."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
import yaml
from document_builder import Built, documents
from document_mutations import mutated
from hypothesis import given, settings
from hypothesis import strategies as st

from mdcoord.errors import InvalidDocument
from mdcoord.formats.document import Document
from mdcoord.formats.fields import same
from mdcoord.formats.yamltext.tree import read

WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


def core(node: Any) -> Any:
    """The value of a composed node, by the tables of YAML 1.2 (chapter 10.3)."""
    if isinstance(node, yaml.SequenceNode):
        return [core(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {key.value: core(item) for key, item in node.value}
    text: str = node.value
    if node.style:
        return text
    if text in WORDS or (text.lower() in WORDS and text in (text.upper(), text.title())):
        return WORDS[text.lower()]
    if re.fullmatch("[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch("0o[0-7]+|0x[0-9a-fA-F]+", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text


@settings(max_examples=300)
@given(documents(), st.integers(0, 2**32))
def test_documents_that_are_accepted_have_the_values_that_pyyaml_composes(built: Built, seed: int) -> None:
    text = mutated(built.text, random.Random(seed)) if seed % 4 else built.text
    try:
        document = Document.parse(text)
    except InvalidDocument:
        return
    if "!" in document.front_matter or not document.has_front_matter:
        return
    node = yaml.compose(document.front_matter, yaml.CBaseLoader)
    assert same(document.fields, core(node) if node is not None and node.value else {})


@given(documents())
def test_both_parsers_give_the_same_tree(built: Built) -> None:
    front = Document.parse(built.text).front_matter
    fast = read(front)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(yaml, "CSafeLoader")
        slow = read(front)
    assert places(fast) == places(slow)


def places(node: Any) -> Any:
    """The tree as plain data: kinds, values and places."""
    if node is None:
        return None
    inside = [places(part) for part in (*node.keys, *node.items)]
    return (node.kind, node.start, node.end, node.full_start, node.style, node.value, inside)
