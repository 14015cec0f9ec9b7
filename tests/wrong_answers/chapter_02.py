"""Typical mistakes in the exercises of chapter 2, each with a part of the hint it must get."""


def _softmax(*lines: str) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"def softmax_with_temperature(logits, temperature):\n{body}\n"


def _count(*lines: str) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"def number_of_parameters(widths):\n    pairs = list(zip(widths, widths[1:]))\n{body}\n"


def _slope(expression: str) -> str:
    return (
        "def slope_of_weight(logits, label, pixels, c, i):\n"
        "    p, wanted = logits.softmax(dim=0), float(c == label)\n"
        f"    return {expression}\n"
    )


def _some(*lines: str, item: str = "(self.images[i], self.labels[i])") -> str:
    body = "\n".join(f"        {line}" for line in lines)
    return (
        f"class OnlySome(Dataset):\n    def __init__(self, images, labels, classes):\n{body}\n"
        "    def __len__(self):\n        return len(self.labels)\n"
        f"    def __getitem__(self, i):\n        return {item}\n"
    )


def _accuracy(start: str, each: str, end: str) -> str:
    return (
        "def accuracy_of(model, batches):\n"
        f"    {start}\n"
        "    correct, count, shares = 0, 0, []\n"
        "    for images, labels in batches:\n"
        "        right = (model(images).argmax(dim=1) == labels)\n"
        "        shares.append(right.float().mean().item())\n"
        f"        {each}\n"
        f"    return {end}\n"
    )


def _challenger(model: str, config: str = "TrainingConfig(epochs=4)") -> str:
    return f"def challenger(image_shape, num_classes):\n    return {model}, {config}\n"


KEEP = "keep = torch.tensor([label in classes for label in labels.tolist()])"
NUMBERED = "self.labels = torch.tensor([classes.index(n) for n in labels[keep].tolist()])"
ADD_UP = "correct += right.sum().item(); count += len(labels)"
SOFTMAX_REGRESSION = "LinearClassifier(image_shape, num_classes, hidden=())"

WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "2.1": {
        "multiplies by the temperature": (
            _softmax("return (logits * temperature).softmax(dim=1)"),
            "multiplies by the temperature",
        ),
        "leaves the temperature out": (_softmax("return logits.softmax(dim=1)"), "changes nothing"),
        "normalises over the batch": (
            _softmax("e = (logits / temperature).exp()", "return e / e.sum(dim=0)"),
            "each column",
        ),
        "sums over everything": (
            _softmax("e = (logits / temperature).exp()", "return e / e.sum()"),
            "whole batch",
        ),
        "forgets the powers": (
            _softmax("z = logits / temperature", "return z / z.sum(dim=1, keepdim=True)"),
            "raise e to each first",
        ),
        "subtracts the mean": (
            _softmax(
                "z = (logits - logits.mean(dim=1, keepdim=True)) / temperature",
                "return z.exp() / z.exp().sum(dim=1, keepdim=True)",
            ),
            "subtract the largest",
        ),
        "subtracts the first": (
            _softmax(
                "z = (logits - logits[:, :1]) / temperature",
                "return z.exp() / z.exp().sum(dim=1, keepdim=True)",
            ),
            "subtract the largest",
        ),
        "overflows": (
            _softmax("e = (logits / temperature).exp()", "return e / e.sum(dim=1, keepdim=True)"),
            "overflows",
        ),
        "subtracts one maximum for all": (
            _softmax(
                "z = (logits - logits.max()) / temperature",
                "return z.exp() / z.exp().sum(dim=1, keepdim=True)",
            ),
            "one maximum for the whole batch",
        ),
        "lets PyTorch do it": (
            _softmax("return torch.softmax(logits / temperature, 1)"),
            "PyTorch's softmax",
        ),
        "forgets to return": (
            _softmax("e = (logits / temperature).exp()", "e / e.sum(dim=1, keepdim=True)"),
            "`softmax_with_temperature` gives nothing back",
        ),
        "returns one row": (_softmax("return logits[0].softmax(dim=0)"), "keep the shape"),
    },
    "2.2": {
        "forgets the biases": (_count("return sum(a * b for a, b in pairs)"), "biases are missing"),
        "gives inputs the bias": (
            _count("return sum(a * b + a for a, b in pairs)"),
            "a bias for every input",
        ),
        "one bias a layer": (_count("return sum(a * b + 1 for a, b in pairs)"), "one bias a layer"),
        "counts activations": (_count("return sum(widths)"), "flow through"),
        "jumps over the hidden layers": (
            _count("return widths[0] * widths[-1] + widths[-1]"),
            "pair of neighbours",
        ),
    },
    "2.3": {
        "turns the sign round": (_slope("(wanted - p[c]) * pixels[i]"), "sign is turned"),
        "forgets the pixel": (_slope("p[c] - wanted"), "pixel is missing"),
        "takes logits for probabilities": (
            _slope("(logits[c] - wanted) * pixels[i]"),
            "apply softmax",
        ),
        "always subtracts 1": (_slope("(p[c] - 1) * pixels[i]"), "true class only"),
        "never subtracts 1": (_slope("p[c] * pixels[i]"), "must be subtracted"),
        "subtracts a comparison": (
            _slope("(p[c] - (c == label)) * pixels[i]"),
            "PyTorch does not subtract True and False: write `float(c == label)`",
        ),
        "returns the whole gradient": (_slope("(p[c] - wanted) * pixels"), "one number"),
    },
    "2.4": {
        "keeps everything": (_some("self.images, self.labels = images, labels"), "all images"),
        "keeps the first class only": (
            _some(
                "keep = labels == classes[0]",
                "self.images, self.labels = images[keep], labels[keep]",
            ),
            "two of each class",
        ),
        "keeps the old labels": (
            _some(KEEP, "self.images, self.labels = images[keep], labels[keep]"),
            "old labels",
        ),
        "forgets to choose the images": (
            _some(KEEP, "self.images = images", NUMBERED),
            "in their old order",
        ),
        "numbers the other way round": (
            _some(KEEP, "self.images = images[keep]", NUMBERED, "self.labels = 1 - self.labels"),
            "does not belong",
        ),
        "always 4 and 9": (
            _some(
                "keep = (labels == 4) | (labels == 9)",
                "self.images = images[keep]",
                "self.labels = (labels[keep] == 9).long()",
            ),
            "wrong for classes=(9, 0, 1)",
        ),
        "two classes only": (
            _some(
                "keep = (labels == classes[0]) | (labels == classes[1])",
                "self.images = images[keep]",
                "self.labels = (labels[keep] == classes[1]).long()",
            ),
            "however many there are",
        ),
        "numbers by size": (
            _some(
                KEEP,
                "self.images = images[keep]",
                "self.labels = torch.tensor([sorted(classes).index(n) for n in labels[keep]])",
            ),
            "wrong for classes=(9, 0, 1)",
        ),
        "forgets to return": (
            _some(KEEP, "self.images = images[keep]", NUMBERED).replace("return len", "len"),
            "`__len__` gives nothing back",
        ),
        "gives the image alone": (
            _some(KEEP, "self.images = images[keep]", NUMBERED, item="self.images[i]"),
            "a pair",
        ),
        "returns labels that are no whole numbers": (
            _some(
                KEEP, "self.images = images[keep]", NUMBERED, "self.labels = self.labels.float()"
            ),
            "whole numbers",
        ),
    },
    "2.5": {
        "means of means": (
            _accuracy("model.eval()", ADD_UP, "sum(shares) / len(shares)"),
            "divide once",
        ),
        "stays in training mode": (_accuracy("pass", ADD_UP, "correct / count"), "model.eval()"),
        "means of means in training mode": (
            _accuracy("pass", ADD_UP, "sum(shares) / len(shares)"),
            "two things: call model.eval()",
        ),
        "per cent": (_accuracy("model.eval()", ADD_UP, "100 * correct / count"), "in per cent"),
        "counts": (_accuracy("model.eval()", ADD_UP, "correct"), "divide by how many"),
        "only the last batch": (
            _accuracy("model.eval()", ADD_UP, "shares[-1]"),
            "only the last batch",
        ),
        "returns inside the loop": (
            _accuracy("model.eval()", "return shares[0]", "0"),
            "only the first batch",
        ),
    },
    "2.6": {
        "suspects the loss": ("wrong_lines = [2, 6, 7]", "line 7 is right"),
        "suspects evaluation mode": ("wrong_lines = {2, 10, 12}", "line 10 is right"),
        "overlooks zero_grad": ("wrong_lines = [6, 12]", "gradients of the last batch"),
        "overlooks ReLU": ("wrong_lines = (2, 12)", "never have"),
        "overlooks the test split": ("wrong_lines = [2, 6]", "on which images"),
        "gives one number": ("wrong_lines = 6", "as a list"),
    },
    "2.7": {
        "takes the smooth one for fine": (
            "causes = {'A': 'zero_grad', 'B': 'softmax', 'C': 'fine', 'D': 'rate'}",
            "closest to 0",
        ),
        "mixes up the leaps": (
            "causes = {'A': 'rate', 'B': 'fine', 'C': 'softmax', 'D': 'zero_grad'}",
            "good at first",
        ),
        "mixes up the slow ones": (
            "causes = {'A': 'zero_grad', 'B': 'fine', 'C': 'rate', 'D': 'softmax'}",
            "well below 2.30",
        ),
        "writes something else": (
            "causes = {'A': 'no zero_grad', 'B': 'fine', 'C': 'softmax', 'D': 'rate'}",
            "write one of",
        ),
        "names one twice": (
            "causes = {'A': 'rate', 'B': 'fine', 'C': 'softmax', 'D': 'rate'}",
            "belongs to one",
        ),
        "gives a list": ("causes = ['zero_grad', 'fine', 'softmax', 'rate']", "a cause each"),
    },
    "2.8": {
        "ends with softmax": (
            _challenger(
                "nn.Sequential(LinearClassifier(image_shape, num_classes), nn.Softmax(dim=1))"
            ),
            "ends with softmax",
        ),
        "ends with ReLU": (
            _challenger("nn.Sequential(LinearClassifier(image_shape, num_classes), nn.ReLU())"),
            "ReLU on the logits",
        ),
        "trains longer": (
            _challenger(SOFTMAX_REGRESSION, "TrainingConfig(epochs=20)"),
            "more than the budget",
        ),
        "forgets the settings": (
            "def challenger(image_shape, num_classes):\n"
            "    return LinearClassifier(image_shape, num_classes)\n",
            "return two things",
        ),
        "far too small a learning rate": (
            _challenger(SOFTMAX_REGRESSION, "TrainingConfig(epochs=4, lr=1e-6)"),
            "softmax regression has",
        ),
        "has other outputs": (
            _challenger("LinearClassifier(image_shape, 7)"),
            "one logit for each class",
        ),
    },
}
