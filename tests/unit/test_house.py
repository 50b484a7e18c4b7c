"""The house rules that no ready-made tool checks: sizes, docstrings, broad excepts, the error tree, the settings."""

from __future__ import annotations

import ast
import re
import runpy
import statistics
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

from ibhelm_pipelines import errors
from ibhelm_pipelines.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SOURCE_FOLDERS = ("ibhelm_pipelines", "assets", "resources", "sensors")
OTHER_FOLDERS = ("tests", "benchmarks", "deploy")

MAX_FILE_LINES = 600
MAX_DEFINITIONS_LINES = 60
MAX_FUNCTION_LINES = 60
MAX_MEDIAN_FUNCTION_LINES = 12
LONG_FUNCTION_LINES = 50
MAX_LONG_FUNCTION_SHARE = 0.04
MAX_TRY_BODY_LINES = 8

# Modules at an edge where anything at all may be raised. Each must re-raise or record it. Module: what it does with it.
BROAD_EXCEPT_EDGES = {
    "ibhelm_pipelines/content/jail.py": "records as a failed result what a reader of a hostile file raises",
    "ibhelm_pipelines/search/documents.py": "records that of a text no document could be made, and logs why",
    "ibhelm_pipelines/search/embedding.py": "records why a model cannot read a text, and logs it",
    "ibhelm_pipelines/search/transformer_model.py": "says why a model cannot be loaded, or logs it and takes PyTorch",
    "ibhelm_pipelines/live/working.py": "records why an item of the inbox failed, and logs it with its traceback",
    "ibhelm_pipelines/safety/backup.py": "writes down why a backup failed, and re-raises it",
    "ibhelm_pipelines/safety/database_swap.py": "drops the database that was not finished, and re-raises it",
    "ibhelm_pipelines/safety/drill.py": "writes down why a drill failed, and re-raises it",
    "ibhelm_pipelines/safety/encryption.py": "remembers what an end of a stream raised, which the library wraps",
    "resources/failures.py": "re-raises it, or the same without the secrets that it quotes",
}
# Errors that never leave their room; everything else is in errors.py, where callers look for it.
ERRORS_OF_ONE_ROOM = {
    "MissingError": "objects",
    "NonsenseError": "content",
    "OutOfBoundsError": "vendors",
    "RefusedPathError": "safety",
    "SheetFullError": "content",
    "TooSlowError": "content",
}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _nodes(kind: type[ast.AST] | tuple[type[ast.AST], ...], *folders: str) -> list[tuple[Path, ast.AST]]:
    return [(path, node) for path in _modules(*folders) for node in ast.walk(_tree(path)) if isinstance(node, kind)]


def _lines(node: ast.AST) -> int:
    return node.end_lineno - node.lineno + 1


def _where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


FUNCTIONS = _nodes((ast.FunctionDef, ast.AsyncFunctionDef), *SOURCE_FOLDERS)


def test_the_house_rules_look_at_the_whole_house():
    assert {path.relative_to(ROOT).parts[0] for path in _modules(*SOURCE_FOLDERS)} == set(SOURCE_FOLDERS)
    assert len(FUNCTIONS) > 50


def test_no_file_is_longer_than_600_lines():
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in _modules(*SOURCE_FOLDERS, *OTHER_FOLDERS)
    }
    assert [f"{path.relative_to(ROOT)}: {n} lines" for path, n in lengths.items() if n > MAX_FILE_LINES] == []


def test_no_function_is_longer_than_60_lines():
    assert [f"{_where(path, node)} {node.name}" for path, node in FUNCTIONS if _lines(node) > MAX_FUNCTION_LINES] == []


def test_functions_are_short_as_a_rule():
    lengths = [_lines(node) for _, node in FUNCTIONS]
    assert statistics.median(lengths) <= MAX_MEDIAN_FUNCTION_LINES
    assert sum(n > LONG_FUNCTION_LINES for n in lengths) <= MAX_LONG_FUNCTION_SHARE * len(lengths)


def test_try_bodies_hold_little():
    # A `try ... finally` catches nothing and may hold all that it must clean up after.
    tries = [(path, node) for path, node in _nodes(ast.Try, *SOURCE_FOLDERS) if node.handlers]
    sizes = [(_where(path, node), node.body[-1].end_lineno - node.body[0].lineno + 1) for path, node in tries]
    assert [f"{where}: {size} lines" for where, size in sizes if size > MAX_TRY_BODY_LINES] == []


def test_every_module_says_what_it_is():
    silent = [path for path in _modules(*SOURCE_FOLDERS, *OTHER_FOLDERS) if not ast.get_docstring(_tree(path))]
    assert [str(path.relative_to(ROOT)) for path in silent if path.read_text(encoding="utf-8").strip()] == []


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}) for kind in caught
    )


def test_broad_excepts_stand_only_at_the_named_edges():
    handlers = _nodes(ast.ExceptHandler, *SOURCE_FOLDERS)
    broad = {str(path.relative_to(ROOT)) for path, handler in handlers if _is_broad(handler)}
    assert broad - set(BROAD_EXCEPT_EDGES) == set()


def _drawn_tree() -> list[tuple[str, str]]:
    """The pairs (class, parent) as the docstring of errors.py draws them, by depth of indentation."""
    pairs, parents = [], ["Exception"]
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"^    ((?:[│├└─]|\s)*)([A-Z]\w+Error)\b", line):
            depth = len(match[1]) // 4
            parents[depth + 1 :] = [match[2]]
            pairs.append((match[2], parents[depth]))
    return pairs


def test_the_error_tree_is_drawn_as_it_is():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.IbhelmError)}
    assert sorted(_drawn_tree()) == sorted((kind.__name__, kind.__bases__[0].__name__) for kind in kinds)


def test_every_error_that_leaves_its_room_lives_in_errors_py():
    elsewhere = {
        node.name: path.parent.name
        for path, node in _nodes(ast.ClassDef, *SOURCE_FOLDERS)
        if path.name != "errors.py" and re.fullmatch(r"[^_].*(Error|Exception)", node.name)
    }
    assert elsewhere.items() <= ERRORS_OF_ONE_ROOM.items()


def test_definitions_only_puts_things_together():
    text = (ROOT / "ibhelm_pipelines" / "definitions.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_DEFINITIONS_LINES


def test_the_example_environment_shows_each_setting_with_its_default():
    render = runpy.run_path(str(ROOT / "deploy" / "env_example.py"))["render"]
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == render(), "run `make fix`"
    assert all(f"\n#IBHELM_{name.upper()}=" in render() for name in Settings.model_fields)


def test_the_watcher_carries_none_of_the_other_processes_libraries() -> None:
    heavy = {"boto3", "pymupdf", "PIL", "uvicorn", "apprise", "dagster"}
    code = f"import ibhelm_pipelines.cli_live, ibhelm_pipelines.live.watcher, sys; print({heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_modules_that_can_delete_and_their_tests_are_where_the_coverage_gate_looks_for_them():
    modules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]["run"]["include"]
    gate = re.search(r"^GATE := ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert gate
    tests = gate[1].replace("\\\n", " ").split()
    assert [each for each in (*modules, *tests) if not (ROOT / each).exists()] == []
