"""Break helpers/ in many small ways, one at a time, and see which the quick tests notice.

    python -m tools.mutants --sample 200 --seed 1       200 at random
    python -m tools.mutants --module helpers/precision.py   all of one module

cosmic-ray knows the ways: another operator, a number one higher, a condition turned round, a loop
that never runs. Nothing is written: each mutant lives in a process of its own, a fork of one that
has loaded the libraries, with the mutated source in the module's place. A mutant meets the tests
that run its line, as coverage.py saw them run it, so most cost a second or two.

What would prove nothing is left out: type hints, what is raised with which words, `is` for `==`,
and what stands in SAME and in PLACES, each with its reason.
"""

import argparse
import ast
import difflib
import multiprocessing
import os
import random
import re
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import SourceFileLoader
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The tests that know a module best, the nearest first, all of them quick. What processes.py does
# shows in several processes alone, each started anew: no mutant of it could live there.
TESTS = {
    "data/augmentation": "data",
    "data/batches": "data parity",
    "data/digits": "digits predict",
    "data/download": "download",
    "data/folders": "folders",
    "data/load": "data sample folders",
    "data/npz": "npz data download",
    "data/pictures": "predict folders",
    "support/errors": "files folders",
    "support/files": "files npz",
    "lightning": "parity",
    "models": "models parity",
    "notebook": "notebook_helpers",
    "plots": "plots",
    "support/progress": "progress training",
    "recipes": "recipes training",
    "export": "export",
    "precision": "precision training",
    "speed": "speed training",
    "training": "training parity",
}
MOST = 40  # tests for one mutant
SLOW = "killed_at_any_moment or many_times or torchrun or Lightning or minimal_example"
LIBRARIES = (
    *("torch", "numpy", "PIL.Image", "scipy.ndimage", "matplotlib.pyplot", "pytorch_lightning"),
    *("pytest", "hypothesis", "nbformat", "jupytext", "nbclient", "IPython", "rich.table"),
)
ALIKE = ("Is_Eq", "IsNot_NotEq", "Eq_Is", "NotEq_IsNot")  # None, text and small numbers
# Code whose mutants do the same, for one reason each; what a test could hold is not here.
SAME = (
    r"\bstrict=True",  # the lengths are equal wherever it is called
    r"\bfrozen=True",  # nobody tries to change one
    r"\b(fused|inplace)=True|@lru_cache",  # the same numbers in more time
    r"(RESIZED_AT_ONCE|TRIAL_IMAGES|GLANCE_IMAGES) = \d+|1 << 16",  # parts of work, of any size
    r"(OPEN_SECONDS|STALL_SECONDS|MINIMUM_RATE|LARGEST) = [\d_.]+",  # one more is as good
    r"prepared_for: int \| None = -1",  # any number that is no size
    r"\bstacklevel=\d",  # whose line a warning names
    r"\b(repr|unit_scale|dynamic_ncols|leave|mininterval)=[\w.]+",  # how a bar or an object looks
)
# Arithmetic that decides where on a figure something stands, and how large: a person looks at it.
PLACES = (
    r"(?s)def (plot_architecture|_label|_draw_stage|_draw_probabilities)\(.*?\n\n\n",
    r"\b(figsize|fontsize|markersize|linewidth|linestyle|alpha|colou?r)=(\([^()]*\)|[\w.\"]+)",
    r'"[\w.]+": [\d.]+',  # of use_style, and of lines
    r"place = \(.*|\bheight = .*",
)


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
    nodes, tree = list(ast_nodes(get_ast(source))), ast.parse(source)
    silent, between = list(_silent(tree)), list(_between(tree))
    same = list(_matches(SAME, source))
    places = list(_matches(PLACES, source)) if module.endswith("plots.py") else []
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or name.endswith(ALIKE):
            continue
        found = [place for node in nodes for place in operator().mutation_positions(node)]
        arithmetic = places if re.search("Number|BinaryOp|UnaryOp", name) else []
        for occurrence, (start, end) in enumerate(found):
            if _inside(start, end, [*silent, *same, *arithmetic]):
                continue
            # Not every star multiplies: cosmic-ray takes that before keyword arguments, too.
            if "BinaryOperator" not in name or _inside(start, end, between):
                yield Mutant(module, start[0], name, occurrence)


Place = tuple[int, int]  # line and column


def _inside(start: Place, end: Place, spans: list[tuple[Place, Place]]) -> bool:
    return any(first <= start and end <= last for first, last in spans)


def _matches(patterns: Sequence[str], source: str) -> Iterator[tuple[Place, Place]]:
    """Where in a source one of these patterns is."""
    for pattern in patterns:
        for match in re.finditer(pattern, source):
            before = [source[:end].split("\n") for end in match.span()]
            start, end = ((len(lines), len(lines[-1])) for lines in before)
            yield start, end


def _silent(tree: ast.AST) -> Iterator[tuple[Place, Place]]:
    """Where nothing is computed that a test should look at: type hints, and words of errors."""
    for node in ast.walk(tree):
        hints = [getattr(node, name, None) for name in ("annotation", "returns")]
        raised = node.exc if isinstance(node, ast.Raise) else None
        for part in (*hints, raised):
            if isinstance(part, ast.expr):
                assert part.end_lineno and part.end_col_offset
                yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def _between(tree: ast.AST) -> Iterator[tuple[Place, Place]]:
    """Where the operators with two operands stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            assert node.left.end_lineno and node.left.end_col_offset
            left = (node.left.end_lineno, node.left.end_col_offset)
            yield left, (node.right.lineno, node.right.col_offset)


class Seen(NamedTuple):
    """What a test does with the code as it is: the seconds it takes, and the lines it comes by."""

    seconds: float
    lines: set[tuple[str, int]]


def files(module: str) -> list[str]:
    """The tests that know a module best."""
    return [f"tests/test_{name}.py" for name in TESTS[module[8:-3]].split()]


def nearest(mutant: Mutant, seen: dict[str, Seen]) -> list[str]:
    """Tests that run a mutant (all, if it runs on import alone), the nearest file's first."""
    places = {file: place for place, file in enumerate(files(mutant.module))}
    order = {
        test: (places[file], seen[test].seconds)
        for test in seen
        if (file := test.partition("::")[0]) in places
    }
    known = sorted(order, key=order.__getitem__)
    return [t for t in known if (mutant.module, mutant.line) in seen[t].lines][:MOST] or known


class _Watch:
    """A plugin of pytest that finds out what is `Seen` of each test."""

    def __init__(self) -> None:
        from coverage import Coverage

        self.now, self.seconds = "", dict[str, float]()
        self.coverage = Coverage(
            data_file=None, include=[str(ROOT / "helpers/*")], config_file=False
        )
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.now, began = item.nodeid, time.perf_counter()
        self.coverage.switch_context(self.now)
        result = yield
        self.seconds[self.now] = time.perf_counter() - began
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, object, object]:
        """What is made once for several tests counts for all of them."""
        if fixturedef.scope != "function":
            self.coverage.switch_context("all")
        result = yield
        self.coverage.switch_context(self.now)
        return result

    def seen(self) -> dict[str, Seen]:
        self.coverage.stop()
        data, found = self.coverage.get_data(), {t: Seen(s, set()) for t, s in self.seconds.items()}
        for path in data.measured_files():
            module = Path(path).relative_to(ROOT).as_posix()
            for line, names in data.contexts_by_lineno(path).items():
                for test in found if "all" in names else found.keys() & names:
                    found[test].lines.add((module, line))
        return found


def _pytest(tests: list[str], *plugins: object) -> int:
    """Run tests without a word; the exit status."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    options = ["-x", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "-k", f"not ({SLOW})"]
    # Plugins of pytest that the libraries have loaded already.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return pytest.main([*options, *tests], list(plugins))


def _watch(file: str, told: Connection) -> None:
    watch = _Watch()
    told.send(None if _pytest([file], watch) else watch.seen())


def _meet(mutant: Mutant, tests: list[str]) -> None:
    """Run these tests with the mutated source in the module's place."""
    path, source, usual = str(ROOT / mutant.module), mutant.source(), SourceFileLoader.get_code

    def get_code(self: Any, name: str) -> CodeType | None:
        return compile(source, path, "exec") if self.path == path else usual(self, name)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
    os._exit(_pytest(tests))


def _started(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """A process that has the libraries loaded, and nothing of helpers/."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def watched(file: str) -> dict[str, Seen]:
    """Run a file of tests with the code as it is."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = _started(_watch, file, there)
    there.close()
    found: dict[str, Seen] | None = here.recv()
    process.join()
    if found is None:
        sys.exit(f"error: {file} fails without a mutant")
    return found


def survives(mutant: Mutant, seen: dict[str, Seen]) -> bool:
    """Whether all tests that run the mutant pass; not if they take several times as long."""
    tests = nearest(mutant, seen)
    process = _started(_meet, mutant, tests)
    process.join(20 + 4 * sum(seen[test].seconds for test in tests))
    if process.exitcode is None:
        process.kill()
        process.join()
    return process.exitcode == 0


def main() -> None:
    """Run a sample of mutants."""
    parser = argparse.ArgumentParser(description="which mutants of helpers/ survive")
    parser.add_argument("--module", metavar="FILE", help="one only, such as helpers/precision.py")
    parser.add_argument("--sample", type=int, metavar="N", help="this many (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "COURSE_FAST": "1", "COURSE_DATA": "sample"}
    names = [f"helpers/{name}.py" for name in TESTS]
    if options.module:
        names = [Path(options.module).as_posix()]
    found = [mutant for name in names for mutant in mutants(name)]
    random.Random(options.seed).shuffle(found)
    chosen = sorted(found[: options.sample])
    needed = sorted({file for mutant in chosen for file in files(mutant.module)})

    def tried(mutant: Mutant) -> bool:
        if alive := survives(mutant, seen):
            before = (ROOT / mutant.module).read_text(encoding="utf-8").splitlines()
            lines = difflib.unified_diff(before, mutant.source().splitlines(), lineterm="", n=0)
            told = [line for line in lines if line[:3] not in ("---", "+++")]
            name = f"{mutant.module}:{mutant.line}: {mutant.operator}"
            print(name, *told, sep="\n  ", flush=True)
        return alive

    with ThreadPoolExecutor(options.workers) as pool:
        seen = {test: of for part in pool.map(watched, needed) for test, of in part.items()}
        alive = sum(pool.map(tried, chosen))
    killed = len(chosen) - alive
    print(
        f"{killed} of {len(chosen)} mutants killed ({killed / max(1, len(chosen)):.1%}), "
        f"of {len(found)} that there are"
    )


if __name__ == "__main__":
    main()
