"""The usual training, as PyTorch's official tutorials and Lightning's first pages write it.

Written to be fair: nothing here is slower than in those tutorials. Lightning's progress bar,
logger and checkpoints are turned off, which makes it faster than it is by default.
"""

import time
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.clock import Clock
from benchmarks.measure import synchronise
from benchmarks.models import usual_layout
from benchmarks.task import Task
from helpers.data import Split
from helpers.lit import quiet_lightning


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


def make_loader(task: Task, num_workers: int) -> DataLoader:
    """Shuffled batches, each image normalised on its own."""
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(task.data.mean, task.data.std)]
    )
    dataset = ImageDataset(task.data.train, transform)
    return DataLoader(dataset, task.config.batch_size, shuffle=True, num_workers=num_workers)


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


def loop(task: Task, num_workers: int) -> Callable[[], float]:
    """The tutorials' loop; each call trains one more epoch and returns its seconds."""
    loader = make_loader(task, num_workers)
    model = usual_layout(task.build()).to(task.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=task.config.lr)

    def epoch() -> float:
        started = time.perf_counter()
        train_epoch(loader, model, nn.CrossEntropyLoss(), optimizer, task.device)
        synchronise(task.device)
        return time.perf_counter() - started

    return epoch


class UsualModule(pl.LightningModule):
    """A model in Lightning as its first pages show it."""

    def __init__(self, model: nn.Module, lr: float) -> None:
        super().__init__()
        self.model, self.lr = model, lr

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        inputs, labels = batch
        loss = nn.functional.cross_entropy(self.model(inputs), labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def lightning(task: Task) -> Callable[[], float]:
    """Lightning with the tutorials' loader; each call trains one epoch and returns its seconds."""
    quiet_lightning()
    loader = make_loader(task, num_workers=0)
    module = UsualModule(usual_layout(task.build()), task.config.lr)

    def epoch() -> float:
        clock = Clock(task.device)
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator=task.device.type,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[clock],
        )
        trainer.fit(module, loader)
        return clock.seconds

    return epoch
