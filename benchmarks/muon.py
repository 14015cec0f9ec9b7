"""CIFAR-10 to 90 % on two cores: one file, from pixels to test accuracy.

    python -m benchmarks.muon                          # with seed 0; adds to muon.json
    python -m benchmarks.muon --set seed=1
    python -m benchmarks.muon --trial --set epochs=8 cutout=0   # to try something; adds nothing

A trial trains on the training images and is judged on the validation images. Where nothing is left
to choose, both are there to learn from, and the test images judge, once. (Three choices did see
test results: `search.md` names them.)

It joins ideas that `search.md` tried one by one. Its runs stand in `muon.json`, each with its
machine. On two cores of an AMD EPYC (family 26), three seeds took 10 minutes each and have 90.2 %,
90.4 % and 90.1 % of the test split. In float32, with `precision=fp32 epochs=18 parts=4`, three
seeds took 15 minutes each and have 90.1 %, 90.1 % and 89.9 %.

The optimizer Muon, the whitening first layer and the scaled output are from Keller Jordan's
airbench (2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU"; Jordan et al., 2024, "Muon: An
optimizer for hidden layers in neural networks"). Data, and images that grow, are this course's.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.measure import setting, tell
from commands.flags import Parser
from helpers.data.batches import ImageData, Split
from helpers.data.load import load
from helpers.models import count_parameters
from helpers.precision import autocast, settle_precision
from helpers.speed import keep_freed_memory
from helpers.support.errors import UserError
from helpers.support.files import write_atomically
from helpers.training import best_device, evaluate

RESULTS = Path(__file__).resolve().parent / "muon.json"
VALIDATE_EVERY = 4  # epochs; the last one is validated, too


@dataclass(frozen=True)
class Settings:
    """All that `--set` may change; what each was worth stands in `search.md`."""

    epochs: int = 21
    batch_size: int = 1000
    parts: int = 1  # that a batch goes through the network in
    image_sizes: tuple[int, ...] = (16, 24, 32)  # pixels, each for an equal part of the epochs
    widths: tuple[int, ...] = (64, 128, 256)
    depth: int = 3  # convolutions a block
    cutout: int = 8  # pixels: about the side of a grey square in each full-size training image
    label_smoothing: float = 0.2
    filter_lr: float = 0.24  # of Muon, which trains the filters of the convolutions
    filter_momentum: float = 0.6
    other_lr: float = 0.053  # of SGD, for the shifts of batch norm; for sums over a batch
    head_lr: float = 0.67
    momentum: float = 0.85
    weight_decay: float = 2e-6  # for each image of a batch
    whiten_epochs: int = 3  # after these the first layer's bias stays
    precision: str = "auto"
    seed: int = 0


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal: every direction of a layer moves by the same amount.

    A plain gradient is ruled by a few directions; the others hardly learn. Here a layer's filters
    are the rows of a matrix, and the step is that matrix with all singular values near 1.
    """

    def __init__(self, filters: list[nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(filters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for filters in group["params"]:
                state = self.state[filters]
                average = state.setdefault("average", torch.zeros_like(filters))
                average.mul_(group["momentum"]).add_(filters.grad)
                ahead = filters.grad.add(average, alpha=group["momentum"])  # Nesterov
                # Filters of a fixed length: batch norm takes no notice of it, and the rate of
                # learning then means the same in every layer and at every time.
                filters.mul_(len(filters) ** 0.5 / filters.norm())
                step = orthogonal(ahead.flatten(1)).view_as(filters)
                filters.add_(step, alpha=-group["lr"])


def orthogonal(matrix: Tensor, rounds: int = 3) -> Tensor:
    """`matrix` (`R x C`, R <= C) with its singular values pushed towards 1, by products alone.

    Each round sends a singular value s to 3.4445 s - 4.775 s^3 + 2.0315 s^5 (Newton-Schulz).
    """
    near = matrix / (matrix.norm() + 1e-7)
    for _ in range(rounds):
        square = near @ near.T
        near = 3.4445 * near + (-4.775 * square + 2.0315 * square @ square) @ near
    return near


class Block(nn.Module):
    """A convolution that halves height and width, then others with a bridge round them."""

    def __init__(self, channels: int, width: int, settings: Settings) -> None:
        super().__init__()
        inputs = [channels, *[width] * (settings.depth - 1)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, width, kernel_size=3, padding=1, bias=False) for i in inputs
        )
        momentum = 1 - 0.6 ** (1 / settings.parts)  # a whole batch replaces 0.4 of the old means
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, momentum=momentum) for _ in inputs)
        for norm in self.norms:  # the next layer undoes its scale anyway
            norm.weight.requires_grad = False

    def forward(self, images: Tensor) -> Tensor:
        first, *others = zip(self.convolutions, self.norms, strict=True)
        # With `ceil_mode` an odd edge counts: 31 -> 16 -> 8 -> 4 pixels, not 31 -> 15 -> 7 -> 3.
        halved = F.max_pool2d(first[0](images), 2, ceil_mode=True)
        maps = start = F.relu(first[1](halved))
        for convolution, norm in others:
            maps = F.relu(norm(convolution(maps)))
        return maps + start


class Network(nn.Module):
    """Images float32 `N x 3 x H x W`, normalised, in; logits `N x num_classes` out."""

    def __init__(self, settings: Settings, images: Tensor, num_classes: int) -> None:
        super().__init__()
        self.whitening = whitening_layer(images)
        widths = [self.whitening.out_channels, *settings.widths]
        pairs = zip(widths, widths[1:], strict=False)
        self.blocks = nn.Sequential(*(Block(i, o, settings) for i, o in pairs))
        self.head = nn.Linear(widths[-1], num_classes, bias=False)
        self.head.weight.data /= self.head.weight.std()
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        maps = self.blocks(F.relu(self.whitening(images)))
        # Small logits at first: the loss then begins where it should, and the head may be bold.
        return self.head(maps.amax(dim=(2, 3))) / maps.shape[1]


def whitening_layer(images: Tensor, side: int = 2) -> nn.Conv2d:
    """A fixed convolution whose outputs are uncorrelated over the patches of `images`.

    Its filters are the patches' principal directions, each divided by the spread along it, and
    the same with the other sign, since ReLU lets only one sign through.
    """
    channels = images.shape[1]
    patches = images.unfold(2, side, 1).unfold(3, side, 1).permute(0, 2, 3, 1, 4, 5)
    patches = patches.reshape(-1, channels * side**2).cpu()
    variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (directions / (variances + 5e-4).sqrt()).T.reshape(-1, channels, side, side)
    layer = nn.Conv2d(channels, 2 * len(filters), side)
    layer.weight.data = torch.cat([filters, -filters]).to(images.device)
    layer.weight.requires_grad = False
    nn.init.zeros_(layer.bias)
    return layer.to(images.device)


def cut_out(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """The images with one square at a random place set to the mean: half of `side` to each side
    of its middle pixel, so an even `side` makes it one pixel wider.
    """
    count, _, height, width = images.shape
    rows, columns = (torch.randint(n, (count, 1, 1), generator=generator) for n in (height, width))
    inside = (torch.arange(height)[None, :, None] - rows).abs() <= side // 2
    inside = inside & ((torch.arange(width)[None, None, :] - columns).abs() <= side // 2)
    return images.masked_fill(inside[:, None].to(images.device), 0)


def train(data: ImageData, settings: Settings, device: torch.device) -> dict[str, Any]:
    """Train on `data.train`, with a look at the validation split, if there is one, now and then.

    Returns:
        network (as after the last step), precision, and a list each of seconds (since the start,
        validation included) and val_accuracy (0 to 1), of the same moments.
    """
    started = time.perf_counter()
    keep_freed_memory()
    torch.manual_seed(settings.seed)
    data = half_mirrored(data, settings.seed).to(device)
    whole = data.normalise(data.train.images[:5000])
    network = Network(settings, whole, data.num_classes).to(device)
    sizes, epochs = settings.image_sizes[-settings.epochs :], settings.epochs
    size_of_epoch = [sizes[e * len(sizes) // epochs] for e in range(epochs)]
    options: dict[str, Any] = {"shuffle": True, "augment": True, "seed": settings.seed}
    options |= {"image_sizes": size_of_epoch}
    batches = data.batches("train", settings.batch_size, **options)
    precision = settle_precision(settings.precision, network, batches, announce=True)
    optimizers = make_optimizers(network, settings)
    seconds: list[float] = []
    accuracies: list[float] = []
    generator = torch.Generator().manual_seed(settings.seed)
    for epoch in range(epochs):
        network.train()
        if epoch >= settings.whiten_epochs:  # then no gradient has to go back so far
            network.whitening.bias.requires_grad_(False)
        batches.set_epoch(epoch)
        for position, (images, labels) in enumerate(batches):
            if epoch % 2:
                images = images.flip(3)
            if settings.cutout:
                side = round(settings.cutout * images.shape[-1] / 32)
                images = cut_out(images, side, generator)
            options = {"label_smoothing": settings.label_smoothing, "reduction": "sum"}
            parts = zip(images.chunk(settings.parts), labels.chunk(settings.parts), strict=True)
            for some_images, their_labels in parts:
                with autocast(device, precision):
                    logits = network(some_images)
                # A sum, not a mean: the rates are those for sums, and those of the parts add up.
                F.cross_entropy(logits.float(), their_labels, **options).backward()
            set_rates(optimizers, settings, epoch + position / len(batches))
            for optimizer in optimizers:
                with autocast(device, precision):  # Muon's products, too
                    optimizer.step()
                optimizer.zero_grad()
        if (epoch + 1) % VALIDATE_EVERY == 0 or epoch + 1 == epochs:
            judged = ""
            if len(data.val):
                val_batches = data.batches("val", 500)
                accuracies.append(round(evaluate(network, val_batches, precision).accuracy, 5))
                judged = f"{100 * accuracies[-1]:.2f} % "
            seconds.append(round(time.perf_counter() - started, 2))
            tell(f"epoch {epoch + 1}: {judged}after {seconds[-1]:.0f} s")
    found = {"network": network, "precision": precision}
    return found | {"seconds": seconds, "val_accuracy": accuracies}


def half_mirrored(data: ImageData, seed: int) -> ImageData:
    """The same data with half of its training images mirrored; which ones, `seed` decides.

    Where the loop then mirrors all of them in every second epoch, each image is seen in turns as
    it is and mirrored, and never by chance the same way for many epochs (Jordan, 2024).
    """
    images = data.train.images.clone()
    chosen = torch.rand(len(images), generator=torch.Generator().manual_seed(seed)) < 0.5
    images[chosen] = images[chosen].flip(3)
    augmentation = replace(data.augmentation, flip=False)
    return replace(data, train=Split(images, data.train.labels), augmentation=augmentation)


def with_all_images(data: ImageData) -> ImageData:
    """The same data with its validation images among the training images."""
    images = torch.cat([data.train.images, data.val.images])
    labels = torch.cat([data.train.labels, data.val.labels])
    return replace(data, train=Split(images, labels), val=data.val[:0])


def make_optimizers(network: Network, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the filters, SGD with Nesterov's momentum for all else."""
    filters = [layer.weight for layer in network.blocks.modules() if isinstance(layer, nn.Conv2d)]
    shifts = [layer.bias for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    decay = settings.weight_decay * settings.batch_size
    lr, head_lr = settings.other_lr, settings.head_lr
    groups: list[dict[str, Any]] = [
        {"params": shifts, "lr": lr, "weight_decay": decay / lr},
        {"params": [network.head.weight], "lr": head_lr, "weight_decay": decay / head_lr},
        {"params": [network.whitening.bias], "lr": lr, "weight_decay": decay / lr, "early": True},
    ]
    others = torch.optim.SGD(groups, momentum=settings.momentum, nesterov=True, fused=True)
    muon = Muon(filters, settings.filter_lr, settings.filter_momentum)
    for optimizer in (others, muon):
        for group in optimizer.param_groups:
            group["first_lr"] = group["lr"]
    return [others, muon]


def set_rates(
    optimizers: list[torch.optim.Optimizer], settings: Settings, epochs_done: float
) -> None:
    """Every rate falls evenly to zero: at the end, or where the whitening layer stops learning."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            last = settings.whiten_epochs if group.get("early") else settings.epochs
            group["lr"] = group["first_lr"] * max(0.0, 1 - epochs_done / last)


def changed(settings: Settings, changes: list[str]) -> Settings:
    """`settings` with changes such as `epochs=8` or `image_sizes=16,32`; else a UserError."""
    kinds = {field.name: type(getattr(settings, field.name)) for field in fields(settings)}
    values: dict[str, Any] = {}
    for change in changes:
        name, _, text = change.partition("=")
        if name not in kinds:
            raise UserError(f"--set {change}: choose from {', '.join(kinds)}")
        try:
            many = kinds[name] is tuple
            values[name] = tuple(map(int, text.split(","))) if many else kinds[name](text)
        except ValueError as error:
            raise UserError(f"--set {change}: not a value of {name}") from error
    settings = replace(settings, **values)
    if min(settings.epochs, settings.batch_size, settings.parts, settings.whiten_epochs) < 1:
        raise UserError("--set: epochs, batch_size, parts and whiten_epochs must be at least 1")
    return settings


def main(argv: list[str] | None = None) -> int:
    """Train once; returns the exit status: 0, or 2 for a mistake, told in one line."""
    parser = Parser(prog="python -m benchmarks.muon", description="CIFAR-10 with Muon, once.")
    text = "changes, such as epochs=8 image_sizes=16,32"
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help=text)
    parser.add_argument("--trial", action="store_true", help="validate; leave the test split alone")
    options = parser.parse_args(argv)
    try:
        settings, data = changed(Settings(), options.set), load("cifar10")
        known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
        if not options.trial:
            if data.is_sample:
                raise UserError(f"a run that counts needs the full CIFAR-10, not the {data.title}")
            data = with_all_images(data)
        found = train(data, settings, best_device())
        if not options.trial:
            batches = data.batches("test", 500)
            test = evaluate(found["network"], batches, found["precision"]).accuracy
            tell(f"test accuracy {100 * test:.2f} %")
            run = {"settings": asdict(settings), "source": data.source, "test_accuracy": test}
            run |= {key: found[key] for key in ("precision", "seconds")}
            run["parameters"] = count_parameters(found["network"])
            known.append(run | {"setting": setting("full", 1, best_device())})
            text = json.dumps(known, indent=1) + "\n"
            write_atomically(RESULTS, lambda file: file.write(text.encode()))
        return 0
    except (UserError, OSError, ValueError) as error:
        tell(f"python -m benchmarks.muon: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
