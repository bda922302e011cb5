"""Trained checkpoints → ONNX graphs that passed their gates → a Triton model repository."""
