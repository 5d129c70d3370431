"""A handler with which python-frontmatter reads documents exactly as mdcoord does.

`frontmatter.load(path, handler=MdcoordHandler())` gives values in YAML 1.2 core typing and refuses what
mdcoord refuses. Importing this module needs python-frontmatter; nothing else in mdcoord does. For changing
documents use `Document.edit`: python-frontmatter writes whole files anew, without their comments.
"""

from __future__ import annotations

import re
from typing import Any

from frontmatter.default_handlers import BaseHandler

from mdcoord.formats.document import Document


class MdcoordHandler(BaseHandler):
    """Reads and writes front matter as `Document` does. Line numbers in errors count from the opening
    fence.
    """

    FM_BOUNDARY = re.compile(r"\ufeff?---[ \t]*$", re.MULTILINE)
    START_DELIMITER = END_DELIMITER = "---"

    def split(self, text: str) -> tuple[str, str]:
        """The text between the fences and the body. Raises ValueError where there are none, and
        InvalidDocument.
        """
        document = Document.parse(text)
        if not document.has_front_matter:
            raise ValueError("no front matter")
        return document.front_matter, document.body

    def load(self, fm: str) -> dict[str, Any]:
        """The values of a front matter. Raises InvalidDocument."""
        return Document.parse(f"---\n{fm}\n---\n").fields

    def export(self, metadata: dict[str, object], **options: object) -> str:
        """Values as front matter in their order; options for dumpers are ignored. Raises UsageError."""
        return Document.create(metadata).front_matter.rstrip("\n")
