"""Typical wrong answers to the exercises of chapter 4, and part of the hint each must get."""

CLEAR, BACK, STEP = "optimizer.zero_grad()", "loss.backward()", "optimizer.step()"
NOTE, MOVE = "rates.append(scheduler.get_last_lr()[0])", "scheduler.step()"


def _epoch(*steps: str, end: str = "return rates") -> str:
    """A training loop that does these steps for each batch."""
    body = "\n        ".join(steps)
    return f"""
def train_one_epoch(model, loader, optimizer, scheduler):
    rates = []
    for images, labels in loader:
        loss = F.cross_entropy(model(images), labels)
        {body}
    {end}
"""


WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "4.1": {
        "stops at one over c": (
            "def highest_stable_rate(curvatures):\n    return 1 / max(curvatures)",
            "still shrinks above it",
        ),
        "takes the flattest": (
            "def highest_stable_rate(curvatures):\n    return 2 / min(curvatures)",
            "flattest",
        ),
        "takes the mean": (
            "def highest_stable_rate(curvatures):\n"
            "    return 2 * len(curvatures) / sum(curvatures)",
            "mean curvature",
        ),
        "turns the fraction round": (
            "def highest_stable_rate(curvatures):\n    return max(curvatures) / 2",
            "turn the fraction round",
        ),
        "returns a list": (
            "def highest_stable_rate(curvatures):\n    return [2 / c for c in curvatures]",
            "one number",
        ),
    },
    "4.2": {
        "mixes up slow and jumping": (
            'my_reading = {"A": "too low", "B": "too high", "C": "schedule", "D": "explodes"}',
            "still falling slowly",
        ),
        "takes the fastest start for the best end": (
            'my_reading = {"A": "schedule", "B": "too low", "C": "too high", "D": "explodes"}',
            "goes on jumping",
        ),
        "misses the explosion": (
            'my_reading = {"A": "explodes", "B": "too low", "C": "schedule", "D": "too high"}',
            "leaves the picture",
        ),
        "gives a list": (
            'my_reading = ["too high", "too low", "schedule", "explodes"]',
            "dictionary",
        ),
        "leaves one out": (
            'my_reading = {"A": "too high", "B": "too low", "C": "schedule"}',
            "each of the letters",
        ),
        "uses a word of its own": (
            'my_reading = {"A": "noisy", "B": "too low", "C": "schedule", "D": "explodes"}',
            "noisy",
        ),
    },
    "4.3": {
        "knows one beta": (
            """
def corrected_means(gradients, beta):
    m, means = 0.0, []
    for t, g in enumerate(gradients, start=1):
        m = 0.9 * m + 0.1 * g
        means.append(m / (1 - 0.9**t))
    return means
""",
            "use beta",
        ),
        "does not correct": (
            """
def corrected_means(gradients, beta):
    m, means = 0.0, []
    for g in gradients:
        m = beta * m + (1 - beta) * g
        means.append(m)
    return means
""",
            "correction is missing",
        ),
        "divides by 1 - beta": (
            """
def corrected_means(gradients, beta):
    m, means = 0.0, []
    for g in gradients:
        m = beta * m + (1 - beta) * g
        means.append(m / (1 - beta))
    return means
""",
            "changes with the step",
        ),
        "counts from zero": (
            """
def corrected_means(gradients, beta):
    m, means = 0.0, []
    for t, g in enumerate(gradients):
        m = beta * m + (1 - beta) * g
        means.append(m / (1 - beta**t))
    return means
""",
            "t = 1, not 0",
        ),
        "counts from two": (
            """
def corrected_means(gradients, beta):
    m, means = 0.0, []
    for t, g in enumerate(gradients, start=2):
        m = beta * m + (1 - beta) * g
        means.append(m / (1 - beta**t))
    return means
""",
            "one too high",
        ),
        "mixes up the shares": (
            """
def corrected_means(gradients, beta):
    m, means = 0.0, []
    for t, g in enumerate(gradients, start=1):
        m = (1 - beta) * m + beta * g
        means.append(m / (1 - beta**t))
    return means
""",
            "changed places",
        ),
        "keeps the corrected mean": (
            """
def corrected_means(gradients, beta):
    m, means = 0.0, []
    for t, g in enumerate(gradients, start=1):
        m = (beta * m + (1 - beta) * g) / (1 - beta**t)
        means.append(m)
    return means
""",
            "keep m itself uncorrected",
        ),
    },
    "4.4": {
        "steps the scheduler once an epoch": (
            _epoch(CLEAR, BACK, NOTE, STEP, end=f"{MOVE}; return rates"),
            "after every batch",
        ),
        "steps the scheduler first": (
            _epoch(CLEAR, BACK, MOVE, NOTE, STEP),
            "before the optimizer",
        ),
        "computes the loss alone": (_epoch("loss", end="return"), "return the list of rates"),
        "forgets zero_grad": (_epoch(BACK, NOTE, STEP, MOVE), "zero_grad"),
        "notes the next rate": (_epoch(CLEAR, BACK, STEP, MOVE, NOTE), "note the rate before"),
        "forgets the optimizer": (_epoch(CLEAR, BACK, NOTE, MOVE), "no weight has moved"),
        "returns nothing": (
            _epoch(CLEAR, BACK, NOTE, STEP, MOVE, end="return"),
            "nothing is returned",
        ),
        "keeps the lists": (
            _epoch(CLEAR, BACK, NOTE, STEP, MOVE, end="return [[rate] for rate in rates]"),
            "take its [0]",
        ),
        "returns the last rate": (
            _epoch(CLEAR, BACK, NOTE, STEP, MOVE, end="return rates[-1]"),
            "one for each batch",
        ),
    },
    "4.5": {
        "goes in even steps": (
            """
def find_rate(accuracy_at):
    return max(np.linspace(0.0001, 1, 8), key=accuracy_at)
""",
            "go in factors",
        ),
        "stops at the wide look": (
            """
def find_rate(accuracy_at):
    return max((0.0001, 0.001, 0.01, 0.1, 1.0), key=accuracy_at)
""",
            "closer around your best",
        ),
        "looks once, elsewhere": (
            """
def find_rate(accuracy_at):
    return max((0.0003, 0.003, 0.03, 0.3), key=accuracy_at)
""",
            "closer around your best",
        ),
        "spends too much": (
            """
def find_rate(accuracy_at):
    return max(10.0 ** np.linspace(-4, 0, 17), key=accuracy_at)
""",
            "budget is 8",
        ),
        "returns the accuracy": (
            """
def find_rate(accuracy_at):
    return max(accuracy_at(lr) for lr in (0.001, 0.01, 0.1))
""",
            "not its accuracy",
        ),
        "guesses": (
            """
def find_rate(accuracy_at):
    return 0.01
""",
            "call accuracy_at",
        ),
        "returns the last one": (
            """
def find_rate(accuracy_at):
    for lr in 10.0 ** np.linspace(-4, 0, 8):
        accuracy_at(lr)
    return lr
""",
            "which was better",
        ),
    },
    "4.6": {
        "takes the best mean": (
            "def choose_rate(table):\n    return max(table, key=lambda lr: np.mean(table[lr]))",
            "best mean",
        ),
        "takes the best single run": (
            "def choose_rate(table):\n    return max(table, key=lambda lr: max(table[lr]))",
            "lucky run",
        ),
        "takes the largest rate": (
            """
def choose_rate(table):
    means = {lr: np.mean(values) for lr, values in table.items()}
    best = max(means, key=means.get)
    floor = means[best] - np.std(table[best], ddof=1)
    return max(lr for lr in means if means[lr] >= floor)
""",
            "smallest such rate",
        ),
        "divides by n": (
            """
def choose_rate(table):
    means = {lr: np.mean(values) for lr, values in table.items()}
    best = max(means, key=means.get)
    floor = means[best] - np.std(table[best])
    return min(lr for lr in means if means[lr] >= floor)
""",
            "n - 1",
        ),
        "returns the accuracy": (
            "def choose_rate(table):\n    return max(np.mean(values) for values in table.values())",
            "not an accuracy",
        ),
        "takes the smallest of all": (
            "def choose_rate(table):\n    return min(table)",
            "smallest rate of all",
        ),
    },
    "4.7": {
        "is plain SGD": (
            "def my_rule(w, g, memory, lr):\n    return w - lr * g",
            "plain SGD ends",
        ),
        "is plain SGD with another constant": (
            "def my_rule(w, g, memory, lr):\n    return w - 0.9 * lr * g",
            "steps of like size",
        ),
        "goes uphill": (
            "def my_rule(w, g, memory, lr):\n    return w + lr * g.sign()",
            "check its sign",
        ),
        "does not return": (
            "def my_rule(w, g, memory, lr):\n    w.sub_(lr * g)",
            "return the new weights",
        ),
        "returns a pair": (
            "def my_rule(w, g, memory, lr):\n    return w - lr * g, memory",
            "return one tensor",
        ),
        "forgets the root": (
            """
def my_rule(w, g, memory, lr):
    memory["s"] = memory.get("s", torch.zeros_like(w)) + g**2
    return w - lr * g / (memory["s"] + 1e-8)
""",
            "steps of like size",
        ),
    },
}
