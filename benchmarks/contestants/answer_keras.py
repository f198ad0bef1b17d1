"""Keras answers: a saved network, from ready float pictures to probabilities, by `predict` or by a compiled call."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow
from turns import settings, take_turns

asked = settings()
network = keras.models.load_model(asked["model"])
if asked["precision"] == "mixed_bfloat16":
    weights = network.get_weights()
    config = network.get_config()
    for layer in (each for each in config["layers"] if each["class_name"] != "InputLayer"):
        layer["config"]["dtype"] = "mixed_bfloat16"
    network = network.__class__.from_config(config)
    network.set_weights(weights)
pictures = np.load(asked["ready"], mmap_mode="r")  # float32 (N, 224, 224, 3)
compiled = tensorflow.function(lambda values: network(values, training=False))


def answer(batch: np.ndarray) -> np.ndarray:
    scores: np.ndarray = network.predict(batch, verbose=0) if asked["way"] == "predict" else compiled(batch).numpy()
    return scores


answers = []
for start in range(0, asked["judged"], 64):
    answers += [int(row.argmax()) for row in answer(np.ascontiguousarray(pictures[start : start + 64]))]
count = asked["batch"]
batches = [np.ascontiguousarray(pictures[start : start + count]) for start in range(0, asked["times"] * count, count)]
if asked["way"] != "predict":
    batches = [tensorflow.constant(batch) for batch in batches]


def turn() -> dict[str, float]:
    for batch in batches:
        answer(batch)
    return {"work": len(batches) * count}


turn()
take_turns(turn, version=f"Keras {keras.__version__}", precision=asked["precision"], answers=answers)
