"""Claims about the budget of requests that all processes share: a real Postgres, real processes, real time."""

from __future__ import annotations

from ibhelm_pipelines.vendors.budget import Budget


def test_a_turn_comes_with_postgres_time(database_url):
    with Budget(database_url, vendor="teamwork", per_minute=6000) as budget:
        turns = [budget.take() for _ in range(700)]
    assert turns == sorted(turns)
    budget.pause(1)
    budget.take()
    budget.pause(400)
    budget.take()
