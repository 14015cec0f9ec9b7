"""Typical mistakes in the exercises of chapter 7, each with a part of the hint it must get."""


def _one(signature: str, expression: str) -> str:
    return f"def {signature}:\n    return {expression}\n"


def _flop(expression: str) -> str:
    return _one("conv_flop(in_channels, out_channels, kernel, height, width)", expression)


def _overall(expression: str) -> str:
    return _one("overall_speed(speeds)", expression)


def _ratio(expression: str) -> str:
    return _one("times_as_fast(a, b)", expression)


def _speedup(expression: str) -> str:
    return _one("speedup(compute, wait, processes)", expression)


def _share(expression: str) -> str:
    return _one("share(order, rank, world_size)", expression)


WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "7.1": {
        "counts multiplications only": (
            _flop("in_channels * kernel**2 * out_channels * height * width"),
            "each comes with an addition",
        ),
        "does not square the kernel": (
            _flop("2 * in_channels * kernel * out_channels * height * width"),
            "not kernel",
        ),
        "forgets the input channels": (
            _flop("2 * kernel**2 * out_channels * height * width"),
            "over all input channels",
        ),
        "forgets the output channels": (
            _flop("2 * in_channels * kernel**2 * height * width"),
            "its own sums",
        ),
        "exact additions": (
            _flop("(2 * in_channels * kernel**2 - 1) * out_channels * height * width"),
            "two operations a product",
        ),
        "with the bias": (
            _flop("(2 * in_channels * kernel**2 + 1) * out_channels * height * width"),
            "leave the bias out",
        ),
        "a training step": (
            _flop("6 * in_channels * kernel**2 * out_channels * height * width"),
            "forward alone",
        ),
        "counts weights": (_flop("2 * in_channels * kernel**2 * out_channels"), "height × width"),
        "types a number": (_flop("2 * 3 * 25 * 16 * 80"), "use the arguments"),
    },
    "7.2": {
        "plain mean": (_overall("sum(speeds) / len(speeds)"), "that is the plain mean"),
        "geometric mean": (
            _overall("(speeds[0] * speeds[-1]) ** 0.5"),
            "that is the geometric mean",
        ),
        "one over the sum": (_overall("1 / sum(1 / s for s in speeds)"), "not one by the sum"),
        "two speeds only": (_overall("2 / (1 / speeds[0] + 1 / speeds[-1])"), "make 21.33"),
        "returns the time": (_overall("sum(1 / s for s in speeds)"), "that is a time"),
    },
    "7.3": {
        "other way round": (
            _ratio("median(y / x for x, y in zip(a[1:], b[1:]))"),
            "the other way round",
        ),
        "upper middle": (
            _ratio("sorted(x / y for x, y in zip(a[1:], b[1:]))[(len(a) - 1) // 2]"),
            "even number of rounds",
        ),
        "keeps the warm-up": (_ratio("median(x / y for x, y in zip(a, b))"), "the warm-up"),
        "mean of ratios": (
            _ratio("sum(x / y for x, y in zip(a[1:], b[1:])) / (len(a) - 1)"),
            "one disturbed round moves a mean",
        ),
        "ratio of medians": (_ratio("median(a[1:]) / median(b[1:])"), "within each round first"),
        "best of each": (_ratio("min(a[1:]) / min(b[1:])"), "are from different rounds"),
        "sorts both": (
            _ratio("median(x / y for x, y in zip(sorted(a[1:]), sorted(b[1:])))"),
            "tears the rounds apart",
        ),
        "drops the last one": (_ratio("median(x / y for x, y in zip(a[:-1], b[:-1]))"), "you say"),
        "ratio of sums": (_ratio("sum(a[1:]) / sum(b[1:])"), "within each round first"),
    },
    "7.4": {
        "forgets the wait": (_speedup("processes"), "the wait is missing"),
        "returns the time": (_speedup("compute / processes + wait"), "that is the time of a step"),
        "other way round": (
            _speedup("(compute / processes + wait * (processes > 1)) / compute"),
            "the old time over the new one",
        ),
        "shares the wait": (
            _speedup("compute / ((compute + wait * (processes > 1)) / processes)"),
            "the wait is not shared",
        ),
        "one process waits": (
            _speedup("(compute + wait) / (compute / processes + wait)"),
            "its time is compute alone",
        ),
        "the limit": (_speedup("compute / wait"), "that is the limit"),
        "waits for each other one": (
            _speedup("compute / (compute / processes + wait * (processes - 1))"),
            "however many processes",
        ),
        "waits alone": (
            _speedup("compute / (compute / processes + wait)"),
            "one process waits for nobody",
        ),
    },
    "7.5": {
        "unequal shares": (_share("order[rank::world_size]"), "equal ones are needed"),
        "blocks": (
            _share(
                "order.view(-1)[: len(order) // world_size * world_size].chunk(world_size)[rank]"
            ),
            "these are blocks",
        ),
        "ignores the order": (
            _share("torch.arange(len(order) // world_size * world_size)[rank::world_size]"),
            "take the entries of `order`",
        ),
        "the same for all": (_share("order[::world_size][:3]"), "an image is in two shares"),
        "fills up": (
            _share("torch.cat([order, order[: -len(order) % world_size]])[rank::world_size]"),
            "an image is in two shares",
        ),
        "counts from one": (
            _share("order[: len(order) // world_size * world_size][rank - 1 :: world_size]"),
            "equal ones are needed",
        ),
        "leaves out the first ones": (
            _share("order[len(order) % world_size :][rank::world_size]"),
            "the first 9 of `order`",
        ),
    },
    "7.6": {
        "bf16 for all": ('best_change = ["bf16", "bf16", "bf16"]', "A waits for its batches"),
        "workers for B": ('best_change = ["workers", "workers", "fused"]', "B spends nearly all"),
        "bf16 for C": ('best_change = ["workers", "bf16", "bf16"]', "less than two thirds"),
        "workers for C": ('best_change = ["workers", "bf16", "workers"]', "its largest part"),
        "other words": ('best_change = ["workers", "bf16", "gpu"]', "is not among"),
        "two words": ('best_change = ["workers", "bf16"]', "three words are wanted"),
    },
}
