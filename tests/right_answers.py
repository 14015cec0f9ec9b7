"""Right answers that differ from the solution, and that a check might refuse."""


def _frozen(name: str, forward: str) -> str:
    return f"""
class Frozen(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.{name} = backbone
        for weight in backbone.parameters():
            weight.requires_grad = False
        self.top = nn.Linear(num_features, num_classes)

    def forward(self, images):
        {forward}

    def train(self, mode=True):
        super().train(mode)
        self.{name}.eval()
        return self
"""


def _rule(*lines: str) -> str:
    return "\n    ".join(("def my_rule(w, g, memory, lr):", *lines))


RIGHT_ANSWERS: dict[str, dict[str, str]] = {
    "2.1": {
        "with the chapter's softmax": """
def softmax(logits):
    powers = (logits - logits.max(dim=1, keepdim=True).values).exp()
    return powers / powers.sum(dim=1, keepdim=True)


def softmax_with_temperature(logits, temperature):
    return softmax(logits / temperature)
""",
    },
    "2.3": {
        "with a row of ten": """
def slope_of_weight(logits, label, pixels, c, i):
    errors = logits.softmax(dim=0) - F.one_hot(torch.tensor(label), 10)
    return errors[c] * pixels[i]
""",
        "as a number": """
def slope_of_weight(logits, label, pixels, c, i):
    return ((logits.softmax(dim=0)[c] - float(c == label)) * pixels[i]).item()
""",
    },
    "2.4": {
        "chooses in __getitem__": """
class OnlySome(Dataset):
    def __init__(self, images, labels, classes):
        self.images, self.labels, self.classes = images, labels, list(classes)
        self.kept = [i for i, label in enumerate(labels) if label in self.classes]

    def __len__(self):
        return len(self.kept)

    def __getitem__(self, index):
        i = self.kept[index]
        return self.images[i], self.classes.index(self.labels[i])
""",
    },
    "4.7": {
        "momentum": _rule(
            "memory['m'] = 0.9 * memory.get('m', 0.0) + g", "return w - lr * memory['m']"
        ),
        "sign descent": _rule("return w - lr * g.sign()"),
        "Lion": _rule(
            "m = memory.get('m', torch.zeros_like(w))",
            "memory['m'] = 0.99 * m + 0.01 * g",
            "return w - lr * (0.9 * m + 0.1 * g).sign()",
        ),
        "Adam": _rule(
            "t = memory['t'] = memory.get('t', 0) + 1",
            "m = memory['m'] = 0.9 * memory.get('m', 0.0) + 0.1 * g",
            "v = memory['v'] = 0.999 * memory.get('v', 0.0) + 0.001 * g**2",
            "return w - lr * m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)",
        ),
    },
    "5.8": {
        "parts of nearly the same size": """
def accumulate(model, images, labels, size):
    model.zero_grad()
    count = -(-len(images) // size)
    for part, truth in zip(images.chunk(count), labels.chunk(count)):
        loss = F.cross_entropy(model(part), truth, reduction="sum") / len(images)
        loss.backward()
    return [w.grad for w in model.parameters()]


equality = "up to rounding"
""",
    },
    "8.3": {
        "in a loop": """
def best_batch(milliseconds, deadline):
    best, rate = None, 0
    for batch, time in sorted(milliseconds.items()):
        if time <= deadline and batch / time > rate:
            best, rate = batch, batch / time
    return best
""",
    },
    "8.6": {
        "a smaller scale": """
def four_bits(w):
    best = torch.zeros_like(w)
    for factor in torch.linspace(0.5, 1, 26):
        scale = factor * w.abs().amax(dim=1, keepdim=True) / 7
        tried = (w / scale).round().clamp(-7, 7) * scale
        better = (tried - w).square().sum(1) < (best - w).square().sum(1)
        best[better] = tried[better]
    return best
""",
        "quantiles of each row": """
def four_bits(w):
    steps = torch.stack([row.sort().values.view(16, -1).mean(dim=1) for row in w])
    nearest = (w[:, :, None] - steps[:, None]).abs().argmin(dim=2)
    return steps.gather(1, nearest)
""",
    },
    "own.4": {
        "another name": _frozen("body", "return self.top(self.body(images))"),
        "without gradients": _frozen(
            "net",
            "with torch.no_grad(): numbers = self.net(images)\n        return self.top(numbers)",
        ),
    },
}
