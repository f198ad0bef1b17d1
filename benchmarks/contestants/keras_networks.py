"""The notebook's two networks, as one writes them in Keras."""

from typing import Any

import keras
from keras import layers


def flowers() -> keras.Model:
    """notebook-flowers: 24,834,833 parameters."""
    stages: list[Any] = [keras.Input((224, 224, 3))]
    for filters, kernel, stride, padding, pooled in (
        (96, 11, 4, "valid", True),
        (256, 5, 1, "same", True),
        (384, 3, 1, "valid", False),
        (384, 3, 1, "valid", False),
        (256, 3, 1, "valid", True),
    ):
        stages += [layers.Conv2D(filters, kernel, stride, padding=padding), layers.Activation("relu")]
        stages += [layers.MaxPooling2D(3, 2)] if pooled else []
        stages += [layers.BatchNormalization()]
    stages += [layers.Flatten()]
    for _ in range(2):
        stages += [layers.Dense(4096), layers.Activation("relu"), layers.Dropout(0.4), layers.BatchNormalization()]
    return keras.Sequential([*stages, layers.Dense(17), layers.Activation("softmax", dtype="float32")])


def mnist() -> keras.Model:
    """notebook-mnist: 225,034 parameters."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
            layers.Activation("softmax", dtype="float32"),
        ]
    )


NETWORKS = {"notebook-flowers": flowers, "notebook-mnist": mnist}
