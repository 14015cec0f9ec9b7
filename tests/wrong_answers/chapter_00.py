"""Typical mistakes in the exercises on tensors, each with a part of the hint that it gets."""

RIGHT_SHAPES = "(3, 32, 32), (64, 32, 32), (64, 3072), (64,), (5, 3, 16, 16)"

WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "0.1": {
        "keeps an axis": (
            f"my_shapes = [{RIGHT_SHAPES.replace('(3, 32, 32)', '(1, 3, 32, 32)')}]",
            "takes axis 0 away",
        ),
        "takes the wrong axis": (
            f"my_shapes = [{RIGHT_SHAPES.replace('(64, 32, 32)', '(3, 32, 32)')}]",
            "x[:, 0] has another shape",
        ),
        "flattens the batch too": (
            f"my_shapes = [{RIGHT_SHAPES.replace('(64, 3072)', '196608')}]",
            "are multiplied",
        ),
        "keeps the named axes": (
            f"my_shapes = [{RIGHT_SHAPES.replace('(64,)', '(3, 32, 32)')}]",
            "named axes disappear",
        ),
        "four only": ("my_shapes = [(3, 32, 32), (64, 32, 32), (64, 3072), (64,)]", "five shapes"),
        "one tuple": ("my_shapes = 'all of them'", "a list of five tuples"),
    },
    "0.2": {
        "all images together": ("def ink(images): return (images > 128).sum()", "keep axis 0"),
        "each row": ("def ink(images): return (images > 128).sum(dim=3)", "each row or column"),
        "adds the pixels": (
            "def ink(images): return (images * (images > 128)).sum(dim=(1, 2, 3))",
            "adding up the mask",
        ),
        "share": (
            "def ink(images): return (images > 128).float().mean(dim=(1, 2, 3))",
            "that is a share",
        ),
        "at least 128": ("def ink(images): return (images >= 128).sum(dim=(1, 2, 3))", "exactly"),
        "dark pixels": ("def ink(images): return (images <= 128).sum(dim=(1, 2, 3))", "dark"),
        "prints": (
            "def ink(images): print((images > 128).sum(dim=(1, 2, 3)))",
            "`ink` gives nothing back: end it with `return …`",
        ),
        "a mask": ("def ink(images): return images > 128", "the shape 5 is wanted"),
    },
    "0.3": {
        "whole table": ("def row_shares(table): return table / table.sum()", "whole table"),
        "columns": ("def row_shares(table): return table / table.sum(dim=0)", "the columns add up"),
        "without keepdim": ("def row_shares(table): return table / table.sum(dim=1)", "keepdim"),
        "sums only": ("def row_shares(table): return table.sum(dim=1)", "the shape 3 × 3"),
        "per cent": (
            "def row_shares(table): return 100 * table / table.sum(dim=1, keepdim=True)",
            "per cent",
        ),
    },
    "0.4": {
        "stays a column": (
            "def own_score(scores, labels): return scores.gather(1, labels[:, None])",
            "right numbers as a column",
        ),
        "all columns of all rows": (
            "def own_score(scores, labels): return scores[:, labels]",
            "from every row",
        ),
        "highest score": (
            "def own_score(scores, labels): return scores.max(dim=1).values",
            "the highest score",
        ),
        "rows instead of columns": (
            "def own_score(scores, labels): return scores[labels, 0]",
            "columns, not rows",
        ),
        "index without its axis": (
            "def own_score(scores, labels): return scores.gather(1, labels)",
            "stopped with RuntimeError",
        ),
    },
    "0.5": {
        "turned round": (
            "def weighted_sums(images, weights): return weights @ images.flatten(1).float().T",
            "classes × images",
        ),
        "stays uint8": (
            "def weighted_sums(images, weights): return images.flatten(1) @ weights.T",
            "stopped with RuntimeError: uint8 pixels, whole numbers up to 255: `.float()` first",
        ),
        "not flattened": (
            "def weighted_sums(images, weights): return images.float() @ weights.T",
            "stopped with RuntimeError",
        ),
        "divides by 255": (
            "def weighted_sums(images, weights): return images.flatten(1) / 255 @ weights.T",
            "as they are",
        ),
        "means": (
            "def weighted_sums(images, weights):\n"
            "    return (images.flatten(1)[:, None] * weights).mean(dim=2)",
            "those are means",
        ),
        "weights become uint8": (
            "def weighted_sums(images, weights):\n"
            "    return images.flatten(1).float() @ weights.to(torch.uint8).float().T",
            "not the weights",
        ),
    },
    "0.6": {
        "squared": (
            "def distances(a, b): return ((a[:, None] - b) ** 2).sum(dim=2)",
            "take the root",
        ),
        "turned round": ("def distances(a, b): return torch.cdist(b, a)", "M × N"),
        "differences only": ("def distances(a, b): return a[:, None] - b", "each coordinate"),
        "absolute": (
            "def distances(a, b): return (a[:, None] - b).abs().sum(dim=2)",
            "square them first",
        ),
        "cancels": (
            "def distances(a, b): return (a[:, None] - b).sum(dim=2).abs()",
            "cancel each other",
        ),
        "adds up over the points": (
            "def distances(a, b): return ((a[:, None] - b) ** 2).sum(dim=1).sqrt()",
            "which axis holds the coordinates?",
        ),
        "adds up over the points, without the root": (
            "def distances(a, b): return ((a[:, None] - b) ** 2).sum(dim=1)",
            "which axis holds the coordinates?",
        ),
        "without a new axis": (
            "def distances(a, b): return ((a - b) ** 2).sum(dim=1).sqrt()",
            "stopped with RuntimeError",
        ),
    },
}
