"""Networks for other programs: ONNX, torch.export, Triton. Each file carries the proof that it answers as ours."""
