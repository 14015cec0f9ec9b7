"""Typical mistakes in the exercises of "Your own images", and the hint that each must get."""


def _prepare(
    pixels: str, end: str, picture: str = 'picture.convert("RGB").resize((32, 32))'
) -> str:
    return f"""
def prepare_picture(picture, mean, std):
    picture = {picture}
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (mean, std))
    pixels = {pixels}
    return {end}
"""


def _frozen(forward: str, train: str, init: str = "") -> str:
    return f"""
class Frozen(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(num_features, num_classes)
        {init or "self.backbone.requires_grad_(False)"}

    def forward(self, images):
        {forward}

    def train(self, mode=True):
        {train}
"""


CHANNELS_FIRST = "torch.tensor(np.array(picture)).permute(2, 0, 1)"
FORWARD = "return self.head(self.backbone(images))"
TRAIN = "super().train(mode); self.backbone.eval(); return self"

WRONG_ANSWERS = {
    "own.1": {
        "no batch": (_prepare(CHANNELS_FIRST, "(pixels / 255 - mean) / std"), "axes"),
        "channels last": (
            _prepare("torch.tensor(np.array(picture)) / 255", "pixels[None]"),
            "permute",
        ),
        "mixes the channels": (
            _prepare(
                "torch.tensor(np.array(picture)).reshape(3, 32, 32)",
                "((pixels / 255 - mean) / std)[None]",
            ),
            "mixes the channels",
        ),
        "grey pictures forgotten": (
            _prepare(
                CHANNELS_FIRST, "((pixels / 255 - mean) / std)[None]", "picture.resize((32, 32))"
            ),
            "convert",
        ),
        "not normalised": (_prepare(CHANNELS_FIRST, "(pixels / 255)[None]"), "not normalised"),
        "doubles": (
            _prepare(CHANNELS_FIRST, "((pixels.double() / 255 - mean) / std)[None]"),
            "float32",
        ),
        "an array": (
            _prepare(CHANNELS_FIRST, "((pixels / 255 - mean) / std)[None].numpy()"),
            "float32",
        ),
        "transparent pictures forgotten": (
            _prepare(
                CHANNELS_FIRST,
                "((pixels / 255 - mean) / std)[None]",
                '(picture.convert("RGB") if picture.mode == "L" else picture).resize((32, 32))',
            ),
            "transparent",
        ),
        "bytes": (_prepare(CHANNELS_FIRST, "((pixels - mean) / std)[None]"), "by 255"),
        "wrong order": (_prepare(CHANNELS_FIRST, "(pixels / 255 / std - mean)[None]"), "first"),
        "another formula": (
            _prepare(CHANNELS_FIRST, "(pixels / 255 * std + mean)[None]"),
            "values",
        ),
        "not resized": (
            _prepare(
                CHANNELS_FIRST, "((pixels / 255 - mean) / std)[None]", 'picture.convert("RGB")'
            ),
            "resize",
        ),
    },
    "own.2": {
        "one too few": (
            "def needed(accuracy): return math.floor(math.log(0.05) / math.log(accuracy))",
            "tries",
        ),
        "no whole number": (
            "def needed(accuracy): return math.log(0.05) / math.log(accuracy)",
            "whole",
        ),
        "the first mistake on average": (
            "def needed(accuracy): return round(1 / (1 - accuracy))",
            "tries",
        ),
        "another level": (
            "def needed(accuracy): return math.ceil(math.log(0.01) / math.log(accuracy))",
            "fewer",
        ),
    },
    "own.3": {
        "the new layer frozen": (
            "def freeze(model, num_classes):\n"
            "    model.head[-1] = nn.Linear(model.head[-1].in_features, num_classes)\n"
            "    return model.requires_grad_(False)",
            "first",
        ),
        "nothing frozen": (
            "def freeze(model, num_classes):\n"
            "    model.head[-1] = nn.Linear(model.head[-1].in_features, num_classes)\n"
            "    return model",
            "still learns",
        ),
        "the old classes": (
            "def freeze(model, num_classes):\n    return model.requires_grad_(False)",
            "5 classes",
        ),
        "the width of the small network": (
            "def freeze(model, num_classes):\n"
            "    model.requires_grad_(False)\n"
            "    model.head[-1] = nn.Linear(64, num_classes)\n"
            "    return model",
            "in_features",
        ),
        "another width": (
            "def freeze(model, num_classes):\n"
            "    model.requires_grad_(False)\n"
            "    model.head[-1] = nn.Linear(128, num_classes)\n"
            "    return model",
            "fit",
        ),
        "a new model": (
            "def freeze(model, num_classes):\n"
            '    model = build_model("cnn", (3, 32, 32), num_classes, "small", seed=1)\n'
            "    model.features.requires_grad_(False)\n"
            "    return model",
            "keep",
        ),
    },
    "own.4": {
        "all in training mode": (_frozen(FORWARD, "return super().train(mode)"), "running means"),
        "not frozen": (_frozen(FORWARD, TRAIN, "pass"), "gradients"),
        "everything frozen": (_frozen(FORWARD, TRAIN, "self.requires_grad_(False)"), "no gradient"),
        "train returns nothing": (
            _frozen(FORWARD, "super().train(mode); self.backbone.eval()"),
            "returns",
        ),
        "the mode is lost": (
            _frozen(FORWARD, "super().train(); self.backbone.eval(); return self"),
            "mode",
        ),
        "forward returns nothing": (
            _frozen("self.head(self.backbone(images))", TRAIN),
            "`forward` gives nothing back",
        ),
        "no logits": (_frozen("return self.backbone(images)", TRAIN), "shape"),
    },
}
