"""The usual training, as PyTorch's official tutorials write it.

Written to be fair: nothing here is slower than in those.
"""

import time
from collections.abc import Callable, Iterator

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.measure import synchronise
from benchmarks.tasks import Task
from helpers.data.batches import Split


class ImageDataset(Dataset):
    """Images one by one by way of PIL, as `torchvision.datasets.CIFAR10` gives them."""

    def __init__(self, split: Split, transform: Callable[[Image.Image], Tensor]) -> None:
        self.images = split.images.permute(0, 2, 3, 1).squeeze(3).contiguous().numpy()
        self.labels, self.transform = split.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def make_loader(task: Task, num_workers: int = 0, split: str = "train") -> DataLoader:
    """Batches, each image normalised on its own; those of the training images are shuffled."""
    normalise = transforms.Normalize(task.data.mean, task.data.std)
    transform = transforms.Compose([transforms.ToTensor(), normalise])
    dataset, shuffle = ImageDataset(getattr(task.data, split), transform), split == "train"
    return DataLoader(dataset, task.config.batch_size, shuffle=shuffle, num_workers=num_workers)


def make_model(task: Task) -> nn.Module:
    """The model of `task` with its first weights, in the usual order: N x C x H x W."""
    model = task.build().to(task.device)
    if hasattr(model, "features"):  # without this course's `forward`, which changes the order
        model = nn.Sequential(model.features, model.head)
    return model.to(memory_format=torch.contiguous_format)


def train_epoch(
    loader: DataLoader, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> float:
    """One epoch of the tutorials' loop; returns the mean of the steps' losses (nats)."""
    model.train()
    loss_function, running_loss = nn.CrossEntropyLoss(), 0.0
    for inputs, labels in loader:
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = loss_function(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    return running_loss / len(loader)


def measure_accuracy(loader: DataLoader, model: nn.Module, device: torch.device) -> float:
    """The tutorials' test loop: the accuracy (0 to 1) of `model` on the images of `loader`."""
    model.eval()
    correct = 0.0
    with torch.no_grad():
        for inputs, labels in loader:
            inputs, labels = inputs.to(device), labels.to(device)
            outputs = model(inputs)
            correct += (outputs.argmax(1) == labels).type(torch.float).sum().item()
    return correct / len(loader.dataset)


def val_accuracies(task: Task) -> Iterator[float]:
    """Each step trains one more epoch and gives the validation accuracy (0 to 1) after it."""
    model, loader, val_loader = make_model(task), make_loader(task), make_loader(task, split="val")
    optimizer = torch.optim.Adam(model.parameters(), lr=task.config.lr)
    while True:
        train_epoch(loader, model, optimizer, task.device)
        yield measure_accuracy(val_loader, model, task.device)


def loop(task: Task, num_workers: int = 0) -> Callable[[], float]:
    """The tutorials' loop; each call trains one more epoch and returns its seconds."""
    model, loader = make_model(task), make_loader(task, num_workers)
    optimizer = torch.optim.Adam(model.parameters(), lr=task.config.lr)

    def epoch() -> float:
        started = time.perf_counter()
        train_epoch(loader, model, optimizer, task.device)
        synchronise(task.device)
        return time.perf_counter() - started

    return epoch
