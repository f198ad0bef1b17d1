"""Keras learns MNIST as the notebook does, 12 epochs of `fit` judged after each; one line of JSON at the end.

The notebook's rate of 0.001 is Adadelta's default in Keras and a thousandth of its authors'; `rate` says which.
"""

import gzip
import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from keras_networks import mnist

asked = json.loads(sys.argv[1])
keras.utils.set_random_seed(0)
keras.config.set_dtype_policy(asked["precision"])


def read(name: str, skip: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress((Path(asked["folder"]) / name).read_bytes()), np.uint8, offset=skip)


parts = {}
for part, prefix in (("train", "train"), ("test", "t10k")):
    pictures = read(f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1).astype(np.float32) / 255
    parts[part] = pictures, np.eye(10, dtype=np.float32)[read(f"{prefix}-labels-idx1-ubyte.gz", 8)]
network = mnist()
optimizer = keras.optimizers.Adadelta(asked["rate"], rho=0.95, epsilon=1e-7)
network.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
began = time.perf_counter()
reached = []


class Clock(keras.callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        reached.append((time.perf_counter() - began, logs["val_accuracy"]))


network.fit(*parts["train"], batch_size=128, epochs=12, verbose=0, validation_data=parts["test"], callbacks=[Clock()])
print(json.dumps({"accuracy": reached[-1][1], "epochs": reached}))
