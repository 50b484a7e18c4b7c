"""Threads by message ids."""

from __future__ import annotations

import pytest

from ibhelm_pipelines.mail_body import thread_of


@pytest.mark.parametrize(
    ("message_id", "in_reply_to", "references", "thread"),
    [
        ("<c@x>", ["<b@x>"], ["<a@x>", "<b@x>"], "a@x"),
        ("<c@x>", "<b@x>", None, "b@x"),
        ("<c@x>", None, [], "c@x"),
        ("<c@x>", [""], [" "], "c@x"),
        ("<c@x>", None, "<a@x>\r\n\t<b@x>", "a@x"),
        ("<c@x>", None, ["<A@EXAMPLE.org> <b@x>"], "A@example.org"),
        ("c@x", None, None, "c@x"),
        ("< c@x >", None, None, "c@x"),
        ("<c@x>", None, "a@x, b@x", "a@x"),
        ("<no-domain>", None, None, "no-domain"),
        (None, None, None, None),
        ("<>", None, None, None),
    ],
)
def test_the_first_id_known_is_the_thread(
    message_id: str | None, in_reply_to: list[str] | str | None, references: list[str] | str | None, thread: str | None
) -> None:
    assert thread_of(message_id, in_reply_to, references) == thread


def test_a_mail_and_all_answers_to_it_share_a_thread_in_whatever_order_they_come() -> None:
    chain = [f"<{number}@Example.org>" for number in range(25)]
    assert {thread_of(each, chain[at - 1 : at], chain[:at]) for at, each in enumerate(chain)} == {"0@example.org"}
