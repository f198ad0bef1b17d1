"""Names that exported models and their readers share."""

PICTURES = "pictures"
"""Input: uint8 (N, H, W, 3), RGB, any size."""
TENSORS = "tensors"
"""Optional input of an ONNX model: float32 (M, C, size, size), prepared as the network wants it."""
PROBABILITIES = "probabilities"
"""Output: float32 (N + M, classes)."""

CERTIFICATE = "certificate"
"""Metadata: how the file was compared with the network it was made from (see `certificate`)."""
SAMPLES = "samples"
"""Metadata: small pictures and their answers."""
