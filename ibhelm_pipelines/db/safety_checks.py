"""What could be wrong with what the office falls back on: backups, drills, the mirror in S3, manifests, retention."""

from __future__ import annotations

from ibhelm_pipelines.db.question import Question

BACKUP_QUESTIONS = (
    Question(
        name="backup_too_old",
        asset="database_backup",
        about="There is a backup of the database that is at most 26 hours old",
        problem="The newest backup of the database is from {newest}.",
        next_step="See in the Dagster UI why the last runs of `backup` failed, or run `ibhelm backup` now.",
    ),
    Question(
        name="backup_failed",
        asset="database_backup",
        about="The newest backup of each database was made",
        problem="The backup of the database {database} failed at {started}: {error}",
        next_step="Put that right and run `ibhelm backup`. Older backups stay until one is made: `ibhelm backups`.",
    ),
)
"""Whether there is something to restore from."""

DRILL_QUESTIONS = (
    Question(
        name="restore_drill_failed",
        asset="restore_drill",
        about="The last drill restored a backup and found it to be what was dumped",
        problem="The restore drill of {started} failed: {problems}",
        next_step="Run `ibhelm backup`, then the job `drill` in the Dagster UI. docs/backup.md explains the findings.",
    ),
    Question(
        name="restore_drill_too_old",
        asset="restore_drill",
        about="A backup was restored on trial in the last eight days",
        problem="No backup was restored on trial since {last_time}: nobody knows whether one can be.",
        next_step="See in the Dagster UI why the last runs of `drill` failed or wait.",
    ),
    Question(
        name="restore_drill_without_key",
        asset="restore_drill",
        about="The last drill could open the backup",
        problem="The restore drill of {started} had no key: only the hash of the encrypted backup was compared.",
        next_step="Set IBHELM_BACKUP_IDENTITY_FILE on this machine, or try a restore by hand where the key is, each"
        " quarter: docs/backup.md.",
        severity="warning",
    ),
)
"""Whether it is known that it can be restored from."""

MIRROR_QUESTIONS = (
    Question(
        name="objects_missing",
        asset="mirror_verification",
        about="Every object in S3 that should be there is, and is whole",
        problem="{count} objects in S3 are missing or cut off and could not be put back, such as of {paths}: {why}.",
        next_step="If the file is in a snapshot or backup of the NAS, put it back onto the NAS: the next scan and"
        " `ibhelm verify` upload it again. Until then these days of it cannot be restored.",
        query="object_problems",
        parameters={"kinds": "missing wrong_size"},
    ),
    Question(
        name="objects_rotten",
        asset="mirror_verification",
        about="Every object in S3 that was read back holds what it should",
        problem="{count} objects in S3 hold wrong bytes and could not be put right, such as of {paths}: {why}.",
        next_step="Look at the disks of the S3 server. If the file is in a snapshot or backup of the NAS, put it back"
        " onto the NAS: the next scan and `ibhelm verify` upload it again.",
        query="object_problems",
        parameters={"kinds": "rotten unreadable"},
    ),
    Question(
        name="verification_refused",
        asset="mirror_verification",
        about="The bucket holds what it should, by and large",
        problem="The verification of {since} concluded nothing: {refused}",
        next_step="See whether IBHELM_S3_ENDPOINT and IBHELM_S3_BUCKET name the right bucket. If it was lost, fill it"
        " again from the NAS: `ibhelm verify --rebuild BUCKET`.",
    ),
    Question(
        name="verification_behind",
        asset="mirror_verification",
        about="Every object in S3 was read back within 33 days, and the bucket was looked at within two",
        problem="{count} objects in S3 were not verified in time: {why}.",
        next_step="See in the Dagster UI why the last runs of `mirror_verification` failed, or run `ibhelm verify`.",
        slow=True,
    ),
)
"""Whether what is stored in S3 is there and right; each verification heals what it can."""

MANIFEST_QUESTIONS = (
    Question(
        name="manifests_behind",
        asset="folder_manifests",
        about="What was where is in the bucket, too, as it was at most 26 hours ago",
        problem="The manifests in the bucket, from which it is restored without a database, were last written"
        " {newest}{why}.",
        next_step="See in the Dagster UI why the last runs of `write_manifests` failed or wait, and start one.",
    ),
)
"""Whether the bucket alone would do."""

RETENTION_QUESTIONS = (
    Question(
        name="retention_refused",
        asset="retention",
        about="What is past its retention could be purged",
        problem="The retention of {since} purged nothing: {refused}",
        next_step="See with `ibhelm retention --dry-run` what would go, and the clocks of this machine and of Postgres;"
        " if it is meant so, `ibhelm retention --confirm`.",
    ),
    Question(
        name="objects_not_deleted",
        asset="retention",
        about="Objects whose rows were purged or forgotten are deleted from S3",
        problem="{count} objects in S3 should be deleted since {since} and are still there, such as {key}.",
        next_step="See in the Dagster UI why the last runs of `retention` failed. A bucket with object lock refuses to"
        " delete until its time is over.",
    ),
)
"""Whether what must go is gone."""
