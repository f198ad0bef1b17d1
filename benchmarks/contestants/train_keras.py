"""Keras trains as the notebook does: `fit` on pictures in memory, Adadelta with the notebook's rate."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from keras_networks import NETWORKS
from turns import settings, take_turns

asked = settings()
keras.utils.set_random_seed(0)
keras.config.set_dtype_policy(asked["precision"])
network = NETWORKS[asked["network"]]()
network.compile(
    keras.optimizers.Adadelta(asked["rate"], rho=0.95, epsilon=1e-7),
    loss="categorical_crossentropy",
    metrics=["accuracy"],
)
generator = np.random.default_rng(0)
count = asked["steps"] * asked["batch"]
pictures = generator.random((count, *network.input_shape[1:]), dtype=np.float32)
labels = np.eye(network.output_shape[1], dtype=np.float32)[generator.integers(0, network.output_shape[1], count)]


def turn() -> dict[str, float]:
    network.fit(pictures, labels, batch_size=asked["batch"], epochs=1, verbose=0)
    return {"work": count}


turn()
take_turns(
    turn,
    parameters=network.count_params(),
    version=f"Keras {keras.__version__}",
    precision="bf16" if asked["precision"] == "mixed_bfloat16" else "float32",
    flop=asked["flop"],
)
