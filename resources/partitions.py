"""The three partitions definitions: of all file assets a key per project folder, kept in step with the disk by the
sensor `folder_partitions`; of Missive's contents a key per month; of vectors a key per bucket of texts.

About 200 keys each. Never one per file or mail: Dagster stores several events per partition and run
(shared/facts/dagster.md, section 2).
"""

from __future__ import annotations

import dagster as dg

from ibhelm_pipelines.search.embedding_ledger import BUCKETS

FOLDERS_NAME = "folder"
FOLDERS = dg.DynamicPartitionsDefinition(name=FOLDERS_NAME)

MONTHS = dg.MonthlyPartitionsDefinition(start_date="2015-01-01", timezone="UTC", end_offset=1)
"""The month of a conversation's last activity, the present one included. What bears an older date, or one of the
future, is stored likewise, and only told in no month."""

TEXTS = dg.StaticPartitionsDefinition(list(BUCKETS))
"""Texts by the first hex digit of their key, about as many in each."""

TEN_A_RUN = dg.BackfillPolicy.multi_run(10)
"""How a backfill is cut: a run costs 4-11 s before its first line, and is retried as a whole."""
