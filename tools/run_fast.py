"""Run all notebooks in the fast profile, on the bundled sample, into copies.

The notebooks themselves keep their stored outputs.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nbformat  # noqa: E402

from tools.course import FAST_PROFILE, FAST_RUNS, chapters, environment  # noqa: E402
from tools.execute import run  # noqa: E402


def main() -> None:
    FAST_RUNS.mkdir(parents=True, exist_ok=True)
    total = 0.0
    for path in chapters():
        print(f"{path.name} …", end=" ", flush=True)
        notebook, seconds = run(path, environment(**FAST_PROFILE))
        nbformat.write(notebook, FAST_RUNS / path.name)
        total += seconds
        print(f"{seconds:.0f} s", flush=True)
    print(f"all chapters: {total:.0f} s")


if __name__ == "__main__":
    main()
