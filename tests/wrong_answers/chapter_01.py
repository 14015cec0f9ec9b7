"""Typical mistakes in the exercises of chapter 1, each with a part of the hint that it gets."""

MEASURE = (
    "def accuracy_with(n):\n"
    "    images = small.train.images[:n], small.val.images\n"
    "    known, asked = (x.flatten(1).float() for x in images)\n"
    "    nearest = torch.cdist(asked, known).argmin(dim=1)\n"
    "    return 100 * (small.train.labels[nearest] == small.val.labels).float().mean()\n"
)
START = 'gain, prediction, small = GAIN, 92, load("mnist", mode="sample")\n'

WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "1.1": {
        "adds in uint8": ("def halfway(a, b): return (a + b) // 2", "does not fit"),
        "halves in float, adds in uint8": (
            "def halfway(a, b): return ((a + b).float() / 2).to(torch.uint8)",
            "does not fit",
        ),
        "halves first": ("def halfway(a, b): return a // 2 + b // 2", "rounds down twice"),
        "forgets to halve": ("def halfway(a, b): return a.float() + b.float()", "halve it"),
        "stays float": ("def halfway(a, b): return (a.float() + b) / 2", "turn it back"),
        "rounds up": (
            "def halfway(a, b): return ((a.float() + b) / 2).ceil().to(torch.uint8)",
            "round down",
        ),
        "changes the shape": (
            "def halfway(a, b): return ((a.float() + b) / 2).flatten().to(torch.uint8)",
            "the shape must stay",
        ),
    },
    "1.2": {
        "one number for all channels": (
            "def channel_stats(images):\n"
            "    pixels = images.float() / 255\n"
            "    return pixels.mean(), pixels.std()",
            "one number for all channels",
        ),
        "a mean for every pixel": (
            "def channel_stats(images):\n"
            "    pixels = images.float() / 255\n"
            "    return pixels.mean(dim=0), pixels.std(dim=0)",
            "three channels need three means",
        ),
        "not divided by 255": (
            "def channel_stats(images):\n"
            "    pixels = images.float()\n"
            "    return pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3))",
            "divide the pixels by 255",
        ),
        "averages the spread of images": (
            "def channel_stats(images):\n"
            "    pixels = images.float() / 255\n"
            "    return pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(2, 3)).mean(dim=0)",
            "all pixels together",
        ),
        "variance": (
            "def channel_stats(images):\n"
            "    pixels = images.float() / 255\n"
            "    return pixels.mean(dim=(0, 2, 3)), pixels.var(dim=(0, 2, 3))",
            "square root",
        ),
        "means only": (
            "def channel_stats(images): return (images / 255).mean(dim=(0, 2, 3))",
            "return two things",
        ),
    },
    "1.3": {
        "finds every twin": (
            "def best_threshold(twins, strangers): return twins.max() + 0.001",
            "every twin",
        ),
        "calls no stranger a twin": (
            "def best_threshold(twins, strangers): return strangers.min()",
            "hardly any twin",
        ),
        "between the means": (
            "def best_threshold(twins, strangers): return (twins.mean() + strangers.mean()) / 2",
            "ignores how wide",
        ),
        "returns the mistakes": (
            "def best_threshold(twins, strangers):\n"
            "    return min(int((twins >= t).sum() + (strangers < t).sum())\n"
            "               for t in torch.cat([twins, strangers]))",
            "how many mistakes",
        ),
        "counts missed twins only": (
            "def best_threshold(twins, strangers):\n"
            "    return min(torch.cat([twins, strangers]), key=lambda t: (twins > t).sum())",
            "makes",
        ),
        "a fixed number": ("def best_threshold(twins, strangers): return 0.25", "none one"),
        "all mistakes": ("def best_threshold(twins, strangers): return strangers", "one number"),
    },
    "1.4": {
        "the nearest only": (
            "def vote_of_neighbours(train_images, train_labels, images, k):\n"
            "    rows, asked = train_images.flatten(1).float(), images.flatten(1).float()\n"
            "    return train_labels[torch.cdist(asked, rows).argmin(1)]",
            "ask k of them",
        ),
        "the farthest": (
            "def vote_of_neighbours(train_images, train_labels, images, k):\n"
            "    rows, asked = train_images.flatten(1).float(), images.flatten(1).float()\n"
            "    index = torch.cdist(asked, rows).topk(k).indices\n"
            "    return train_labels[index].mode(dim=1).values",
            "largest=False",
        ),
        "subtracts bytes": (
            "def vote_of_neighbours(train_images, train_labels, images, k):\n"
            "    squares = ((images[:, None] - train_images[None]) ** 2).sum(dim=(2, 3, 4))\n"
            "    return train_labels[squares.topk(k, largest=False).indices].mode(dim=1).values",
            "wraps round",
        ),
        "positions vote": (
            "def vote_of_neighbours(train_images, train_labels, images, k):\n"
            "    rows, asked = train_images.flatten(1).float(), images.flatten(1).float()\n"
            "    return torch.cdist(asked, rows).topk(k, largest=False).indices.mode(dim=1).values",
            "look up their labels",
        ),
        "no vote": (
            "def vote_of_neighbours(train_images, train_labels, images, k):\n"
            "    rows, asked = train_images.flatten(1).float(), images.flatten(1).float()\n"
            "    return train_labels[torch.cdist(asked, rows).topk(k, largest=False).indices]",
            "one label for every image",
        ),
        "the mean of the labels": (
            "def vote_of_neighbours(train_images, train_labels, images, k):\n"
            "    rows, asked = train_images.flatten(1).float(), images.flatten(1).float()\n"
            "    index = torch.cdist(asked, rows).topk(k, largest=False).indices\n"
            "    return train_labels[index].float().mean(dim=1).round().long()",
            "mean",
        ),
        "always five": (
            "def vote_of_neighbours(train_images, train_labels, images, k):\n"
            "    rows, asked = train_images.flatten(1).float(), images.flatten(1).float()\n"
            "    index = torch.cdist(asked, rows).topk(5, largest=False).indices\n"
            "    return train_labels[index].mode(dim=1).values",
            "use k",
        ),
    },
    "1.5": {
        "the height instead of the gain": (
            START.replace("GAIN", "85.5") + MEASURE,
            "take off the one at 200",
        ),
        "reads another pair": (START.replace("GAIN", "1.2") + MEASURE, "read again"),
        "predicts a fall": (START.replace("GAIN, 92", "4, 80") + MEASURE, "has not fallen"),
        "predicts a share": (START.replace("GAIN, 92", "4, 0.92") + MEASURE, "in per cent"),
        "measures a share": (
            START.replace("GAIN", "4") + MEASURE.replace("100 * ", ""),
            "not a share",
        ),
        "asks training": (
            START.replace("GAIN", "4") + MEASURE.replace("small.val", "small.train"),
            "about themselves",
        ),
        "all images every time": (
            START.replace("GAIN", "4") + MEASURE.replace("[:n]", ""),
            "the first n only",
        ),
    },
    "1.6": {
        "the nearest image": (
            "def my_classifier(train_images, train_labels, images):\n"
            "    rows = train_images.flatten(1).float()\n"
            "    return train_labels[torch.cdist(images.flatten(1).float(), rows).argmin(1)]",
            "change what is compared",
        ),
        "always one class": (
            "def my_classifier(train_images, train_labels, images):\n"
            "    return torch.zeros(len(images), dtype=torch.long)",
            "every image gets the same label",
        ),
        "positions instead of labels": (
            "def my_classifier(train_images, train_labels, images):\n"
            "    rows = train_images.flatten(1).float()\n"
            "    return torch.cdist(images.flatten(1).float(), rows).argmin(1)",
            "position of a training image",
        ),
        "labels of the copies in the wrong order": (
            "def my_classifier(train_images, train_labels, images):\n"
            "    rows = torch.cat([train_images, train_images.roll(1, 3)]).flatten(1).float()\n"
            "    labels = train_labels.repeat_interleave(2)\n"
            "    return labels[torch.cdist(images.flatten(1).float(), rows).argmin(1)]",
            "the order of the labels",
        ),
        "returns distances": (
            "def my_classifier(train_images, train_labels, images):\n"
            "    rows = train_images.flatten(1).float()\n"
            "    return torch.cdist(images.flatten(1).float(), rows)",
            "one label for every image",
        ),
    },
}
