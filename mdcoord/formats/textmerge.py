"""Three-way merge of prose by lines; where both sides changed them, both stay, and the tool's are quoted."""

from __future__ import annotations

from difflib import SequenceMatcher

Hunk = tuple[int, int, list[str]]
"""A change: the old lines from here to there, and what stands in their place."""


def merge_text(base: str, tool: str, person: str) -> str:
    """The text with what both changed. Of lines that both changed the tool's follow the person's, quoted."""
    if tool in (base, person):
        return person
    if person == base:
        return tool
    old = base.splitlines(keepends=True)
    ours = _hunks(old, tool.splitlines(keepends=True))
    theirs = _hunks(old, person.splitlines(keepends=True))
    result: list[str] = []
    position = 0
    while ours or theirs:
        start, end = _next_region(ours, theirs)
        result += old[position:start]
        mine = _take(ours, old, start, end)
        other = _take(theirs, old, start, end)
        position, before = end, old[start:end]
        if other and mine[: len(other)] == other:
            result += mine  # which has all of it, perhaps from a merge that is done again
            continue
        result += other if other != before or mine == before else mine
        if mine not in ([], before) and other != before:
            result += _quoted(mine, result)
    return "".join([*result, *old[position:]])


def _hunks(old: list[str], new: list[str]) -> list[Hunk]:
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return [(i1, i2, new[j1:j2]) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]


def _next_region(ours: list[Hunk], theirs: list[Hunk]) -> tuple[int, int]:
    """The first range of old lines that a change touches, widened by every change that overlaps it."""
    start, end, _ = min(ours[:1] + theirs[:1], key=lambda hunk: hunk[:2])
    while True:
        wider = max(
            [
                end,
                *(
                    hunk[1]
                    for hunk in ours + theirs
                    if hunk[0] <= end and (hunk[0] < end or hunk[0] == start)
                ),
            ]
        )
        if wider == end:
            return start, end
        end = wider


def _take(hunks: list[Hunk], old: list[str], start: int, end: int) -> list[str]:
    """One side's text of a region; its changes are used up."""
    text: list[str] = []
    position = start
    while hunks and hunks[0][1] <= end and hunks[0][0] <= end:
        first, last, lines = hunks.pop(0)
        text += old[position:first] + lines
        position = last
    return text + old[position:end]


def _quoted(lines: list[str], before: list[str]) -> list[str]:
    lead = "" if not before or before[-1].endswith("\n") else "\n"
    return [f"{lead}> [!conflict] written at the same time:\n", *(f"> {line.rstrip()}\n" for line in lines)]
