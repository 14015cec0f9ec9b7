"""What a fresh process times; this file imports nothing that would spoil it.

python -m benchmarks.start_process mnist full
"""

import json
import sys
import time


def first_seconds(dataset: str, mode: str) -> dict[str, float]:
    """Seconds of three steps, one after the other.

    torch: `import torch`. train: what `train.py` imports besides, which is what the course adds
    to PyTorch's own start-up. load: loading the data set, in a `mode` of `helpers.data.load`.
    """
    marks = [time.perf_counter()]
    import torch  # noqa: F401

    marks.append(time.perf_counter())
    import train  # noqa: F401

    marks.append(time.perf_counter())
    from helpers.data.load import load

    load(dataset, mode=mode)
    marks.append(time.perf_counter())
    torch_, train_, load_ = (b - a for a, b in zip(marks, marks[1:], strict=False))
    return {"torch": torch_, "train": train_, "load": load_}


if __name__ == "__main__":
    print(json.dumps(first_seconds(*sys.argv[1:])))
