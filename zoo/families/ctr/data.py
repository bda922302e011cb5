"""A recipe's click log: encoded arrays by part, mapped into memory, and the values behind them."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from zoo.families.ctr.datasets import ENCODERS, LOGS, Found, cache_folder, find_known, key_of
from zoo.families.ctr.encode import FACTS, VOCABULARY, encode, read_unseen
from zoo.families.ctr.layout import Layout
from zoo.families.ctr.parts import Part, fold_folder, fold_rows
from zoo.families.ctr.schema import Schema, parse, read_schema
from zoo.families.ctr.split import PARTS
from zoo.families.ctr.survey import Source
from zoo.families.ctr.vocabulary import Vocabulary
from zoo.recipes import Recipe, from_table
from zoo.sources import DataError, check_own

DATASETS = list(LOGS)
OWN_OPTIONS = ("schema",)


@dataclass(frozen=True)
class DataConfig:
    """How a click log is used.

    Attributes:
        min_count: values seen more rarely in training count as unknown, unless the field's
            schema says otherwise.
        folds: into how many parts the training rows are cut.
        fold: the one that is left out of training.
        rows: of a generated log; 0 for its own number.
        oov_rate: fraction of the training values that each epoch reads as unknown, so that the
            vectors of unknown values are trained.
        schema: of the user's own log, or instead of a known log's, as ``read_schema`` gives it.
    """

    min_count: int = 1
    folds: int = 1
    fold: int = 0
    rows: int = 0
    oov_rate: float = 0.0
    schema: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.min_count < 1 or self.rows < 0:
            raise ValueError("expected min_count >= 1 and rows >= 0")
        if not 0 <= self.oov_rate < 1:
            raise ValueError(f"oov_rate is {self.oov_rate}: expected 0 <= oov_rate < 1")
        if not 0 <= self.fold < self.folds:
            raise ValueError(f"fold is {self.fold} of {self.folds}: expected 0 <= fold < folds")


class CTRData:
    """A click log, encoded.

    Attributes:
        layout: fields, and the columns they take.
        sizes: config fields that come from the data.
        vocabulary: values of the categorical and multi-valued fields.
        scales: numeric field → mean and standard deviation over the whole training part.
        attachments: what every artifact of a model carries: vocabulary and schema.
        parts: ``train``, ``val`` and ``test``; of several folds, ``train`` lacks one.
        held_out: the training rows of that fold; without folds, all training rows.
        taught: their positions in the whole training part; None without folds.
        complete: training sees all training rows.
        licence: of the data.
        digest: of the encoded log.
    """

    def __init__(self, folder: Path, schema: Schema, licence: str, folds: int, fold: int) -> None:
        self._folder, self.licence = folder, licence
        facts = json.loads((folder / FACTS).read_text())
        self.layout = Layout.from_dict(facts["layout"])
        self.sizes = {"layout": facts["layout"]}
        self.scales = {name: (mean, std) for name, (mean, std) in facts["scales"].items()}
        self.digest, self.clicks = str(facts["digest"]), dict(facts["clicks"])
        vocabulary = (folder / VOCABULARY).read_bytes()
        self.vocabulary = Vocabulary.from_bytes(vocabulary)
        described = json.dumps(schema.to_dict(), indent=1, sort_keys=True) + "\n"
        self.attachments = {VOCABULARY: vocabulary, "schema.json": described.encode()}
        self.parts = {name: Part.load(folder, name) for name in PARTS}
        self.taught, self.held_out = None, self.parts["train"]
        self.complete = folds == 1
        if folds > 1:
            self.taught = fold_rows(len(self.held_out.y), folds, fold)
            cut = fold_folder(folder, self.held_out, folds, fold)
            self.parts["train"] = Part.load(cut, "train")
            self.held_out = Part.load(cut, "held")

    @property
    def n_rows(self) -> int:
        """Rows of the test part: those that can be asked about."""
        return len(self.parts["test"].y)

    def with_test(self, part: Part) -> CTRData:
        """The same log with other encoded rows in the place of the test part's."""
        other = copy.copy(self)
        other.parts = {**self.parts, "test": part}
        return other

    def raw(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """Test rows as they stood in the log.

        Args:
            ids: of test rows.

        Returns:
            ``values`` (rows, slots) of canonical strings, empty where a value is missing, and
            ``numeric`` (rows, numerics) float32.
        """
        test = self.parts["test"]
        rows, slots = np.asarray(ids), len(self.layout.slots)
        known = np.asarray(test.ids[rows])
        values = np.empty(known.shape, dtype=object)
        for slot, name in enumerate(self.layout.slots):
            values[:, slot] = self._strings[name][known[:, slot]]
        keys, unseen = self._unseen
        asked = rows[:, None] * slots + np.arange(slots)
        found = np.searchsorted(keys, asked)
        if len(keys):
            hits = keys[np.minimum(found, len(keys) - 1)] == asked
            values[hits] = unseen.take(pa.array(found[hits])).to_pylist()
        return {"values": values, "numeric": np.asarray(test.numeric[rows])}

    @functools.cached_property
    def _unseen(self) -> tuple[np.ndarray, pa.StringArray]:
        return read_unseen(self._folder)

    @functools.cached_property
    def _strings(self) -> dict[str, np.ndarray]:
        return {name: self.vocabulary.decode(name) for name in self.vocabulary.values}


def read(recipe: Recipe) -> CTRData:
    """The recipe's click log, encoded now or found in the cache.

    Raises:
        DataError: the log cannot be had or used, or the user's own file changed.
        RecipeError: wrong settings, or a schema at fault.
    """
    config = from_table(DataConfig, recipe.data, f"{recipe.name}.data")
    if recipe.dataset_sha256:
        return _encoded(_own(recipe.dataset, recipe.dataset_sha256, config), config)
    return _encoded(find_known(recipe.dataset, config.rows), config)


def _encoded(found: Found, config: DataConfig) -> CTRData:
    """The encoded log in the cache, written there first if need be."""
    # Recipes that differ in the order of a table's keys have the same id, and so the same fields.
    own = json.loads(json.dumps(config.schema, sort_keys=True))
    schema = parse(own or found.schema, f"schema of {found.paths[0].name}")
    schema = schema.with_min_count(config.min_count)
    folder = cache_folder() / key_of([found.identity, schema.to_dict()], ENCODERS)
    if not folder.exists():
        encode(Source(found.paths, schema), folder)
    return _opened(folder, schema, found.licence, config.folds, config.fold)


@functools.lru_cache(maxsize=8)
def _opened(folder: Path, schema: Schema, licence: str, folds: int, fold: int) -> CTRData:
    return CTRData(folder, schema, licence, folds, fold)


def _own(dataset: str, sha256: str, config: DataConfig) -> Found:
    """The user's own log, and the files beside it that its schema names.

    Raises:
        DataError: no schema, or a file that is gone or changed.
    """
    check_own(dataset, sha256)
    if config.rows:
        raise DataError(f"'rows' is {config.rows}: {dataset} is not generated; leave it out")
    if not config.schema:
        raise DataError(
            f"{dataset} has no schema: give one with --schema; leanzoo data schema drafts it"
        )
    path, split = Path(dataset), parse(config.schema, f"schema of {dataset}").split
    paths, sums = [path], [sha256]
    for name, digest in ((split.val, split.val_sha256), (split.test, split.test_sha256)):
        if name:
            check_own(str(path.parent / name), digest)
            paths.append(path.parent / name)
            sums.append(digest)
    return Found(tuple(paths), tuple(sums), config.schema, "the user's own")


def own_settings(files: Sequence[Path], options: Mapping[str, str]) -> dict[str, Any]:
    """What a schema file says of the user's own log, as a recipe's data settings hold it.

    Raises:
        RecipeError: the schema is at fault.
        DataError: no such file.
    """
    schema = options.get("schema")
    return {"schema": read_schema(Path(schema), files[0])} if schema else {}


def describe(dataset: str) -> dict[str, object]:
    """What a known click log is, in a row of a table; it is encoded, and so checked, on the way.

    Raises:
        DataError: an unknown one, or one that cannot be had or used.
    """
    data = _encoded(find_known(dataset, rows=0), DataConfig())
    rows = {name: len(part.y) for name, part in data.parts.items()}
    return {
        "dataset": dataset,
        "rows": sum(rows.values()),
        "fields": len(data.layout.fields),
        "clicks": round(sum(data.clicks.values()) / sum(rows.values()), 4),
        **rows,
        "digest": data.digest[:12],
        "licence": data.licence,
    }
