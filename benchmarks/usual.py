"""The usual training, as PyTorch's official tutorials write it.

Written to be fair: nothing here is slower than in those tutorials.
"""

import time
from collections.abc import Callable, Iterator

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.measure import synchronise
from benchmarks.models import usual_layout
from benchmarks.task import Task
from helpers.data.batches import Split


class ImageDataset(Dataset):
    """Images that are given out one by one, as `torchvision.datasets.MNIST` and `CIFAR10` do it.

    MNIST keeps tensors `N x H x W`, CIFAR10 keeps an array `N x H x W x C` and a list of labels;
    both make a PIL image of every item, then apply the transform.
    """

    def __init__(self, split: Split, transform: Callable[[Image.Image], Tensor]) -> None:
        self.transform = transform
        self.grey = split.images.shape[1] == 1
        if self.grey:
            self.data, self.targets = split.images[:, 0].contiguous(), split.labels
        else:
            self.data = split.images.permute(0, 2, 3, 1).contiguous().numpy()
            self.targets = split.labels.tolist()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if self.grey:
            image, target = self.data[index].numpy(), int(self.targets[index])
        else:
            image, target = self.data[index], self.targets[index]
        return self.transform(Image.fromarray(image)), target


def make_loader(task: Task, num_workers: int, split: str = "train") -> DataLoader:
    """Batches, each image normalised on its own; those of the training images are shuffled."""
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(task.data.mean, task.data.std)]
    )
    dataset = ImageDataset(getattr(task.data, split), transform)
    shuffle = split == "train"
    return DataLoader(dataset, task.config.batch_size, shuffle=shuffle, num_workers=num_workers)


def make_model(task: Task) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The model of `task` with its first weights, and Adam."""
    model = usual_layout(task.build()).to(task.device)
    return model, torch.optim.Adam(model.parameters(), lr=task.config.lr)


def train_epoch(
    loader: DataLoader,
    model: nn.Module,
    loss_function: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> float:
    """One epoch of the tutorials' loop; returns the mean of the steps' losses (nats)."""
    model.train()
    running_loss = 0.0
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
    loader, val_loader = make_loader(task, 0), make_loader(task, 0, "val")
    model, optimizer = make_model(task)
    while True:
        train_epoch(loader, model, nn.CrossEntropyLoss(), optimizer, task.device)
        yield measure_accuracy(val_loader, model, task.device)


def loop(task: Task, num_workers: int) -> Callable[[], float]:
    """The tutorials' loop; each call trains one more epoch and returns its seconds."""
    loader = make_loader(task, num_workers)
    model, optimizer = make_model(task)

    def epoch() -> float:
        started = time.perf_counter()
        train_epoch(loader, model, nn.CrossEntropyLoss(), optimizer, task.device)
        synchronise(task.device)
        return time.perf_counter() - started

    return epoch
