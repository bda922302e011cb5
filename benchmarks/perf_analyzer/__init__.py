"""Our closed loops beside NVIDIA's perf_analyzer: same server, model and rows, in turns.

install   the binary of a wheel, and the two libraries that it needs
question  what is asked: a model and rows, as a client and as perf_analyzer take them
clients   who asks: perf_analyzer, ``serving.client``, and connections with requests made beforehand
compare   rounds in turns, what the server says of each, and the ratios
table     what came out, for documents

``python -m benchmarks.perf_analyzer`` writes ``results/perf_analyzer.json``.
"""
