"""What could be wrong, asked of the tables that the code itself writes: Dagster's asset checks, the alerts,
`ibhelm status` and `ibhelm scan` ask the same questions.
"""

from __future__ import annotations

from ibhelm_pipelines.db.question import Question
from ibhelm_pipelines.db.safety_checks import (
    BACKUP_QUESTIONS,
    DRILL_QUESTIONS,
    MANIFEST_QUESTIONS,
    MIRROR_QUESTIONS,
    RETENTION_QUESTIONS,
)


def _failure_rate(asset: str, step: str, what: str) -> Question:
    return Question(
        name=f"{step}_failure_rate",
        asset=asset,
        about=f"At most 5 % of the contents of one family fail to give {what}",
        problem=f"{{percent}} % of {{family}} fail to give {what}; families above 5 %: {{count}}.",
        next_step="Read the usual reason in the table; the failed rows of ops.step_results name each content.",
        severity="warning",
        query="failure_rate",
        parameters={"step": step},
        slow=True,
    )


def _outdated(asset: str, step: str, what: str) -> Question:
    return Question(
        name=f"{step}_outdated",
        asset=asset,
        about=f"Every {what} was made by the present version of its tool",
        problem=f"{{count}} contents have a {what} of an older tool only, most of them of the family {{family}}:"
        " {contents}.",
        next_step="The next scan makes them anew, a family after the other; the numbers fall with every run. If they"
        " stay, see why the last scans failed.",
        severity="warning",
        query="outdated",
        parameters={"step": step, "grace": "0"},
        patience={"step": step, "grace": "1 day"},  # a hundred thousand of them take hours
        slow=True,
    )


FILE_QUESTIONS = (
    Question(
        name="mass_deletion_refused",
        asset="nas_files",
        about="No scan had to refuse deletions because too many files vanished at once",
        problem="More files vanished than may at once, from {count} folders ({missing_files} from {folder}); "
        "none was marked deleted.",
        next_step="See whether the folder was moved or not mounted. If the files are meant to be gone: "
        "`ibhelm scan --confirm-deletions {scan}`.",
    ),
    Question(
        name="unreadable_paths",
        asset="nas_files",
        about="Every file and folder of the share can be read",
        problem="{count} files or folders cannot be read, such as {path}: {reason}.",
        next_step="Give the scanner's user the right to read them; the next scan takes them up.",
        parameters={"grace": "0"},
        patience={"grace": "15 minutes"},  # a big file that is being copied onto the share is read when it is there
    ),
    Question(
        name="bit_rot_open",
        asset="nas_files",
        about="No file changed its bytes without changing size and time",
        problem="{count} files changed their bytes behind the back of the file system, such as {path}.",
        next_step="Check the disks of the NAS; the good original is still stored under the expected hash.",
    ),
    Question(
        name="folders_not_scanned",
        asset="nas_files",
        about="Every folder had a complete scan in the last two days",
        problem="{count} folders had no complete scan for two days, such as {folder}.",
        next_step="See in the list of runs why the last scans failed; `ibhelm doctor` tells whether the share is up.",
    ),
    Question(
        name="contents_not_stored",
        asset="stored_originals",
        about="The original of every live file is stored in S3",
        problem="{count} contents are not stored yet, such as that of {for_example}.",
        next_step="The next scan tries again. If the number stays, see the column `reason` and `ibhelm doctor`.",
        parameters={"grace": "0"},
        patience={"grace": "1 day"},  # of those that nobody tried yet: a first scan meets more than it stores
        slow=True,
    ),
    _failure_rate("stored_originals", "store", "a stored original"),
    _failure_rate("thumbnails", "thumbnail", "a preview"),
    _failure_rate("extracted_text", "text", "text"),
    _outdated("thumbnails", "thumbnail", "preview"),
    _outdated("extracted_text", "text", "text"),
)
"""What a scan puts right, or has to report."""

LIVE_QUESTIONS = (
    Question(
        name="live_queue_lag",
        asset="nas_files",
        about="No change that was noticed waits for more than five minutes",
        problem="{count} changes wait for up to {minutes} minutes, such as {label}{why}.",
        next_step="See in `ibhelm status` whether a worker runs; `ibhelm up` keeps one running, `ibhelm work` is one"
        " more. The quick scans and syncs find the same changes meanwhile.",
    ),
    Question(
        name="poisoned_events",
        asset="nas_files",
        about="No change that was noticed was given up",
        problem="{count} changes were given up after {attempts} tries, such as {label}: {error}",
        next_step="Put the cause right; the next scan of the whole share makes up for them, or `ibhelm scan` now. For"
        " those of a vendor it is the nightly sync, or `ibhelm sync VENDOR --full`.",
    ),
    Question(
        name="silent_processes",
        asset="nas_files",
        about="Every process of the live lane gave a sign of life in the last two minutes, or ended in good order",
        problem="{count} processes gave no sign of life for two minutes: {process} on {host}, last at"
        " {last_sign_of_life}.",
        next_step="See its log; `ibhelm up` starts it again where it stood. Of a host that is gone for good, delete the"
        " row in ops.heartbeats.",
    ),
    Question(
        name="watcher_problem",
        asset="nas_files",
        about="No process of the live lane says that something is wrong with it",
        problem="{count} processes say that something is wrong: {process}: {problem}",
        next_step="It goes on by itself when that is put right; the quick scans find the changes meanwhile.",
        severity="warning",
    ),
)
"""Whether changes arrive within seconds; a scan neither causes nor cures that."""


def _vendor_questions(vendor: str, *, asset: str, sees: str) -> tuple[Question, ...]:
    """Return what is asked of every vendor whose lists are read."""
    name = vendor.capitalize()
    also_told = {"vendor": vendor, "also_told": "true"}
    return (
        Question(
            name=f"{vendor}_stale",
            asset=asset,
            about=f"Every list of {name} was read to its end in the last half an hour",
            problem=f"{{count}} lists of {name} were not read to their end for half an hour, such as {{list}}, last at"
            " {last_read}.",
            next_step=f"See the last runs of sync_{vendor} in the Dagster UI, or run `ibhelm sync {vendor}`.",
            query="vendor_stale",
            parameters=also_told,
            patience={"also_told": "false"},
        ),
        Question(
            name=f"{vendor}_not_reconciled",
            asset=asset,
            about=f"Every list of {name} was read in full in the last two days, so that what vanished is known",
            problem=f"{{count}} lists of {name} were not read in full for two days, such as {{list}}: what vanished"
            " there is still shown.",
            next_step=f"Run `ibhelm sync {vendor} --full`, and see in the list of runs why the nightly ones failed.",
            query="vendor_not_reconciled",
            parameters=also_told,
            patience={"also_told": "false"},
        ),
        Question(
            name=f"{vendor}_deletions_refused",
            asset=asset,
            about=f"No more vanished from {name} at once than can be believed",
            problem=f"{{vanished}} of {{list}} vanished from {name} at once, too many to be believed; none of them was"
            " marked deleted. Lists with such a loss: {count}.",
            next_step=f"See in {name} whether they are gone, and whether the user of our token still sees all"
            f" {sees}. If they are meant to be gone: `ibhelm sync {vendor} --full --confirm-deletions`.",
            query="vendor_deletions_refused",
            parameters={"vendor": vendor},
        ),
        Question(
            name=f"{vendor}_rows_not_understood",
            asset=asset,
            about=f"Everything that {name} says is understood",
            problem=f"{{count}} things of {name} could not be understood, such as {{id}} of {{list}}: {{error}}",
            next_step="Their rows are missing or old. Report it with this sentence; ops.raw_records holds what came.",
            severity="warning",
            query="vendor_rows_not_understood",
            parameters={"vendor": vendor},
        ),
    )


TEAMWORK_QUESTIONS = (
    *_vendor_questions("teamwork", asset="teamwork_tasks", sees="projects"),
    Question(
        name="teamwork_webhook_switched_off",
        asset="teamwork_tasks",
        about="Every webhook that we installed in Teamwork is active, and stays so",
        problem="{count} webhooks in Teamwork do not work, such as that of {event}: {status}.",
        next_step="See whether {url} reaches `ibhelm webhooks` from outside, then run `ibhelm teamwork-webhooks install"
        " {url}`. Changes come every few minutes meanwhile.",
    ),
)
"""Whether the tables are what Teamwork has; each sync puts it right, or has to report it."""

MISSIVE_QUESTIONS = (
    *_vendor_questions("missive", asset="missive_conversations", sees="teams and mailboxes"),
    Question(
        name="missive_messages_missing",
        asset="missive_emails",
        about="Of every conversation as many messages are stored as Missive counts",
        problem="Of {count} conversations not as many messages are stored as Missive counts, {messages} in all; such as"
        " {conversation}: {stored} of {messages_count}.",
        next_step="The nightly sync reads them again, or `ibhelm sync missive --full` now. If the number stays, open"
        " such a conversation in Missive and count; then report it.",
        parameters={"also_due": "true"},
        patience={"also_due": "false"},  # what is due is on its way: missive_conversations_not_read tells when not
        slow=True,
    ),
    Question(
        name="missive_conversations_not_read",
        asset="missive_emails",
        about="No conversation whose mails and comments changed waits for more than two hours to be read",
        problem="{count} conversations cannot be read, such as {conversation}: {error}",
        next_step="What is stored of them is old. It is tried again and again; if it stays, open the conversation in"
        " Missive, and report it with this sentence.",
        parameters={"also_waiting": "true"},
        patience={"also_waiting": "false"},  # a first reading takes hours, and comes to each of them
    ),
    Question(
        name="forgetting_unfinished",
        asset="missive_emails",
        about="Whoever was to be forgotten is",
        problem="Of people who were to be forgotten something is left since {since}: {left_over}, {count} in all.",
        next_step="A run was interrupted. Run `ibhelm forget` for the same address again: it removes the rest.",
    ),
    Question(
        name="missive_webhooks_silent",
        asset="missive_conversations",
        about="Missive's webhooks name conversations in which the syncs find something new",
        problem="{conversations} conversations had something new in the last day of which Missive's rules of the kind"
        " {event} should have told, and no post named any of them. Kinds of which that is true: {count}.",
        next_step="Missive switches rules off that fail, and tells nobody: see in its settings whether the rules to"
        " {url} are on and have the secret, and whether that address reaches `ibhelm webhooks`. The syncs find the"
        " changes meanwhile.",
        severity="warning",
    ),
    Question(
        name="attachments_not_saved",
        asset="email_attachments",
        about="Every attachment that the rules do not skip could be put on the NAS",
        problem="{count} attachments could not be put on the NAS, such as {attachment} of {of_mail}: {reason}",
        next_step="What was not given up is tried again, at last daily. The rest is in Missive only; the column"
        " `reason` says why.",
        severity="warning",
    ),
    Question(
        name="attachments_not_found",
        asset="email_attachments",
        about="Every attachment that was put on the NAS was found there by a scan",
        problem="{count} attachments were put on the NAS more than an hour ago, and no scan has found them, such as"
        " {attachment}.",
        next_step="See whether the scans go well: `ibhelm status`, or `ibhelm scan` now.",
        severity="warning",
    ),
)
"""Whether the tables are what Missive has, and its attachments on the NAS; each sync puts it right, or reports it."""

REGISTER_QUESTIONS = (
    Question(
        name="folder_without_project",
        asset="projects",
        about="No folder without a project resembles a project without a folder",
        problem="{count} folders of the NAS belong to no project though one without a folder has a similar name, such"
        " as {folder} ({files} files): {project}.",
        next_step="If they belong together, add a row to folder_mappings with that folder and project, in NocoDB or"
        " with SQL; if not, rename one of them. All folders without a project: unmatched_folders.",
        severity="warning",
    ),
    Question(
        name="folder_mapping_without_effect",
        asset="projects",
        about="Every row of folder_mappings has files and a live project",
        problem="{count} rows of folder_mappings have no effect, such as {folder} for {project}: {why}.",
        next_step="Correct the row or delete it; the path is that below the NAS root, as it is spelt there. A folder"
        " that was renamed needs its new name.",
        severity="warning",
    ),
    Question(
        name="rule_without_effect",
        asset="item_links",
        about="Every rule of link_rules that is on can decide something",
        problem="{count} rules of link_rules can decide nothing, such as {rule}: {why}.",
        next_step="Correct the rule in NocoDB, switch it off or delete it; `ibhelm rules test` shows what a rule does.",
        severity="warning",
    ),
    Question(
        name="links_not_computed",
        asset="item_links",
        about="All links were computed anew in the last two days",
        problem="Links were last computed {last_time}: what was added or changed since may have none, or old ones.",
        next_step="See in the Dagster UI why the last runs of `register` failed, or run `ibhelm rules apply --all`.",
    ),
)
"""Whether the register is in order. That an office's files lack this or that is no trouble: `ibhelm status` counts it,
and the views named ..._missing_metadata list it."""

SEARCH_QUESTIONS = (
    Question(
        name="documents_missing",
        asset="search_documents",
        about="Every live file, mail, comment and task that came more than an hour ago can be found",
        problem="{count} things that came more than an hour ago cannot be found, such as the {kind} {what}.",
        next_step="See in the Dagster UI why the last runs of `search` failed; the asset search_documents makes all"
        " documents anew.",
        slow=True,
    ),
    Question(
        name="documents_of_deleted",
        asset="search_documents",
        about="Nothing that is gone can be found",
        problem="{count} documents of things that are gone can still be found, such as {title} ({kind}).",
        next_step="The next run of `search` removes them. If they come back, report it with this sentence.",
        slow=True,
    ),
    Question(
        name="documents_overdue",
        asset="search_documents",
        about="What can be found was brought in line with what there is within the last hour",
        problem="What can be found was last brought in line {last_time}: what was added or changed since may not be"
        " found.",
        next_step="See in the Dagster UI why the last runs of `search` failed or wait.",
    ),
    Question(
        name="documents_failed",
        asset="search_documents",
        about="A document could be made of everything",
        problem="Of {count} things no document could be made, such as {kind} number {item_id}: {error}.",
        next_step="They are not found, or with old words. The log of the last run of `search` has the traceback: report"
        " it. They are tried again when they change, and every night.",
        severity="warning",
    ),
)
"""Whether all that there is can be found, and nothing else."""

EMBEDDING_QUESTIONS = (
    Question(
        name="texts_without_vectors",
        asset="embeddings",
        about="Every text that is a day old can be found by its meaning",
        problem="{missing} texts can be found by their words only, some for more than a day. Model {model}:"
        " {sentence}.",
        next_step="If that is too long: a machine with a GPU and a model of sentence-transformers, or more processes"
        " (a backfill of the asset `embeddings`). If none came in the last hour, see the last runs of the job `embed`.",
        severity="warning",
        slow=True,
    ),
    Question(
        name="embedding_model_not_serving",
        asset="embeddings",
        about="Questions are answered by the model that the settings name",
        problem="IBHELM_EMBEDDING_MODEL is {wanted}, and {serving} still answers. {wanted}: {sentence}.",
        next_step="It takes over when it has looked at every text. A backfill of the asset `embeddings` takes all there"
        " is of the machine; or set IBHELM_EMBEDDING_MODEL back.",
        severity="warning",
        slow=True,
    ),
    Question(
        name="embedding_problem",
        asset="embeddings",
        about="The model that the settings name can be used",
        problem="Texts get no vectors: {problem}",
        next_step="What is new is found by its words only until then.",
    ),
    Question(
        name="texts_not_embedded",
        asset="embeddings",
        about="The model can read every text",
        problem="The model cannot read {count} texts, such as {title}: {reason}",
        next_step="They are found by their words; each is tried again once a day, five times.",
        severity="warning",
    ),
    Question(
        name="vectors_incomplete",
        asset="embeddings",
        about="Of every text that is said to have vectors all are there",
        problem="{expected} vectors of model {model} should be there, and {found} are.",
        next_step="Somebody changed them behind our back: delete the rows of that model in search.embedded_texts, and"
        " they are made anew.",
        slow=True,
    ),
)
"""Whether all texts are found by their meaning; each slice of the job `embed` puts it right, or says how long yet."""

QUESTIONS = (
    FILE_QUESTIONS
    + LIVE_QUESTIONS
    + TEAMWORK_QUESTIONS
    + MISSIVE_QUESTIONS
    + REGISTER_QUESTIONS
    + SEARCH_QUESTIONS
    + EMBEDDING_QUESTIONS
    + MANIFEST_QUESTIONS
    + BACKUP_QUESTIONS
    + DRILL_QUESTIONS
    + MIRROR_QUESTIONS
    + RETENTION_QUESTIONS
)
