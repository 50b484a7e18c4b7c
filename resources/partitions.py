"""The one partitions definition of all file assets: a key per project folder, kept in step with the disk by the sensor
`folder_partitions`.

About 200 keys. Never one per file: Dagster stores several events per partition and run (shared/facts/dagster.md,
section 2).
"""

from __future__ import annotations

import dagster as dg

FOLDERS_NAME = "folder"
FOLDERS = dg.DynamicPartitionsDefinition(name=FOLDERS_NAME)

TEN_FOLDERS_A_RUN = dg.BackfillPolicy.multi_run(10)
"""How a backfill is cut: a run costs 4-11 s before its first line, and is retried as a whole."""
