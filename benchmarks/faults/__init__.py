"""What becomes of requests when something goes wrong: ``python -m benchmarks.faults kill soak``.

questions.py   requests of every endpoint, and what each version must answer
load.py        asks them at scheduled times, and judges the answers
generator.py   does so in a process of its own
gateway.py     a gateway over a repository, and what its processes weigh
trained.py     two trainings of three toy recipes, published in turns: versions told apart
outcome.py     figures, what was asked of them, and results/faults.json
"""
