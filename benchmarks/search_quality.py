"""Measures how well the search finds: nDCG@10 and recall@20 of judged German queries, by kind and by lane.

    python -m benchmarks.search_quality --keep                            # the table
    python -m benchmarks.search_quality --keep --kinds typos --worst 10   # what is worst, and what came instead
    python -m benchmarks.search_quality --keep --half tune --lanes hybrid
    python -m benchmarks.search_quality --office corpus                   # over real files instead of the demo office
    python -m benchmarks.search_quality --write                           # into docs/search-quality.md

The offices and the judgements are those of the tests (tests/search_judged/). With `--keep`, database and NAS stay in
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
from ibhelm_pipelines.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

import search_quality  # noqa: E402 - lies in tests/
from search_corpus import corpus_office  # noqa: E402
from search_office import DEMO  # noqa: E402

CORPUS = REPOSITORY.parent / "shared" / "corpus"
OFFICES = {"demo": DEMO, "corpus": corpus_office(CORPUS)}
KEPT = Path(tempfile.gettempdir()) / "ibhelm-search-quality"
PAGE = REPOSITORY / "docs" / "search-quality.md"
MODEL = "IBHELM_TEST_EMBEDDING_MODEL"


def main() -> None:
    arguments = _arguments()
    office = OFFICES[arguments.office]
    with ExitStack() as stack:
        settings = _settings(stack, arguments)
        search_quality.index(office, settings, everything=arguments.reindex)
        queries = [
            each
            for each in search_quality.judged_queries(office, settings)
            if (not arguments.kinds or each.kind in arguments.kinds) and arguments.half in (None, each.half)
        ]
        started = time.perf_counter()
        answers = search_quality.measure(office, settings, queries, lanes=arguments.lanes, progress=lambda _: None)
        seconds = time.perf_counter() - started
    table = search_quality.table(answers)
    print(table, f"{len(queries)} queries in {len(answers)} lanes: {seconds:.1f} s", sep="\n\n")
    if arguments.worst:
        print("", search_quality.worst(answers[arguments.lanes[-1]], arguments.worst), sep="\n")
    if arguments.write:
        _write(arguments.office, table, settings.embedding_model)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--office", choices=OFFICES, default="demo", help=f"corpus: the real files in {CORPUS}")
    parser.add_argument("--keep", action="store_true", help=f"the office stays in {KEPT}-…")
    parser.add_argument("--fresh", action="store_true", help="make the kept office anew")
    parser.add_argument("--reindex", action="store_true", help="make all documents anew")
    parser.add_argument("--kinds", nargs="+", help="only queries of these kinds")
    parser.add_argument("--half", choices=("tune", "check"), help="only this half of the queries")
    parser.add_argument("--lanes", nargs="+", choices=search_quality.LANES, default=list(search_quality.LANES))
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="show the N worst answers of the last lane")
    parser.add_argument("--model", default=os.environ.get(MODEL, "light"), help=f"of the vectors; ${MODEL}")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(REPOSITORY)}")
    return parser.parse_args()


def _settings(stack: ExitStack, arguments: argparse.Namespace) -> Settings:
    if arguments.keep:
        folder = KEPT.with_name(f"{KEPT.name}-{arguments.office}")
    else:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ibhelm-bench-")))
    if arguments.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        return _filed(stack, folder, arguments)
    except PermanentError:  # migrations that had run were edited: what is kept is of another schema
        stack.pop_all().close()
        shutil.rmtree(folder)
        return _filed(stack, folder, arguments)


def _filed(stack: ExitStack, folder: Path, arguments: argparse.Namespace) -> Settings:
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
        embedding_model=arguments.model,
    )
    if not (folder / "filed").exists():
        shutil.rmtree(folder / "office", ignore_errors=True)
        _read(OFFICES[arguments.office], settings, folder)
        (folder / "filed").touch()
    return settings


def _read(office: search_quality.Office, settings: Settings, folder: Path) -> None:
    office.make_nas(folder / "office")
    store = EmbeddedS3(folder=folder / "s3", bucket="quality")
    store.start()
    try:
        office.read(settings.model_copy(update={"s3_endpoint": store.endpoint, "s3_bucket": "quality"}))
    finally:
        store.stop()


def _write(office: str, table: str, model: str) -> None:
    begin, end = f"<!-- measured {office} -->", f"<!-- /measured {office} -->"
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    tail = rest.partition(end)[2]
    PAGE.write_text(f"{head}{begin}\n\nModel `{model}`:\n\n{table}\n\n{end}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
