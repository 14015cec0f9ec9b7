"""The command line behind `train.py`, `lightning_train.py` and `predict.py`."""
