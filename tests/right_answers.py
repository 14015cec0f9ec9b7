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
    "1.5": {
        "rounded to a tenth": """
gain, prediction, small = 4, 92, load("mnist", mode="sample")


def accuracy_with(n):
    known, asked = (x.flatten(1).float() for x in (small.train.images[:n], small.val.images))
    right = small.train.labels[torch.cdist(asked, known).argmin(dim=1)] == small.val.labels
    return round(100 * right.double().mean().item(), 1)
""",
    },
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
    "2.5": {
        "with evaluate": """
def accuracy_of(model, batches):
    return evaluate(model, batches).accuracy
""",
        "on the model's device": """
def accuracy_of(model, batches):
    device, right, count = next(model.parameters()).device, 0, 0
    model.eval()
    for images, labels in batches:
        right += (model(images.to(device)).argmax(dim=1).cpu() == labels).sum().item()
        count += len(labels)
    return right / count
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
    "3.6": {
        "the same padding": """
predicted = [(32, 7, 7), 16 * 26 + 32 * 401 + 330, 16 * 25 * 784 + 32 * 400 * 196 + 320]


def changed_network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )
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
    "6.1": {
        "class by class": """
def precision_of(labels, answers, num_classes):
    precisions = []
    for k in range(num_classes):
        mine = answers == k
        precisions.append((labels[mine] == k).float().mean() if mine.any() else 0.0)
    return precisions
""",
        "nan made 0": """
def precision_of(labels, answers, num_classes):
    counts = torch.zeros(num_classes, num_classes)
    for truth, answer in zip(labels, answers):
        counts[truth, answer] += 1
    return (counts.diag() / counts.sum(dim=0)).nan_to_num()
""",
    },
    "6.2": {
        "the first alarm": """
def false_alarm(tests, level):
    return sum(level * (1 - level) ** quiet for quiet in range(tests))
""",
    },
    "6.3": {"a number for a word": 'wanted_temperature = ("above 1", 1, "below 1", None)'},
    "6.4": {
        "with logarithms": """
def accuracy_at(logits, labels, coverage):
    certainty, answers = logits.log_softmax(dim=1).max(dim=1)
    kept = certainty.topk(round(coverage * len(labels))).indices
    return (answers[kept] == labels[kept]).double().mean()
""",
        "in NumPy": """
def accuracy_at(logits, labels, coverage):
    probabilities = logits.softmax(dim=1).numpy()
    order = np.argsort(-probabilities.max(axis=1))[: int(coverage * len(labels) + 0.5)]
    return (probabilities.argmax(axis=1) == labels.numpy())[order].mean()
""",
    },
    "6.5": {
        "up the probability": """
def targeted(model, pixels, target, epsilon):
    pixels = pixels.clone().requires_grad_()
    wanted = model(pixels).softmax(dim=1).gather(1, target[:, None]).sum()
    slopes = torch.autograd.grad(wanted, pixels)[0]
    return (pixels + epsilon * slopes.sign()).clamp(0, 1)
""",
    },
    "6.6": {
        "with a temperature": """
def cheapest_threshold(logits, labels, wrong, ask):
    if ask >= wrong:
        return 0.0
    temperatures = torch.linspace(0.25, 6, 116)
    losses = [F.cross_entropy(logits / T, labels) for T in temperatures]
    calm = (logits / temperatures[int(torch.stack(losses).argmin())]).softmax(dim=1)
    share = (calm.amax(dim=1) < 1 - ask / wrong).float().mean()
    return logits.softmax(dim=1).amax(dim=1).quantile(share).item()
""",
        "at every certainty": """
def cheapest_threshold(logits, labels, wrong, ask):
    certainty, answers = logits.softmax(dim=1).max(dim=1)
    certainty, order = certainty.sort(descending=True)
    mistakes = (answers != labels)[order].float().cumsum(0)
    asked = len(labels) - torch.arange(1, len(labels) + 1)
    return certainty[(wrong * mistakes + ask * asked).argmin()]
""",
    },
    "7.1": {
        "counted": """
def conv_flop(in_channels, out_channels, kernel, height, width):
    layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
    with FlopCounterMode(display=False) as counter:
        layer(torch.rand(1, in_channels, height, width))
    return counter.get_total_flops()
""",
    },
    "7.2": {
        "of tensors": """
def overall_speed(speeds):
    return 1 / (1 / torch.tensor(speeds)).mean()
""",
    },
    "7.3": {
        "with pandas": """
def times_as_fast(a, b):
    return (pd.Series(a) / pd.Series(b))[1:].median()
""",
    },
    "7.4": {
        "in parts": """
def speedup(compute, wait, processes):
    return 1 / (1 / processes + (processes > 1) * wait / compute)
""",
    },
    "7.5": {
        "a column": """
def share(order, rank, world_size):
    whole = len(order) // world_size * world_size
    return order[:whole].view(-1, world_size)[:, rank]
""",
        "a list": """
def share(order, rank, world_size):
    return order.tolist()[rank::world_size][: len(order) // world_size]
""",
    },
    "8.1": {
        "in PyTorch": """
def for_the_file(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float().div(255).numpy()
""",
        "channel by channel": """
def for_the_file(picture):
    return np.stack([picture[..., k] for k in range(3)])[None] * np.float32(1 / 255)
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
    "8.4": {
        "rounded at the end": """
def with_zero_point(x, low, high):
    scale = torch.tensor((high - low) / 255)
    zero_point = (-low / scale).round()
    return (x / scale + zero_point).round().clamp(0, 255).byte(), scale, zero_point.int()
""",
    },
    "8.5": {
        "parameters that are not trained": """
class Honest(nn.Module):
    def __init__(self, model, mean, std, temperature):
        super().__init__()
        self.model = model
        for name, value in (("mean", mean), ("std", std), ("temperature", [temperature])):
            value = torch.tensor(value).view(1, -1, 1, 1)
            setattr(self, name, nn.Parameter(value, requires_grad=False))

    def forward(self, images):
        logits = self.model((images - self.mean) / self.std)
        return F.softmax(logits / self.temperature.flatten(), dim=-1)
""",
    },
    "8.6": {
        "from the lowest to the highest": """
def four_bits(w):
    low, high = w.amin(dim=1, keepdim=True), w.amax(dim=1, keepdim=True)
    scale = (high - low) / 15
    return ((w - low) / scale).round() * scale + low
""",
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
        "steps of any height": """
def four_bits(w):
    low, high = w.amin(dim=1, keepdim=True), w.amax(dim=1, keepdim=True)
    steps = low + (high - low) * torch.linspace(0, 1, 16)
    for _ in range(10):
        nearest = (w[:, :, None] - steps[:, None]).abs().argmin(dim=2)
        chosen = F.one_hot(nearest, 16).float()
        total = (chosen * w[:, :, None]).sum(dim=1)
        steps = torch.where(chosen.sum(dim=1) > 0, total / chosen.sum(dim=1).clamp(min=1), steps)
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
