"""Measures how well the search finds: nDCG@10 and recall@20 of judged German queries, by kind and by lane.

    python -m benchmarks.search_quality --keep                            # the table
    python -m benchmarks.search_quality --keep --kinds typos --worst 10   # what is worst, and what came instead
    python -m benchmarks.search_quality --keep --half tune --lanes hybrid
    python -m benchmarks.search_quality --write                           # into docs/search-quality.md

The office and the judgements are those of the tests (tests/search_judged/). With `--keep`, database and NAS stay in
a folder for the next run, which makes only those documents and vectors anew that changed; `--reindex` makes all
documents anew, for a change of the analysis without a new version. Tune the ranking by the half `tune` only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks._pipeline import pipeline_url
from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.search.embedding import embed
from ibhelm_pipelines.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

import search_office  # noqa: E402 - lies in tests/
import search_quality  # noqa: E402
from kept_vectors import kept_vectors  # noqa: E402

KEPT = Path(tempfile.gettempdir()) / "ibhelm-search-quality"
PAGE = REPOSITORY / "docs" / "search-quality.md"
MODEL = "IBHELM_TEST_EMBEDDING_MODEL"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def main() -> None:
    arguments = _arguments()
    with ExitStack() as stack:
        settings = _office(stack, arguments)
        index_documents(settings, everything=arguments.reindex)
        with kept_vectors():
            embed(settings)
        queries = [
            each
            for each in search_quality.judged_queries(settings)
            if (not arguments.kinds or each.kind in arguments.kinds) and arguments.half in (None, each.half)
        ]
        started = time.perf_counter()
        answers = search_quality.measure(settings, queries, lanes=arguments.lanes, progress=lambda _: None)
        seconds = time.perf_counter() - started
    table = search_quality.table(answers)
    print(table, f"{len(queries)} queries in {len(answers)} lanes: {seconds:.1f} s", sep="\n\n")
    if arguments.worst:
        print("", search_quality.worst(answers[arguments.lanes[-1]], arguments.worst), sep="\n")
    if arguments.write:
        _write(table, settings.embedding_model)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help=f"the office stays in {KEPT}")
    parser.add_argument("--fresh", action="store_true", help="make the kept office anew")
    parser.add_argument("--reindex", action="store_true", help="make all documents anew")
    parser.add_argument("--kinds", nargs="+", help="only queries of these kinds")
    parser.add_argument("--half", choices=("tune", "check"), help="only this half of the queries")
    parser.add_argument("--lanes", nargs="+", choices=search_quality.LANES, default=list(search_quality.LANES))
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="show the N worst answers of the last lane")
    parser.add_argument("--model", default=os.environ.get(MODEL, "light"), help=f"of the vectors; ${MODEL}")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(REPOSITORY)}")
    return parser.parse_args()


def _office(stack: ExitStack, arguments: argparse.Namespace) -> Settings:
    folder = KEPT if arguments.keep else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ibhelm-bench-")))
    if arguments.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        return _filed(stack, folder, arguments.model)
    except PermanentError:  # migrations that had run were edited: what is kept is of another schema
        stack.pop_all().close()
        shutil.rmtree(folder)
        return _filed(stack, folder, arguments.model)


def _filed(stack: ExitStack, folder: Path, model: str) -> Settings:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder=folder / "postgres")
    server.start()
    stack.callback(server.stop)
    settings = Settings(
        _env_file=None,
        nas_root=folder / "office" / "nas",
        state_dir=folder / "state",
        database_url=pipeline_url(server),
        embedding_model=model,
    )
    if not (folder / "filed").exists():
        shutil.rmtree(folder / "office", ignore_errors=True)
        search_office.make_nas(folder / "office")
        _file(settings, folder)
        (folder / "filed").touch()
    return settings


def _file(settings: Settings, folder: Path) -> None:
    store = EmbeddedS3(folder=folder / "s3", bucket="quality")
    store.start()
    try:
        search_office.file_office(settings.model_copy(update={"s3_endpoint": store.endpoint, "s3_bucket": "quality"}))
    finally:
        store.stop()


def _write(table: str, model: str) -> None:
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    measured = f"{BEGIN}\n\nModel `{model}`:\n\n{table}\n\n{END}"
    PAGE.write_text(f"{head}{measured}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
