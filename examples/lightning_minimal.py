"""All of Lightning's daily parts on the course's digits: python examples/lightning_minimal.py

Chapter 5 explains each line. After a crash, run it again: it goes on from runs/minimal/last.ckpt.
"""

import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from helpers.data import load
from helpers.models import build_model


class Digits(pl.LightningDataModule):
    def prepare_data(self):
        load("mnist")  # fetches the files if they are missing

    def setup(self, stage):
        self.data = load("mnist")

    def loader(self, split, **options):
        part = getattr(self.data, split)
        images = self.data.normalise(part.images)
        return DataLoader(TensorDataset(images, part.labels), batch_size=128, **options)

    def train_dataloader(self):
        return self.loader("train", shuffle=True)

    def val_dataloader(self):
        return self.loader("val")

    def test_dataloader(self):
        return self.loader("test")


class DigitClassifier(pl.LightningModule):
    def __init__(self, size="small", lr=0.003):
        super().__init__()
        self.save_hyperparameters()
        self.model = build_model("cnn", (1, 28, 28), num_classes=10, size=size)
        self.val_accuracy = MulticlassAccuracy(num_classes=10, average="micro")
        self.test_accuracy = MulticlassAccuracy(num_classes=10, average="micro")

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self.model(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self.model(images)
        self.val_accuracy(logits, labels)
        self.log("val_accuracy", self.val_accuracy, prog_bar=True)
        self.log("val_loss", F.cross_entropy(logits, labels), sync_dist=True)

    def test_step(self, batch, batch_idx):
        images, labels = batch
        self.test_accuracy(self.model(images), labels)
        self.log("test_accuracy", self.test_accuracy)

    def predict_step(self, batch, batch_idx):
        return self.model(batch[0]).argmax(dim=1)

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        moves = {"scheduler": schedule, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": moves}


def main():
    pl.seed_everything(0, workers=True)
    out = "runs/minimal"
    best = ModelCheckpoint(out, "best", monitor="val_accuracy", mode="max")
    newest = ModelCheckpoint(out, "newest", save_last=True)  # after every epoch: to go on from
    stop, rate = EarlyStopping("val_loss", patience=3), LearningRateMonitor("step")
    logger = CSVLogger(out, name="log")
    trainer = pl.Trainer(max_epochs=3, logger=logger, callbacks=[best, newest, stop, rate])
    data = Digits()
    trainer.fit(DigitClassifier(), datamodule=data, ckpt_path="last")  # none yet: from the start
    path = best.best_model_path
    trainer.test(datamodule=data, ckpt_path=path)
    answers = torch.cat(trainer.predict(dataloaders=data.test_dataloader(), ckpt_path=path))
    print("the first answers:", answers[:8].tolist())


if __name__ == "__main__":
    main()
