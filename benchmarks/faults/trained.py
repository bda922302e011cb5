"""Two trainings of each toy recipe, exported and published in turns, so that versions differ.

<work>/runs/                       checkpoints
<work>/exports/<training>/<recipe>/fp32/<model>

Training and exporting take half a minute, once; what is there is found again.
"""

from __future__ import annotations

from pathlib import Path

from rich.progress import Progress

from export.repository import PublishedVersion, publish_all
from export.to_onnx import export_checkpoint
from zoo.distill import Workshop, prepare, train
from zoo.recipes import VANILLA
from zoo.registry import get_recipe

RECIPES = ("mlp-toy", "finalmlp-clicks", "quantile_mlp-waves")
SEEDS = (1, 2)  # of the two trainings
WORK = Path("runs") / "faults"


class Trainings:
    """The exports of two trainings, and a repository that they are published into in turns.

    Args:
        repository: that receives the versions.
        work: folder of checkpoints and exports.
    """

    def __init__(self, repository: Path, work: Path = WORK) -> None:
        self.repository = repository
        self.work = work
        self._turns = dict.fromkeys(RECIPES, 0)
        prepare(1, "cpu")
        for recipe in RECIPES:
            for seed in SEEDS:
                self._export(recipe, seed)

    def publish(self, recipe: str) -> list[PublishedVersion]:
        """Publish the training whose turn it is: as new versions, since the other one was last."""
        seed = SEEDS[self._turns[recipe] % len(SEEDS)]
        self._turns[recipe] += 1
        folders = [file.parent for file in self._folder(recipe, seed).glob("*/*/artifact.json")]
        return publish_all(sorted(folders), self.repository, lambda _: None)

    def publish_both(self) -> None:
        """Publish both trainings of every recipe, as versions 1 and 2 where there were none."""
        for recipe in RECIPES:
            for _ in SEEDS:
                self.publish(recipe)

    def _folder(self, recipe: str, seed: int) -> Path:
        return self.work / "exports" / str(seed) / recipe

    def _export(self, recipe: str, seed: int) -> None:
        folder = self._folder(recipe, seed)
        if any(folder.glob("*/*/artifact.json")):
            return
        with Progress(disable=True) as bars:
            shop = Workshop(self.work / "runs", "cpu", bars)
            trained = train(get_recipe(recipe), [seed], [VANILLA], False, shop)
        export_checkpoint(shop.runs / trained["run"], None, folder)
