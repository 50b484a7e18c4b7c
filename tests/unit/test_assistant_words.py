"""What an assistant is told about the search is what the search understands."""

from __future__ import annotations

import re

from ibhelm_pipelines.mcp_server import answers
from ibhelm_pipelines.mcp_server.archive import stretch
from ibhelm_pipelines.mcp_server.server import SEARCH
from ibhelm_pipelines.search.query import parse


def test_every_filter_that_an_assistant_is_told_of_is_one() -> None:
    named = re.findall(r"(?<!-)\b([a-z]+):[\w\"]", SEARCH)
    assert len(set(named)) > 10
    for field in set(named) - {"field"}:
        query = parse(f"{field}:2024")
        assert [each.field for each in query.filters] == [field], field


def test_a_text_is_given_in_stretches_that_join_to_the_whole_and_know_their_pages() -> None:
    text = "eins\fzwei\f\fvier"
    marked = text.replace("\f", "|")
    assert stretch(text, 0, 100).content == "eins\n[page 2]\nzwei\n[page 3]\n\n[page 4]\nvier"
    parts: list[answers.Text] = [stretch(text, 0, 3)]
    while (offset := parts[-1].next_offset) is not None:
        parts.append(stretch(text, offset, 3))
    joined = "".join(re.sub(r"\n\[page \d\]\n", "|", part.content) for part in parts)
    assert joined == marked
    assert [part.page for part in parts] == [1 + text[: part.offset].count("\f") for part in parts]
    assert stretch("ohne Seiten", 0, 4).page is None
    assert stretch("kurz", 99, 4) == answers.Text(content="", page=None, offset=99, total=4, next_offset=None)
