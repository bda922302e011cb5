"""The gateway beside other ways to serve the same ONNX file: ``python -m benchmarks.peers``."""
