"""Typical wrong answers to the exercises of chapter 4, and part of the hint each must get."""

WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "4.1": {
        "goes uphill": ("def sgd_step(w, g, lr):\n    return w + lr * g", "uphill"),
        "forgets the learning rate": (
            "def sgd_step(w, g, lr):\n    return w - g",
            "learning rate is missing",
        ),
        "returns the step alone": ("def sgd_step(w, g, lr):\n    return -lr * g", "step alone"),
        "returns a number": (
            "def sgd_step(w, g, lr):\n    return (w - lr * g).sum().item()",
            "return a tensor",
        ),
        "divides by the rate": ("def sgd_step(w, g, lr):\n    return w - g / lr", "w - lr * g"),
    },
    "4.2": {
        "forgets the velocity": (
            """
def momentum_path(gradients, lr, mu):
    w, path = 0.0, []
    for g in gradients:
        v = 0.0
        v = mu * v + g
        w -= lr * v
        path.append(w)
    return path
""",
            "plain SGD",
        ),
        "takes a running mean": (
            """
def momentum_path(gradients, lr, mu):
    w, v, path = 0.0, 0.0, []
    for g in gradients:
        v = mu * v + (1 - mu) * g
        w -= lr * v
        path.append(w)
    return path
""",
            "running mean",
        ),
        "goes uphill": (
            """
def momentum_path(gradients, lr, mu):
    w, v, path = 0.0, 0.0, []
    for g in gradients:
        v = mu * v + g
        w += lr * v
        path.append(w)
    return path
""",
            "uphill",
        ),
        "returns the velocities": (
            """
def momentum_path(gradients, lr, mu):
    v, path = 0.0, []
    for g in gradients:
        v = mu * v + g
        path.append(v)
    return path
""",
            "velocities",
        ),
        "starts every step at zero": (
            """
def momentum_path(gradients, lr, mu):
    w, v, path = 0.0, 0.0, []
    for g in gradients:
        v = mu * v + g
        path.append(w - lr * v)
    return path
""",
            "step before",
        ),
        "returns the last weight": (
            """
def momentum_path(gradients, lr, mu):
    w, v = 0.0, 0.0
    for g in gradients:
        v = mu * v + g
        w -= lr * v
    return w
""",
            "return 5 weights",
        ),
    },
    "4.3": {
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
        "goes below zero": (
            "def cosine(step, total, highest):\n"
            "    return highest * math.cos(math.pi * step / total)",
            "below 0",
        ),
        "forgets to halve": (
            "def cosine(step, total, highest):\n"
            "    return highest * (1 + math.cos(math.pi * step / total))",
            "twice the highest",
        ),
        "takes a whole wave": (
            "def cosine(step, total, highest):\n"
            "    return highest * (1 + math.cos(2 * math.pi * step / total)) / 2",
            "half a wave",
        ),
        "takes degrees": (
            "def cosine(step, total, highest):\n"
            "    return highest * (1 + math.cos(180 * step / total)) / 2",
            "radians",
        ),
        "draws a line": (
            "def cosine(step, total, highest):\n    return highest * (1 - step / total)",
            "straight line",
        ),
        "forgets the highest rate": (
            "def cosine(step, total, highest):\n"
            "    return (1 + math.cos(math.pi * step / total)) / 2",
            "multiply by the highest",
        ),
    },
    "4.5": {
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
