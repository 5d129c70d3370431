"""Front matter read by PyYAML's parser into nodes that know their value and their exact place in the text.

The events of the parser are used, not its composed nodes: an alias has its own place only as an event, and
the event parser keeps its stack on the heap, so that deep input cannot overflow the C stack (the composer
of libyaml recurses and kills the process). No event is asked for below `MAX_DEPTH`.

Limits beside those of `fence`: no merge keys (`<<`), no tags but the core ones, only text as keys (a key
such as `1` or `true` is the text `"1"` or `"true"`), and at most `MAX_VALUES` values, where an alias counts
as all that it stands for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from mdcoord.formats.yamltext.bounds import check
from mdcoord.formats.yamltext.explain import explain
from mdcoord.formats.yamltext.fault import Fault
from mdcoord.formats.yamltext.limits import MAX_DEPTH, MAX_VALUES
from mdcoord.formats.yamltext.scalars import NotJson, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCALAR: Final = 0
ALIAS: Final = 1
MAPPING: Final = 2
SEQUENCE: Final = 3

_PROPERTY = re.compile(r"(?:&[^\s,\[\]{}]+|!(?:<[^>\n]*>|[^\s,\[\]{}]*))")
GAP: Final = re.compile(r"(?:[ \t\r\n]++(?:#[^\n]*+)?+)*+")
"""What may stand between two parts of a front matter: blanks, line breaks and comments."""

_CORE: Final = "tag:yaml.org,2002:"
_TYPES: Final = {"int": int, "float": float, "bool": bool, "null": type(None)}


class Node:
    """A value and its place: `source[start:end]` is its text without properties, blanks and comments around
    it.

    `full_start` is where its properties (anchor, tag) start, `properties_end` where they end. `style` is
    the quote or block indicator of a scalar ("" when plain). A mapping has `keys`; `items` are its values
    or a list's items. `shared` says that an alias elsewhere repeats this value; `weight` and `height` are
    the number of values below and including it and the levels of nesting it adds.
    """

    # Defaults stand in the class: most nodes are plain scalars and need no more than what __init__ sets.
    style: str = ""
    flow: bool = False
    tagged: bool = False
    shared: bool = False
    weight: int = 1
    height: int = 0
    keys: Sequence[Node] = ()
    items: Sequence[Node] = ()

    def __init__(self, kind: int, start: int, end: int, value: Any) -> None:
        self.kind = kind
        self.full_start = self.properties_end = self.start = start
        self.end = end
        self.value = value

    def shares(self) -> bool:
        """True when this value or one inside it is repeated by an alias somewhere."""
        return (
            self.shared or any(key.shared for key in self.keys) or any(item.shares() for item in self.items)
        )


def read(source: str) -> Node | None:
    """The tree of a front matter, None when it holds nothing but comments. Raises Fault."""
    check(source)
    return _Builder(source).build()


class _Builder:
    """One pass over the events of one text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.root: Node | None = None
        # One entry a collection that is open: its node, keys and items so far, and a key without its value.
        self.open: list[Node] = []
        self.keys: list[list[Node]] = []
        self.items: list[list[Node]] = []
        self.key: list[Node | None] = []
        self.anchors: dict[str, Node] = {}
        self.values = 0

    def build(self) -> Node | None:
        import yaml

        documents = 0
        try:
            for event in _events(self.source):
                kind = event.__class__
                if kind is yaml.ScalarEvent:
                    self.add(self.scalar(event))
                elif kind is yaml.MappingStartEvent:
                    self.enter(MAPPING, event)
                elif kind is yaml.SequenceStartEvent:
                    self.enter(SEQUENCE, event)
                elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                    self.leave(event)
                elif kind is yaml.AliasEvent:
                    self.add(self.alias(event))
                elif kind is yaml.DocumentStartEvent:
                    documents += 1
                    if documents > 1:
                        raise Fault(
                            "the front matter holds several YAML documents",
                            event.start_mark.index,
                            "keep one document between the fences",
                        )
        except Fault:
            raise
        except yaml.YAMLError as error:
            raise explain(self.source, error) from None
        except MemoryError:
            raise
        except Exception as error:
            # PyYAML also lets ValueError, OverflowError, RecursionError and others escape from its depths.
            raise Fault(f"the YAML parser failed: {error}", 0, "quote the values or simplify them") from error
        return self._mapping_or_nothing()

    def _mapping_or_nothing(self) -> Node | None:
        root = self.root
        if root is None or root.kind == MAPPING:
            return root
        if root.kind == SCALAR and root.full_start == root.end:
            return None
        raise Fault(
            "the front matter is no mapping",
            root.full_start,
            "write one `name: value` a line; a body that starts with a rule can use *** instead",
        )

    def add(self, node: Node) -> None:
        """Put a finished or just opened node into the collection that is open."""
        self.values += node.weight
        if self.values > MAX_VALUES:
            raise Fault(
                f"the front matter holds more than {MAX_VALUES} keys and values, repeated ones included",
                node.full_start,
                "move long material into the body, and write repeated values once",
            )
        if not self.open:
            self.root = node
            return
        parent, items = self.open[-1], self.items[-1]
        if parent.kind == SEQUENCE:
            items.append(node)
            parent.value.append(node.value)
            return
        key = self.key[-1]
        if key is None:
            self.key[-1] = self.checked_key(parent, node)
        else:
            self.keys[-1].append(key)
            items.append(node)
            parent.value[key.value] = node.value
            self.key[-1] = None

    def checked_key(self, parent: Node, node: Node) -> Node:
        if node.kind != SCALAR:
            raise Fault("a key is no text", node.full_start, "use plain text before the colon")
        if node.value == "<<" and not node.style and not node.tagged:
            raise Fault(
                "merge keys (<<) are not supported",
                node.full_start,
                "write the merged fields out, or quote the key",
            )
        if node.value in parent.value:
            raise Fault(
                f"the key {node.value[:80]!r} stands twice",
                node.full_start,
                "keep one of the two and remove the other",
            )
        return node

    def scalar(self, event: Any) -> Node:
        text: str = event.value
        style: str = event.style
        tag: str | None = event.tag
        node = Node(SCALAR, event.start_mark.index, event.end_mark.index, text)
        if tag is not None or event.anchor is not None:
            self.properties(node, event)
        if style:
            node.style = style
            if style == "|" or style == ">":
                node.end = block_end(self.source, node.start, node.end)
            elif style == '"' and not text.isascii():
                _refuse_surrogates(text, node.start)
        is_key = bool(self.key) and self.key[-1] is None and self.open[-1].kind == MAPPING
        try:
            if tag is not None and tag != "!":
                value = _tagged(tag, text)
                node.value = text if is_key else value
            elif not style and tag is None and not is_key:
                node.value = resolve(text)
        except NotJson as error:
            raise Fault(str(error), node.full_start, "quote it if it is meant as text") from None
        return node

    def alias(self, event: Any) -> Node:
        start: int = event.start_mark.index
        target = self.anchors.get(event.anchor)
        if target is None:
            raise Fault(
                f"the alias *{event.anchor[:80]} has no anchor before it",
                start,
                f'quote the value if the * belongs to it: "*{event.anchor[:80]}"',
            )
        if any(parent is target for parent in self.open):
            raise Fault(f"the anchor &{event.anchor[:80]} contains itself", start, "write the value out")
        if len(self.open) + target.height > MAX_DEPTH:
            raise _too_deep(start)
        target.shared = True
        node = Node(ALIAS, start, event.end_mark.index, None)
        node.weight = target.weight
        node.height = target.height
        if self.values + node.weight <= MAX_VALUES:
            node.value = _copy(target.value)
        return node

    def enter(self, kind: int, event: Any) -> None:
        start: int = event.start_mark.index
        if len(self.open) >= MAX_DEPTH:
            raise _too_deep(start)
        node = Node(kind, start, start, {} if kind == MAPPING else [])
        node.flow = bool(event.flow_style)
        if event.tag is not None or event.anchor is not None:
            self.properties(node, event)
            if event.tag not in (None, "!", _CORE + ("map" if kind == MAPPING else "seq")):
                raise _foreign_tag(event.tag, start)
        self.add(node)
        self.open.append(node)
        self.key.append(None)
        self.keys.append([])
        self.items.append([])

    def leave(self, event: Any) -> None:
        node = self.open.pop()
        self.key.pop()
        node.keys, node.items = self.keys.pop(), self.items.pop()
        if node.flow:
            node.end = event.end_mark.index
        elif node.items:
            node.end = max(node.items[-1].end, node.keys[-1].end if node.keys else 0)
        if self.anchors:
            # Only what has an anchor, or stands inside of such, can be repeated.
            node.weight = 1 + len(node.keys) + sum(item.weight for item in node.items)
            node.height = 1 + max((item.height for item in node.items), default=0)

    def properties(self, node: Node, event: Any) -> None:
        """Find where the value itself starts behind its anchor and tag."""
        at = node.start
        while (found := _PROPERTY.match(self.source, at)) is not None and found.end() > at:
            node.properties_end = found.end()
            gap = GAP.match(self.source, node.properties_end)
            at = gap.end() if gap is not None else node.properties_end
        node.start = min(at, node.end) if node.kind == SCALAR else at
        if node.kind == SCALAR and node.end <= node.properties_end:
            node.start = node.end = node.properties_end
        node.tagged = event.tag is not None
        if event.anchor is not None:
            self.anchors[event.anchor] = node


def _events(source: str) -> Iterator[Any]:
    import yaml

    # Without libyaml the parser in Python gives the same events at a tenth of the speed.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(source)
    try:
        while (event := loader.get_event()) is not None:
            yield event
    finally:
        loader.dispose()


def block_end(source: str, start: int, end: int) -> int:
    """The end of a block scalar's last line of content, without its line break and blank lines that don't
    count.
    """
    first = source.find("\n", start, end)
    if first < 0:
        return start + len(source[start:end].rstrip())
    header = source[start:first]
    if "+" in header.split("#")[0]:
        return start + len(source[start:end].removesuffix("\n").removesuffix("\r"))
    lines = source[first + 1 : end].split("\n")
    indent = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    while lines and (not lines[-1].strip() and len(lines[-1].rstrip("\r")) <= indent):
        lines.pop()
    if not lines:
        return start + len(header.rstrip())
    return first + 1 + len("\n".join(lines).removesuffix("\r"))


def _tagged(tag: str, text: str) -> Any:
    """The value of a scalar with an explicit tag. Raises NotJson."""
    name = tag.removeprefix(_CORE)
    if name == "str":
        return text
    if name not in _TYPES or name == tag:
        raise NotJson(f"the tag {_tag_name(tag)} is not supported")
    value = resolve(text)
    if name == "float" and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[name]:
        raise NotJson(f"{text[:30]!r} is not what its tag !!{name} says")
    return value


def _foreign_tag(tag: str, index: int) -> Fault:
    return Fault(f"the tag {_tag_name(tag)} is not supported here", index, "remove the tag")


def _tag_name(tag: str) -> str:
    return ("!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag)[:80]


def _too_deep(index: int) -> Fault:
    return Fault(
        f"the values are nested deeper than {MAX_DEPTH} levels",
        index,
        "flatten them, or put them into the body",
    )


def _refuse_surrogates(text: str, index: int) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Fault(
            "an escape stands for half a character (a surrogate)", index, "write the character itself"
        ) from None


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
