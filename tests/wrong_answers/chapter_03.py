"""Typical wrong answers to the exercises of chapter 3, and the hint that each has to get."""

WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "3.1": {
        "counts the padding once": (
            """
def output_size(size, kernel, stride=1, padding=0):
    return (size + padding - kernel) // stride + 1
""",
            "two sides",
        ),
        "forgets the first place": (
            """
def output_size(size, kernel, stride=1, padding=0):
    return (size + 2 * padding - kernel) // stride
""",
            "first place",
        ),
        "divides without rounding": (
            """
def output_size(size, kernel, stride=1, padding=0):
    return (size + 2 * padding - kernel) / stride + 1
""",
            "round down",
        ),
        "rounds up": (
            """
def output_size(size, kernel, stride=1, padding=0):
    import math
    return math.ceil((size + 2 * padding - kernel) / stride) + 1
""",
            "not up",
        ),
        "forgets the stride": (
            """
def output_size(size, kernel, stride=1, padding=0):
    return size + 2 * padding - kernel + 1
""",
            "stride is not used",
        ),
        "divides too much by the stride": (
            """
def output_size(size, kernel, stride=1, padding=0):
    return (size + 2 * padding - kernel + 1) // stride
""",
            "you say",
        ),
    },
    "3.2": {
        "turns the kernel round": (
            """
def convolve_further(image, kernel, stride=1, padding=0):
    kernel = kernel.flip(0, 1)
    x = image[None, None]
    return F.conv2d(x, kernel[None, None], stride=stride, padding=padding)[0, 0]
""",
            "turn the kernel round",
        ),
        "ignores the padding": (
            """
def convolve_further(image, kernel, stride=1, padding=0):
    return F.conv2d(image[None, None], kernel[None, None], stride=stride)[0, 0]
""",
            "padding is not used",
        ),
        "pads the output": (
            """
def convolve_further(image, kernel, stride=1, padding=0):
    y = F.conv2d(image[None, None], kernel[None, None], stride=stride)[0, 0]
    return F.pad(y, (padding,) * 4)
""",
            "not around the output",
        ),
        "leaves holes": (
            """
def convolve_further(image, kernel, stride=1, padding=0):
    image = F.pad(image, (padding,) * 4)
    y = F.conv2d(image[None, None], kernel[None, None])[0, 0]
    holes = torch.zeros_like(y)
    holes[::stride, ::stride] = y[::stride, ::stride]
    return holes
""",
            "3 × 4",
        ),
        "pads two sides": (
            """
def convolve_further(image, kernel, stride=1, padding=0):
    image = F.pad(image, (padding, 0, padding, 0))
    return F.conv2d(image[None, None], kernel[None, None], stride=stride)[0, 0]
""",
            "all four sides",
        ),
        "ignores the stride": (
            """
def convolve_further(image, kernel, stride=1, padding=0):
    return F.conv2d(image[None, None], kernel[None, None], padding=padding)[0, 0]
""",
            "stride is not used",
        ),
        "moves by one with a small output": (
            """
def convolve_further(image, kernel, stride=1, padding=0):
    image = F.pad(image, (padding,) * 4)
    size = kernel.shape[0]
    rows = (image.shape[0] - size) // stride + 1
    columns = (image.shape[1] - size) // stride + 1
    output = torch.zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            output[i, j] = (kernel * image[i : i + size, j : j + size]).sum()
    return output
""",
            "i · stride",
        ),
        "swaps rows and columns": (
            """
def convolve_further(image, kernel, stride=1, padding=0):
    x = image[None, None]
    return F.conv2d(x, kernel[None, None], stride=stride, padding=padding)[0, 0].T
""",
            "7 × 10",
        ),
    },
    "3.3": {
        "takes the mean": (
            """
def max_pool(maps):
    c, h, w = maps.shape
    return maps.reshape(c, h // 2, 2, w // 2, 2).mean(dim=(2, 4))
""",
            "mean",
        ),
        "lets the squares overlap": (
            """
def max_pool(maps):
    rows = torch.maximum(maps[:, 1:], maps[:, :-1])
    return torch.maximum(rows[:, :, 1:], rows[:, :, :-1])
""",
            "overlap",
        ),
        "keeps a corner": (
            """
def max_pool(maps):
    return maps[:, ::2, ::2]
""",
            "corner",
        ),
        "starts from zero": (
            """
def max_pool(maps):
    c, h, w = maps.shape
    output = torch.zeros(c, h // 2, w // 2)
    for row in (0, 1):
        for column in (0, 1):
            output = torch.maximum(output, maps[:, row::2, column::2])
    return output
""",
            "negative",
        ),
        "takes four of a row": (
            """
def max_pool(maps):
    c, h, w = maps.shape
    return maps.reshape(c, h // 2, w // 2, 4).amax(dim=3)
""",
            "one row",
        ),
        "mixes the channels": (
            """
def max_pool(maps):
    c, h, w = maps.shape
    return maps.reshape(c, h // 2, 2, w // 2, 2).amax(dim=(0, 2, 4))
""",
            "on its own",
        ),
    },
    "3.4": {
        "no strides": ("strides = [1, 1, 1, 1, 1]", "11 pixels"),
        "a stride where it does nothing": ("strides = [1, 1, 1, 1, 2]", "11 pixels"),
        "a stride spreads its own layer": ("strides = [1, 2, 1, 1, 2]", "not its own layer"),
        "strides everywhere": ("strides = [2, 2, 2, 2, 2]", "too many"),
        "one stride too late": ("strides = [1, 1, 2, 1, 1]", "too few"),
        "a stride for each pixel": ("strides = [23]", "five strides"),
        "a stride of three": ("strides = [3, 1, 1, 1, 1]", "1 or 2"),
    },
    "3.5": {
        "explodes": (
            """
def learned_by_heart(images, labels):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 676, 10))
    with torch.no_grad():
        model[0].weight.fill_(float("nan"))
    return model
""",
            "the training exploded",
        ),
        "not trained": (
            """
def learned_by_heart(images, labels):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 676, 10))
""",
            "has it been trained",
        ),
        "no convolution": (
            """
def learned_by_heart(images, labels):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    return model
""",
            "no convolution",
        ),
        "softmax in the model": (
            """
def learned_by_heart(images, labels):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 676, 10), nn.Softmax(dim=1)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(50):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model
""",
            "1.46",
        ),
        "running means that lag behind": (
            """
def learned_by_heart(images, labels):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 676, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(6):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model
""",
            "running means",
        ),
        "stops too early": (
            """
def learned_by_heart(images, labels):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 676, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(6):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model
""",
            "more steps",
        ),
    },
    "3.6": {
        "forgets the pooling": (
            """
predicted = [(32, 28, 28), 13578, 2822720]
def changed_network():
    return nn.Conv2d(1, 16, 5)
""",
            "halves",
        ),
        "forgets the biases": (
            """
predicted = [(32, 7, 7), 13520, 2822720]
def changed_network():
    return nn.Conv2d(1, 16, 5)
""",
            "biases",
        ),
        "gives a kernel one slice": (
            """
predicted = [(32, 7, 7), 1578, 2822720]
def changed_network():
    return nn.Conv2d(1, 16, 5)
""",
            "slice",
        ),
        "counts weights instead of work": (
            """
predicted = [(32, 7, 7), 13578, 13520]
def changed_network():
    return nn.Conv2d(1, 16, 5)
""",
            "every place",
        ),
        "forgets the linear layer": (
            """
predicted = [(32, 7, 7), 13578, 2822400]
def changed_network():
    return nn.Conv2d(1, 16, 5)
""",
            "linear layer",
        ),
        "forgets ReLU": (
            """
predicted = [(32, 7, 7), 13578, 2822720]
def changed_network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )
""",
            "ReLU",
        ),
        "lets the second work on all pixels": (
            """
predicted = [(32, 7, 7), 13578, 10349120]
def changed_network():
    return nn.Conv2d(1, 16, 5)
""",
            "14 × 14",
        ),
        "builds the original": (
            """
predicted = [(32, 7, 7), 13578, 2822720]
def changed_network():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )
""",
            "you predicted",
        ),
        "forgets the padding": (
            """
predicted = [(32, 7, 7), 13578, 2822720]
def changed_network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )
""",
            "padding of 2",
        ),
    },
    "3.7": {
        "too large": (
            """
def trained_network(data):
    return build_model("cnn", data.image_shape, data.num_classes, "small")
""",
            "too many",
        ),
        "not trained": (
            """
def trained_network(data):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(),
        nn.Linear(8, 10),
    )
""",
            "has it been trained",
        ),
        "no convolution": (
            """
def trained_network(data):
    model = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(14 * 14, 10))
    fit(model, data, TrainingConfig(epochs=5), device=device, progress=False)
    return model
""",
            "neighbours",
        ),
        "gives the history": (
            """
def trained_network(data):
    model = build_model("softmax", data.image_shape, data.num_classes)
    return fit(model, data, TrainingConfig(epochs=1), device=device, progress=False)
""",
            "model itself",
        ),
        "one layer, far too little training": (
            """
def trained_network(data):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(8 * 6 * 6, 10),
    )
    config = TrainingConfig(epochs=1, lr=1e-3)
    fit(model, data, config, device=device, progress=False)
    return model
""",
            "are wanted",
        ),
    },
}
