"""The model catalogue: a TOML file a user edits, read by gateway, allocator and worker.

Standard library only: gateway and allocator read it and must not load torch for it. A relative
checkpoint path is looked for beside the catalogue file, then beside the package (a clone), so
that the demo model is found from a clone and from an installed wheel alike.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, get_type_hints

from asr_tasks.configuration import ConfigurationError
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import ModelUnavailable, UnknownModel

PACKAGED: Final = Path(__file__).with_name("catalogue.toml")
"""The catalogue that comes with the package."""

KINDS: Final = ("cache_aware", "buffered", "echo", "none")
MODELLESS: Final = ("echo", "none")
DECODINGS: Final = ("ctc", "rnnt")


class CatalogueError(ConfigurationError):
    """The catalogue file says something that cannot be; the message names file and entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model a client may ask for by name.

    Attributes:
        name: what clients ask for.
        root: folder that relative checkpoint paths start from.
        model: path of a ``.nemo`` file, or a hub name such as ``nvidia/…``; empty for echo.
        language: language tag of what it recognises.
        description: one line for people.
        kind: ``cache_aware`` (streaming models), ``buffered`` (offline models run over a sliding
            window), ``echo`` (answers without a model; for tests and benchmarks) or ``none`` (the
            task needs no recogniser).
        task: name of the stream task that serves it; empty: transcription.
        decoding: ``ctc`` or ``rnnt``.
        att_context: encoder frames of left context and look-ahead; the latency mode of a
            cache-aware model, one of those it was trained with. One per worker process.
        offline_context: the same for batch jobs, which need not hurry; [-1, -1] is all of a piece;
            empty: the model's own default.
        stride_ms: audio of one encoder frame; 80 for FastConformer, 40 for Conformer.
        chunk_seconds, left_seconds, right_seconds: the sliding window of a buffered model.
        slots: streams one worker process serves at a time.
        batch: most streams stepped together; 0: all slots.
        hotwords: words every stream of this model listens for, if its decoder can.
        hotword_boost: weight of hotwords.
        end_of_utterance_ms: silence that ends an utterance.
        max_utterance: seconds of speech without a pause after which a final is forced.
        device: ``cpu`` or ``cuda``.
        final_every: seconds between finals of an echo model; its partials come with each frame.
        statefulset: Kubernetes StatefulSet of its workers; empty: ``asr-worker-<name>``.
        min_replicas, max_replicas: bounds for the scaler.
    """

    name: str
    root: Path
    model: str = ""
    language: str = ""
    description: str = ""
    kind: str = "cache_aware"
    task: str = ""
    decoding: str = "ctc"
    att_context: tuple[int, ...] = ()
    offline_context: tuple[int, ...] = ()
    stride_ms: int = 80
    chunk_seconds: float = 1.0
    left_seconds: float = 4.0
    right_seconds: float = 1.0
    slots: int = 8
    batch: int = 0
    hotwords: tuple[str, ...] = ()
    hotword_boost: float = 1.0
    end_of_utterance_ms: int = 800
    max_utterance: float = 25.0
    device: str = "cpu"
    final_every: float = 2.0
    statefulset: str = ""
    min_replicas: int = 0
    max_replicas: int = 1

    @property
    def checkpoint(self) -> str:
        """What to load: the ``.nemo`` file's path if it is here, else the hub name.

        Raises:
            ModelUnavailable: a path to nothing.
        """
        file = self._file()
        if file is not None:
            return str(file)
        if self._is_hub_name:
            return self.model
        raise ModelUnavailable(
            f"The model {self.name!r} is configured, but its checkpoint {self.model} is not "
            "installed; put the file there or correct its path in the catalogue."
        )

    @property
    def frame(self) -> int:
        """16 kHz samples that its recogniser takes in at a time; 0: whatever comes.

        Less than this is of no use to it, so the gateway sends pieces that end where a frame does.
        """
        if self.kind == "buffered":
            return round(self.chunk_seconds * SAMPLE_RATE)
        if self.kind == "cache_aware" and self.att_context:
            return (1 + self.att_context[1]) * self.stride_ms * SAMPLE_RATE // 1000
        return 0

    @property
    def available(self) -> bool:
        """Whether its checkpoint is on this machine (an echo model always is)."""
        return self.kind in MODELLESS or self._file() is not None

    def check(self) -> None:
        """Raise unless :attr:`available`.

        Raises:
            ModelUnavailable: with a sentence that names the missing checkpoint.
        """
        if self.available:
            return
        if self._is_hub_name:
            raise ModelUnavailable(
                f"The model {self.name!r} is configured, but its checkpoint {self.model} has not "
                "been downloaded from the hub to this machine."
            )
        _ = self.checkpoint

    @property
    def _is_hub_name(self) -> bool:
        return not self.model.endswith(".nemo") and self.model.count("/") == 1

    def _file(self) -> Path | None:
        if self._is_hub_name:
            return _in_hub_cache(self.model)
        path = Path(self.model).expanduser()
        if path.is_absolute():
            return path if path.is_file() else None
        candidates = (self.root / path, PACKAGED.parent.parent / path)
        return next((found for found in candidates if found.is_file()), None)


class Catalogue(Mapping[str, Entry]):
    """The models by name, in the file's order; the first is the default."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(entries)

    @classmethod
    def load(cls, path: str | Path = "") -> Catalogue:
        """Read a catalogue file; the packaged one if ``path`` is empty.

        Raises:
            CatalogueError: not readable, not TOML, an unknown key, or a value that cannot be.
        """
        file = Path(path).expanduser() if path else PACKAGED
        try:
            raw = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise CatalogueError(f"{file}: {error}") from error
        unknown = sorted(set(raw) - {"models"})
        if unknown:
            raise CatalogueError(f"{file}: unknown key {unknown[0]!r}; only [models.<name>] may be")
        models = raw.get("models", {})
        if not isinstance(models, dict) or not models:
            raise CatalogueError(f"{file}: no [models.<name>] in it")
        return cls({name: _entry(file, name, table) for name, table in models.items()})

    def get(self, name: str, default: Any = None) -> Entry:
        """The entry of that name (``default`` is there for Mapping's sake and is ignored).

        Raises:
            UnknownModel: there is none; the message lists those there are.
        """
        del default
        if name not in self._entries:
            raise UnknownModel(
                f"There is no model {name!r}; there are: {', '.join(self._entries)}."
            )
        return self._entries[name]

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def describe(self) -> list[dict[str, Any]]:
        """Every entry's name, language, description and whether it is available here."""
        return [
            {
                "name": entry.name,
                "language": entry.language,
                "description": entry.description,
                "available": entry.available,
            }
            for entry in self._entries.values()
        ]


def _entry(file: Path, name: str, table: object) -> Entry:
    """A validated entry.

    Raises:
        CatalogueError: names file, entry and key.
    """
    where = f"{file}: models.{name}"
    if not isinstance(table, dict):
        raise CatalogueError(f"{where} is not a table")
    hints = get_type_hints(Entry)
    allowed = {field.name for field in fields(Entry)} - {"name", "root"}
    for key in table:
        if key not in allowed:
            raise CatalogueError(f"{where}: unknown key {key!r}")
    values = {key: _value(f"{where}.{key}", value, hints[key]) for key, value in table.items()}
    entry = Entry(name=name, root=file.resolve().parent, **values)
    wrong = _impossible(entry)
    if wrong:
        raise CatalogueError(f"{where}: {wrong}")
    return entry


def _value(where: str, value: object, hint: Any) -> Any:
    """``value`` as ``hint`` says; TOML's integers count as floats, its arrays as tuples."""
    if hint is float and type(value) is int:
        return float(value)
    if hint in (str, int, float) and type(value) is hint:
        return value
    if hint in (tuple[int, ...], tuple[str, ...]) and isinstance(value, list):
        item = int if hint == tuple[int, ...] else str
        if all(type(part) is item for part in value):
            return tuple(value)
    raise CatalogueError(f"{where} = {value!r} is not of type {getattr(hint, '__name__', hint)}")


def _impossible(entry: Entry) -> str:
    """What of the entry cannot be, or an empty string."""
    checks = (
        (entry.kind in KINDS, f"kind must be one of {', '.join(KINDS)}"),
        (entry.decoding in DECODINGS, f"decoding must be one of {', '.join(DECODINGS)}"),
        (
            entry.kind in MODELLESS or bool(entry.model),
            "model must name a .nemo file or a hub model",
        ),
        (entry.kind != "none" or bool(entry.task), "kind none needs a task"),
        (len(entry.att_context) in (0, 2), "att_context must be [left, right]"),
        (len(entry.offline_context) in (0, 2), "offline_context must be [left, right]"),
        (entry.slots >= 1, "slots must be at least 1"),
        (0 <= entry.batch <= entry.slots, "batch must be between 0 and slots"),
        (entry.end_of_utterance_ms >= 1, "end_of_utterance_ms must be at least 1"),
        (entry.max_utterance > 0 and entry.final_every > 0, "seconds must be positive"),
        (entry.chunk_seconds > 0, "chunk_seconds must be positive"),
        (entry.stride_ms >= 1, "stride_ms must be at least 1"),
        (min(entry.left_seconds, entry.right_seconds) >= 0, "seconds must not be negative"),
        (
            0 <= entry.min_replicas <= entry.max_replicas,
            "min_replicas exceeds max_replicas",
        ),
    )
    return next((message for holds, message in checks if not holds), "")


def _in_hub_cache(name: str) -> Path | None:
    """The ``.nemo`` file of a hub model in the hub's local cache, where its client keeps it.

    The two variables are the hub client's own, not settings of this project.
    """
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
    snapshots = cache / f"models--{name.replace('/', '--')}" / "snapshots"
    return next(iter(sorted(snapshots.glob("*/*.nemo"))), None)
