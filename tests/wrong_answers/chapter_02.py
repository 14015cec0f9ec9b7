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


def _step(*lines: str) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"def training_step(model, optimizer, images, labels):\n{body}\n"


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


LOSS = "loss = F.cross_entropy(model(images), labels)"
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
        "overflows": (
            _softmax("e = (logits / temperature).exp()", "return e / e.sum(dim=1, keepdim=True)"),
            "overflows",
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
        "returns the whole gradient": (_slope("(p[c] - wanted) * pixels"), "one number"),
    },
    "2.4": {
        "forgets zero_grad": (
            _step(LOSS, "loss.backward()", "optimizer.step()", "return loss.item()"),
            "gradients of an earlier step",
        ),
        "forgets to step": (
            _step(LOSS, "optimizer.zero_grad()", "loss.backward()", "return loss.item()"),
            "no weight has moved",
        ),
        "forgets backward": (
            _step(LOSS, "optimizer.step()", "return loss.item()"),
            "old gradients",
        ),
        "clears the gradients after backward": (
            _step(
                LOSS,
                "loss.backward()",
                "optimizer.zero_grad()",
                "optimizer.step()",
                "return loss.item()",
            ),
            "no weight has moved",
        ),
        "gives probabilities to the loss": (
            _step(
                "loss = F.cross_entropy(model(images).softmax(dim=1), labels)",
                "optimizer.zero_grad()",
                "loss.backward()",
                "optimizer.step()",
                "return loss.item()",
            ),
            "got probabilities",
        ),
        "returns the loss after the step": (
            _step(
                LOSS,
                "optimizer.zero_grad()",
                "loss.backward()",
                "optimizer.step()",
                "return F.cross_entropy(model(images), labels).item()",
            ),
            "after the step",
        ),
        "returns nothing": (
            _step(LOSS, "optimizer.zero_grad()", "loss.backward()", "optimizer.step()"),
            "return the loss",
        ),
    },
    "2.5": {
        "means of means": (
            _accuracy("model.eval()", ADD_UP, "sum(shares) / len(shares)"),
            "divide once",
        ),
        "stays in training mode": (_accuracy("pass", ADD_UP, "correct / count"), "model.eval()"),
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
