"""onnxruntime answers: the plain network in float32, from ready float pictures to probabilities."""

import numpy as np
import onnxruntime
from turns import settings, take_turns

asked = settings()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = asked["threads"]
session = onnxruntime.InferenceSession(asked["model"], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
pictures = np.load(asked["ready"], mmap_mode="r")  # float32 (N, 224, 224, 3)


def answer(batch: np.ndarray) -> np.ndarray:
    scores: np.ndarray = session.run(None, {name: batch})[0]
    return scores


answers = []
for start in range(0, asked["judged"], 64):
    chunk = np.ascontiguousarray(pictures[start : start + 64].transpose(0, 3, 1, 2))
    answers += [int(row.argmax()) for row in answer(chunk)]
count = asked["batch"]
batches = [
    np.ascontiguousarray(pictures[start : start + count].transpose(0, 3, 1, 2))
    for start in range(0, asked["times"] * count, count)
]


def turn() -> dict[str, float]:
    for batch in batches:
        answer(batch)
    return {"work": len(batches) * count}


turn()
take_turns(turn, version=f"onnxruntime {onnxruntime.__version__}", precision="float32", answers=answers)
