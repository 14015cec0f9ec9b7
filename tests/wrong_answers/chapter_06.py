"""Typical mistakes in the exercises of chapter 6, each with a part of the hint it must get."""


def _precision(expression: str, *lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return (
        "def precision_of(labels, answers, num_classes):\n"
        "    right = torch.bincount(answers[answers == labels], minlength=num_classes)\n"
        f"{body}    return {expression}\n"
    )


def _alarm(expression: str) -> str:
    return f"def false_alarm(tests, level):\n    return {expression}\n"


def _words(*words: str) -> str:
    return f"wanted_temperature = {list(words)!r}"


def _accuracy(score: str, kept: str, end: str = "right[kept].float().mean().item()") -> str:
    return f"""
def accuracy_at(logits, labels, coverage):
    certainty, answers = logits.softmax(dim=1).max(dim=1)
    right, score = answers == labels, {score}
    kept = {kept}
    return {end}
"""


def _attack(step: str, end: str = ".clamp(0, 1)") -> str:
    return f"""
def targeted(model, pixels, target, epsilon):
    pixels = pixels.clone().requires_grad_()
    F.cross_entropy(model(pixels), target).backward()
    return (pixels {step}).detach(){end}
"""


def _threshold(*lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"def cheapest_threshold(logits, labels, wrong, ask):\n{body}"


SUREST = "score.argsort(descending=True)[: round(coverage * len(labels))]"

WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "6.1": {
        "takes the recall": (
            _precision("right / torch.bincount(labels, minlength=num_classes)"),
            "that is the recall",
        ),
        "gets nan": (
            _precision("right / torch.bincount(answers, minlength=num_classes)"),
            "it shall get 0",
        ),
        "counts": (_precision("right"), "these are counts"),
        "goes by the labels": (
            """
def precision_of(labels, answers, num_classes):
    found = []
    for k in labels.unique():
        found.append(((answers == k) & (labels == k)).sum() / (answers == k).sum().clamp(min=1))
    return torch.stack(found)
""",
            "go by num_classes",
        ),
        "divides by all": (_precision("right / len(labels)"), "not by all of them"),
        "forgets a class": (
            _precision("right[:3] / torch.bincount(answers)"),
            "four numbers are wanted",
        ),
    },
    "6.2": {
        "multiplies": (_alarm("tests * level"), "is no probability"),
        "takes none": (_alarm("(1 - level) ** tests"), "of no alarm at all"),
        "takes all": (_alarm("level**tests"), "all of them raise an alarm"),
        "takes one": (_alarm("level"), "for a single test"),
        "exactly one": (
            _alarm("tests * level * (1 - level) ** (tests - 1)"),
            "two or more count, too",
        ),
        "per cent": (_alarm("100 * (1 - (1 - level) ** tests)"), "not per cent"),
        "knows one case": (_alarm("1 - 0.95**20"), "1 tests at 0.05 give 0.0500"),
    },
    "6.3": {
        "turned round": (_words("below 1", "1", "above 1", "none"), "the wrong way round"),
        "believes D": (_words("above 1", "1", "below 1", "1"), "D errs in both directions"),
        "changes B": (_words("above 1", "below 1", "below 1", "none"), "no reason to change"),
        "leaves A": (_words("1", "1", "below 1", "none"), "Is it too sure?"),
        "leaves C": (_words("above 1", "1", "none", "none"), "it may be surer"),
        "other words": (_words("more", "1", "less", "none"), "is not among"),
        "three words": (_words("above 1", "1", "below 1"), "four words are wanted"),
    },
    "6.4": {
        "all images": (_accuracy("certainty", "slice(None)"), "coverage is not used"),
        "the least sure": (_accuracy("-certainty", SUREST), "the least sure"),
        "by logit": (_accuracy("logits.amax(dim=1)", SUREST), "take softmax first"),
        "a threshold": (_accuracy("certainty", "score >= coverage"), "not a threshold"),
        "divides by all": (
            _accuracy("certainty", SUREST, "right[kept].sum().item() / len(labels)"),
            "not by all images",
        ),
        "always rounds down": (
            _accuracy("certainty", SUREST.replace("round", "int")),
            "neither always down",
        ),
        "always rounds up": (
            _accuracy("certainty", SUREST.replace("round", "math.ceil")),
            "nor always up",
        ),
        "by the lead of the best": (
            _accuracy(
                "logits.softmax(dim=1).topk(2).values @ torch.tensor([1.0, -1.0])",
                SUREST,
            ),
            "you say",
        ),
    },
    "6.5": {
        "uphill": (_attack("+ epsilon * pixels.grad.sign()"), "step down the slope"),
        "no clamp": (_attack("- epsilon * pixels.grad.sign()", ""), "clamp"),
        "no sign": (_attack("- epsilon * pixels.grad"), "take the sign"),
        "two steps": (_attack("- 2 * epsilon * pixels.grad.sign()"), "but a pixel has changed"),
        "for bytes": (
            _attack("- epsilon * pixels.grad.sign()", ".clamp(0, 255)"),
            "pixels lie between 0 and 1",
        ),
        "a 255th": (_attack("- epsilon / 255 * pixels.grad.sign()"), "no pixel has changed by"),
        "nothing": (_attack("- 0"), "nothing has changed"),
        "of another loss": (
            _attack("- epsilon * torch.ones_like(pixels)"),
            "not that of the slope",
        ),
    },
    "6.6": {
        "trusts the certainty": (
            _threshold("return max(0.0, 1 - ask / wrong)"),
            "this one is too sure",
        ),
        "always answers": (_threshold("return 0.0"), "mistakes cost, too"),
        "always asks": (_threshold("return 1.01"), "is possible"),
        "per cent": (_threshold("return 99"), "between 0 and 1"),
        "the other way round": (_threshold("return ask / wrong"), "mistakes cost, too"),
        "asks when that is dearer": (
            _threshold(
                "if ask >= wrong:",
                "    return 1.01",
                "certainty, answers = logits.softmax(dim=1).max(dim=1)",
                "mistaken = (answers != labels).float()",
                "costs = {}",
                "for t in torch.linspace(0, 1.01, 203):",
                "    given = (certainty >= t).float()",
                "    cost = (wrong * mistaken * given + ask * (1 - given)).mean().item()",
                "    costs[t.item()] = cost",
                "return min(costs, key=costs.get)",
            ),
            "answer always",
        ),
    },
}
