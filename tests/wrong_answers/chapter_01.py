"""Typical mistakes in the exercises of chapter 1, each with a part of the hint that it gets."""

WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "1.1": {
        "counts numbers, not bytes": (
            "def megabytes(images): return images.numel() / 1e6",
            "not their bytes",
        ),
        "forgets to divide": (
            "def megabytes(images): return images.numel() * images.element_size()",
            "a megabyte is 1,000,000",
        ),
        "always four bytes": (
            "def megabytes(images): return images.numel() * 4 / 1e6",
            "wrong for uint8",
        ),
        "divides by powers of two": (
            "def megabytes(images): return images.numel() * images.element_size() / 1024**2",
            "1,048,576",
        ),
        "one image only": (
            "def megabytes(images): return images[0].numel() * images.element_size() / 1e6",
            "that is one image",
        ),
        "prints text": (
            "def megabytes(images): return 'about 1 MB'",
            "one number is wanted",
        ),
    },
    "1.2": {
        "adds in uint8": (
            "def brighten(images, amount): return images + amount",
            "starts again at 0",
        ),
        "clamps too late": (
            "def brighten(images, amount): return (images + amount).clamp(0, 255)",
            "starts again at 0",
        ),
        "does not clamp": (
            "def brighten(images, amount): return images.float() + amount",
            "values above 255",
        ),
        "stays float": (
            "def brighten(images, amount): return (images.float() + amount).clamp(0, 255)",
            "turn it back into uint8",
        ),
        "clamps one end": (
            "def brighten(images, amount):\n"
            "    return (images.int() + amount).clamp(max=255).to(torch.uint8)",
            "the dark end",
        ),
        "changes the shape": (
            "def brighten(images, amount):\n"
            "    return (images.flatten().float() + amount).clamp(0, 255).to(torch.uint8)",
            "the shape must stay",
        ),
    },
    "1.3": {
        "chooses on validation": (
            "def majority_accuracy(train_labels, val_labels):\n"
            "    return (val_labels == val_labels.bincount().argmax()).float().mean()",
            "that is leakage",
        ),
        "scores on training": (
            "def majority_accuracy(train_labels, val_labels):\n"
            "    return (train_labels == train_labels.bincount().argmax()).float().mean()",
            "score the choice on the validation labels",
        ),
        "per cent": (
            "def majority_accuracy(train_labels, val_labels):\n"
            "    favourite = train_labels.bincount().argmax()\n"
            "    return 100 * (val_labels == favourite).float().mean()",
            "not per cent",
        ),
        "counts": (
            "def majority_accuracy(train_labels, val_labels):\n"
            "    return (val_labels == train_labels.mode().values).sum()",
            "divide by their number",
        ),
        "one answer for each image": (
            "def majority_accuracy(train_labels, val_labels):\n"
            "    return (val_labels == train_labels.mode().values).float()",
            "one number is wanted",
        ),
    },
    "1.4": {
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
    "1.5": {
        "same position only": (
            "def count_leaks(train_images, val_images):\n"
            "    return sum(torch.equal(a, b) for a, b in zip(train_images, val_images))",
            "same position",
        ),
        "pairs": (
            "def count_leaks(train_images, val_images):\n"
            "    return sum(torch.equal(a, b) for a in train_images for b in val_images)",
            "you counted pairs",
        ),
        "different images": (
            "def count_leaks(train_images, val_images):\n"
            "    train, val = ({x.numpy().tobytes() for x in part}\n"
            "                  for part in (train_images, val_images))\n"
            "    return len(train & val)",
            "different images only",
        ),
        "training images": (
            "def count_leaks(train_images, val_images):\n"
            "    seen = {x.numpy().tobytes() for x in val_images}\n"
            "    return sum(x.numpy().tobytes() in seen for x in train_images)",
            "you counted the training images",
        ),
        "ignores the order of the pixels": (
            "def count_leaks(train_images, val_images):\n"
            "    same = {tuple(sorted(x.flatten().tolist())) for x in train_images}\n"
            "    return sum(tuple(sorted(x.flatten().tolist())) in same for x in val_images)",
            "another order",
        ),
        "share": (
            "def count_leaks(train_images, val_images):\n"
            "    seen = {x.numpy().tobytes() for x in train_images}\n"
            "    return sum(x.numpy().tobytes() in seen for x in val_images) / len(val_images)",
            "return how many",
        ),
    },
    "1.6": {
        "farthest": (
            "def nearest_mean_label(train_images, train_labels, images):\n"
            "    rows = train_images.flatten(1).float()\n"
            "    means = torch.stack([rows[train_labels == c].mean(0) for c in range(3)])\n"
            "    return torch.cdist(images.flatten(1).float(), means).argmax(1)",
            "argmin, not argmax",
        ),
        "product": (
            "def nearest_mean_label(train_images, train_labels, images):\n"
            "    rows = train_images.flatten(1).float()\n"
            "    means = torch.stack([rows[train_labels == c].mean(0) for c in range(3)])\n"
            "    return (images.flatten(1).float() @ means.T).argmax(1)",
            "brightest mean",
        ),
        "differences of uint8": (
            "def nearest_mean_label(train_images, train_labels, images):\n"
            "    rows = train_images.flatten(1).float()\n"
            "    means = torch.stack([rows[train_labels == c].mean(0) for c in range(3)])\n"
            "    gaps = images.flatten(1)[:, None] - means.to(torch.uint8)\n"
            "    return (gaps.float() ** 2).sum(2).argmin(1)",
            "turn them into float first",
        ),
        "nearest image": (
            "def nearest_mean_label(train_images, train_labels, images):\n"
            "    rows = train_images.flatten(1).float()\n"
            "    return train_labels[torch.cdist(images.flatten(1).float(), rows).argmin(1)]",
            "average the images of each class",
        ),
        "returns distances": (
            "def nearest_mean_label(train_images, train_labels, images):\n"
            "    rows = train_images.flatten(1).float()\n"
            "    means = torch.stack([rows[train_labels == c].mean(0) for c in range(3)])\n"
            "    return torch.cdist(images.flatten(1).float(), means)",
            "one label for every image",
        ),
        "returns the smallest distance": (
            "def nearest_mean_label(train_images, train_labels, images):\n"
            "    rows = train_images.flatten(1).float()\n"
            "    means = torch.stack([rows[train_labels == c].mean(0) for c in range(3)])\n"
            "    return torch.cdist(images.flatten(1).float(), means).min(1).values",
            "not a distance",
        ),
    },
    "1.7": {
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
