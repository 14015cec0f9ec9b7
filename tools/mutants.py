"""Break helpers/ in many small ways, one at a time, and see which the quick tests notice.

    python -m tools.mutants --sample 200 --seed 1       200 at random
    python -m tools.mutants --module helpers/speed.py   all of one module

cosmic-ray knows the ways: another operator, a number one higher, a condition turned round, a loop
that never runs. Nothing is written: each mutant lives in a process of its own, a fork of one that
has loaded the libraries, with the mutated source in the module's place. What would prove nothing
is left out: type hints, what is raised with which words, and `is` for `==`.
"""

import argparse
import ast
import difflib
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# The tests that know a module best, all of them quick. What processes.py does shows in several
# processes alone, each started anew: no mutant of it could live there.
TESTS = {
    "data/augmentation": "data",
    "data/batches": "data parity",
    "data/digits": "predict",
    "data/download": "download",
    "data/folders": "folders",
    "data/load": "data sample folders",
    "data/npz": "npz data",
    "data/pictures": "predict folders",
    "errors": "folders download",
    "files": "files resume",
    "lit": "parity",
    "models": "models parity",
    "notebook": "notebook_helpers",
    "plots": "plots",
    "progress": "training cli",
    "recipes": "recipes training scripts",
    "speed": "speed cli",
    "training": "training parity",
}
SLOW = "killed_at_any_moment or many_times or torchrun or Lightning or minimal_example"
LIBRARIES = (
    *("torch", "numpy", "PIL.Image", "scipy.ndimage", "matplotlib.pyplot", "pytorch_lightning"),
    *("pytest", "hypothesis", "nbformat", "jupytext", "nbclient", "IPython", "rich.table"),
)
ALIKE = ("Is_Eq", "IsNot_NotEq", "Eq_Is", "NotEq_IsNot")  # None, text and small numbers


class Mutant(NamedTuple):
    """One change of one module: the `occurrence`-th place where `operator` can change something."""

    module: str
    line: int
    operator: str
    occurrence: int

    def source(self) -> str:
        """The whole module with the change."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        source = (ROOT / self.module).read_text(encoding="utf-8")
        return mutate_code(source, get_operator(self.operator)(), self.occurrence) or source


def mutants(module: str) -> Iterator[Mutant]:
    """All mutants of a module that count, in order."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / module).read_text(encoding="utf-8")
    nodes, silent = list(ast_nodes(get_ast(source))), list(_silent(ast.parse(source)))
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or name.endswith(ALIKE):
            continue
        places = [place for node in nodes for place in operator().mutation_positions(node)]
        for occurrence, (start, end) in enumerate(places):
            if not any(first <= start and end <= last for first, last in silent):
                yield Mutant(module, start[0], name, occurrence)


def _silent(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where nothing is computed that a test should look at: type hints, and words of errors."""
    for node in ast.walk(tree):
        hints = [getattr(node, name, None) for name in ("annotation", "returns")]
        raised = node.exc if isinstance(node, ast.Raise) else None
        for part in (*hints, raised):
            if isinstance(part, ast.expr):
                assert part.end_lineno and part.end_col_offset
                yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def dotted(module: str) -> str:
    """The name under which a file is imported."""
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class _Finder:
    """Gives one module another source."""

    def __init__(self, module: str, source: str) -> None:
        self.name, self.path, self.source = dotted(module), str(ROOT / module), source

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name != self.name:
            return None
        code = compile(self.source, self.path, "exec")

        class Loader(SourceFileLoader):
            def get_code(self, fullname: str) -> CodeType:
                return code

        return spec_from_file_location(name, self.path, loader=Loader(name, self.path))


def _run_tests(module: str, source: str | None, tests: list[str]) -> None:
    import pytest

    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    if source is not None:
        sys.meta_path.insert(0, _Finder(module, source))
    options = ["-x", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "-k", f"not ({SLOW})"]
    # Plugins of pytest that the libraries have loaded already.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    os._exit(pytest.main([*options, *tests]))


def survives(module: str, source: str | None, tests: list[str], limit: float) -> bool:
    """Whether all tests pass within `limit` seconds; without a source, of the code as it is."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    process = context.Process(target=_run_tests, args=(module, source, tests))
    process.start()
    process.join(limit)
    if process.exitcode is None:
        process.kill()
        process.join()
    return process.exitcode == 0


def changed(before: str, after: str) -> list[str]:
    """The lines that differ, the old ones first."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:3] not in ("---", "+++")]


def main() -> int:
    """Run a sample of mutants; the exit status says nothing of them."""
    parser = argparse.ArgumentParser(description="which mutants of helpers/ survive")
    parser.add_argument("--module", metavar="FILE", help="one only, such as helpers/speed.py")
    parser.add_argument("--sample", type=int, metavar="N", help="this many (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "COURSE_FAST": "1", "COURSE_DATA": "sample"}
    names = [f"helpers/{name}.py" for name in TESTS]
    if options.module:
        names = [Path(options.module).as_posix()]
    tests = {name: [f"tests/test_{t}.py" for t in TESTS[name[8:-3]].split()] for name in names}
    found = [mutant for name in names for mutant in mutants(name)]
    random.Random(options.seed).shuffle(found)
    chosen = sorted(found[: options.sample])
    limits = {}
    for name in dict.fromkeys(mutant.module for mutant in chosen):
        began = time.perf_counter()
        if not survives(name, None, tests[name], 600):
            sys.exit(f"error: the tests of {name} fail without a mutant")
        limits[name] = 20 + 3 * (time.perf_counter() - began)

    def tried(mutant: Mutant) -> bool:
        name, source = mutant.module, mutant.source()
        alive = survives(name, source, tests[name], limits[name])
        if alive:
            lines = (ROOT / name).read_text(encoding="utf-8"), source
            print(f"{name}: {mutant.operator}", *changed(*lines), sep="\n  ", flush=True)
        return alive

    with ThreadPoolExecutor(options.workers) as pool:
        alive = sum(pool.map(tried, chosen))
    killed = len(chosen) - alive
    print(
        f"{killed} of {len(chosen)} mutants killed ({killed / max(1, len(chosen)):.1%}), "
        f"of {len(found)} that there are"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
