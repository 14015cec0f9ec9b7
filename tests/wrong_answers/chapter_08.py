"""Typical mistakes in the exercises of chapter 8, each with a part of the hint it must get."""


def _pixels(expression: str) -> str:
    return f"def for_the_file(picture):\n    return {expression}\n"


def _causes(*words: str) -> str:
    return f"causes = {list(words)!r}"


def _batch(*lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"def best_batch(milliseconds, deadline):\n{body}"


def _ladder(*lines: str, end: str = "q, scale, zero_point") -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"def with_zero_point(x, low, high):\n{body}    return {end}\n"


def _honest(
    end: str, keep: str = "self.register_buffer({name!r}, {value})", pixels: str = ""
) -> str:
    values = {name: f"torch.tensor({name}).view(-1, 1, 1)" for name in ("mean", "std")}
    values["temperature"] = "torch.tensor(float(temperature))"
    kept = "\n".join(
        f"        {keep.format(name=name, value=value)}" for name, value in values.items()
    )
    return f"""
class Honest(nn.Module):
    def __init__(self, model, mean, std, temperature):
        super().__init__()
        self.model = model
{kept}

    def forward(self, images):
        logits = self.model({pixels or "(images - self.mean) / self.std"})
        return {end}
"""


def _four(*lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"def four_bits(w):\n{body}"


SCALE, ZERO = "scale = (high - low) / 255", "zero_point = round(-low / scale)"
ROUND = "q = ((x / scale).round() + zero_point).clamp(0, 255).to(torch.uint8)"
ALLOWED = "allowed = [b for b, time in milliseconds.items() if time <= deadline]"

WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "8.1": {
        "no batch": (
            _pixels("picture.transpose(2, 0, 1).astype(np.float32) / 255"),
            "four axes are wanted",
        ),
        "channels last": (_pixels("picture[None].astype(np.float32) / 255"), "channels come first"),
        "double precision": (_pixels("picture.transpose(2, 0, 1)[None] / 255"), "wanted float32"),
        "0 to 255": (
            _pixels("picture.transpose(2, 0, 1)[None].astype(np.float32)"),
            "divide by 255",
        ),
        "normalised": (
            _pixels("picture.transpose(2, 0, 1)[None].astype(np.float32) / 255 - np.float32(0.5)"),
            "the file normalises by itself",
        ),
        "normalised as in training": (
            _pixels(
                "((picture / 255 - cifar10.mean) / cifar10.std)"
                ".transpose(2, 0, 1)[None].astype(np.float32)"
            ),
            "the file normalises by itself",
        ),
        "width before height": (
            _pixels("picture.T[None].astype(np.float32) / 255"),
            "not (1, 3, 6, 4)",
        ),
        "reshaped": (
            _pixels("picture.reshape(1, 3, *picture.shape[:2]).astype(np.float32) / 255"),
            "tears pixels apart",
        ),
        "BGR": (
            _pixels("picture[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255"),
            "in the order BGR",
        ),
        "a tensor": (_pixels("torch.tensor(picture)"), "a NumPy array is wanted"),
    },
    "8.2": {
        "four words": (_causes("BGR", "training mode", "fixed batch", "0 to 255"), "five words"),
        "a word twice": (
            _causes("BGR", "training mode", "fixed batch", "0 to 255", "0 to 255"),
            "each cause belongs",
        ),
        "batch and mode": (
            _causes("BGR", "fixed batch", "training mode", "normalised twice", "0 to 255"),
            "takes its mean over the batch",
        ),
        "twice and 255": (
            _causes("BGR", "training mode", "fixed batch", "0 to 255", "normalised twice"),
            "D: they do",
        ),
        "another word": (
            _causes("RGB", "training mode", "fixed batch", "normalised twice", "0 to 255"),
            "is not among",
        ),
    },
    "8.3": {
        "the largest": (_batch("return max(milliseconds)"), "too late"),
        "the largest in time": (_batch(ALLOWED, "return max(allowed, default=None)"), "not the f"),
        "the quickest": (
            _batch(ALLOWED, "return min(allowed, key=milliseconds.get, default=None)"),
            "the throughput decides",
        ),
        "the best of all, if in time": (
            _batch(
                "best = max(milliseconds, key=lambda b: b / milliseconds[b])",
                "return best if milliseconds[best] <= deadline else None",
            ),
            "among those that are in time",
        ),
        "before the deadline": (
            _batch(
                ALLOWED.replace("<=", "<"),
                "return max(allowed, key=lambda b: b / milliseconds[b], default=None)",
            ),
            "keep a deadline of 20",
        ),
        "an error if none": (
            _batch(ALLOWED, "return max(allowed, key=lambda b: b / milliseconds[b])"),
            "None is wanted",
        ),
        "another error if none": (
            _batch(
                "return sorted((b / t, b) for b, t in milliseconds.items() if t <= deadline)[-1][1]"
            ),
            "None is wanted",
        ),
        "time for one of the batch": (
            _batch(
                "allowed = [b for b, time in milliseconds.items() if time / b <= deadline]",
                "return max(allowed, key=lambda b: b / milliseconds[b], default=None)",
            ),
            "None is wanted",
        ),
    },
    "8.4": {
        "256 steps": (_ladder("scale = (high - low) / 256", ZERO, ROUND), "255 steps between"),
        "no zero point": (
            _ladder("scale, zero_point = max(-low, high) / 127, 0", ROUND),
            "without a zero point",
        ),
        "zero point of a fraction": (
            _ladder(SCALE, "zero_point = -low / scale", ROUND),
            "a whole number",
        ),
        "wraps around": (
            _ladder(SCALE, ZERO, "q = ((x / scale).round() + zero_point).to(torch.int64)").replace(
                "return q,", "return q.to(torch.uint8),"
            ),
            "clamp to 0",
        ),
        "not eight bits": (
            _ladder(SCALE, ZERO, ROUND.replace(".to(torch.uint8)", "")),
            "q must be uint8",
        ),
        "rounds down": (_ladder(SCALE, ZERO, ROUND.replace("round()", "floor()")), "not down"),
        "begins at low": (
            _ladder(
                SCALE,
                ZERO,
                ROUND.replace("(x / scale).round() + zero_point", "((x - low) / scale).round()"),
            ),
            "0 lies beside a step",
        ),
        "does not round": (
            _ladder(SCALE, ZERO, ROUND.replace(".round()", "")),
            "not down",
        ),
        "cuts the zero point off": (
            _ladder(SCALE, "zero_point = int(-low / scale)", ROUND),
            "the zero point is 64",
        ),
        "q alone": (_ladder(SCALE, ZERO, ROUND, end="q"), "three things"),
    },
    "8.5": {
        "logits": (_honest("logits / self.temperature"), "end with softmax"),
        "the wrong axis": (_honest("(logits / self.temperature).softmax(dim=0)"), "dim=1"),
        "logarithms": (
            _honest("(logits / self.temperature).log_softmax(dim=1)"),
            "these are logarithms",
        ),
        "no temperature": (_honest("logits.softmax(dim=1)"), "the temperature is missing"),
        "multiplies": (_honest("(logits * self.temperature).softmax(dim=1)"), "it gets surer"),
        "divides too late": (_honest("logits.softmax(dim=1) / self.temperature"), "before softmax"),
        "not normalised": (
            _honest("(logits / self.temperature).softmax(dim=1)", pixels="images"),
            "are not normalised",
        ),
        "is trained": (
            _honest(
                "(logits / self.temperature).softmax(dim=1)",
                keep="self.{name} = nn.Parameter({value})",
            ),
            "would be trained",
        ),
        "is not kept": (
            _honest("(logits / self.temperature).softmax(dim=1)", keep="self.{name} = {value}"),
            "not in `state_dict()`",
        ),
    },
    "8.6": {
        "one scale for all": (
            _four("scale = w.abs().max() / 7", "return (w / scale).round() * scale"),
            "rounds the small ones to nothing",
        ),
        "whole numbers": (
            _four(
                "scale = w.abs().amax(dim=1, keepdim=True) / 7",
                "return (w / scale).round()",
            ),
            "multiply them by the scale again",
        ),
        "one step too many": (
            _four(
                "scale = w.abs().amax(dim=1, keepdim=True) / 8",
                "return (w / scale).round() * scale",
            ),
            "17 different values",
        ),
        "eight bits": (
            _four(
                "scale = w.abs().amax(dim=1, keepdim=True) / 127",
                "return (w / scale).round() * scale",
            ),
            "4 bits can tell 16 apart",
        ),
        "a scale for each column": (
            _four("scale = w.abs().amax(dim=0) / 7", "return (w / scale).round() * scale"),
            "16 apart",
        ),
        "three bits": (
            _four(
                "scale = w.abs().amax(dim=1, keepdim=True) / 3",
                "return (w / scale).round() * scale",
            ),
            "one ladder a row has",
        ),
    },
}
