"""What ARCHITECTURE.md and CONTRIBUTING promise about the code, checked on the code."""

from __future__ import annotations

import ast
import filecmp
import importlib.util
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asr_tasks.contracts import names
from asr_tasks.contracts.states import SESSION_TRANSITIONS, WORKER_TRANSITIONS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("asr_tasks", "gateway", "allocator", "asr_cli")
LONGEST_FILE = 400
LONG_FILES: dict[str, str] = {
    # Each with the reason why it is still one file.
}
TOUCHES_THE_ENVIRONMENT = {
    "asr_tasks/settings.py": "reads it",
    "asr_tasks/worker/__main__.py": "sets what the celery command it becomes will read",
    "allocator/scaling/processes.py": "hands it on to the worker processes that it starts",
    "asr_tasks/catalogue.py": "asks the hub client's own variables where its cache is",
}
KEY = re.compile(r"^asr:[a-z<]")


def sources(pattern: str = "*.py") -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob(pattern)):
            if "_pb2" not in path.name:
                yield path


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def script(path: str) -> object:
    """A file outside every package, imported."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_imports_go_the_way_the_map_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    broken = lint_imports(no_logo=True)
    assert broken == 0, capsys.readouterr().out


def test_no_file_grows_past_a_readers_patience() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in sources()}
    long = {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE}
    assert long.keys() <= LONG_FILES.keys(), long


def test_the_excuses_for_long_files_are_still_needed() -> None:
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in LONG_FILES}
    assert all(lines > LONGEST_FILE for lines in lengths.values()), lengths


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        relative(path)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers <= TOUCHES_THE_ENVIRONMENT.keys()


def test_every_key_that_contracts_make_is_described_there() -> None:
    documented = set(re.findall(r"``(asr:[^`]+)``", names.__doc__ or ""))
    makers: dict[str, Callable[[str], str]] = dict(inspect.getmembers(names, inspect.isfunction))
    made = {
        maker(placeholder)
        for name, maker in makers.items()
        if name.endswith("_key")
        for placeholder in [f"<{_placeholder(maker)}>"]
    }
    made |= {
        value for name, value in vars(names).items() if name.endswith("_KEY") and KEY.match(value)
    }
    assert made == documented


def _placeholder(maker: Callable[[str], str]) -> str:
    """How names.py writes the argument in its list of keys."""
    (parameter,) = inspect.signature(maker).parameters
    return {"session": "id", "job": "id", "worker": "name", "gateway": "name"}.get(
        parameter, parameter
    )


def test_keys_are_spelt_in_the_contracts_only() -> None:
    spelt = {
        f"{relative(path)}:{node.lineno} {node.value!r}"
        for path in sources()
        if relative(path) != "asr_tasks/contracts/names.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.match(node.value)
    }
    assert not spelt


def test_keys_in_lua_are_those_of_the_contracts() -> None:
    documented = set(re.findall(r"``(asr:[^`]+)``", names.__doc__ or ""))
    channels = {names.SUSPECTS_CHANNEL, names.WAITING_CHANNEL}
    known = {re.sub(r"<[a-z]+>", "<>", key) for key in documented | channels}
    unknown = {
        f"{relative(path)}: {key}"
        for path in sources("*.lua")
        for key in _lua_keys(path.read_text())
        if key not in known
    }
    assert not unknown


def _lua_keys(text: str) -> Iterator[str]:
    """Keys that a script spells, with ``<>`` for what it puts in: ``'a:' .. x .. ':b'``."""
    for literals in re.findall(r"'asr:[^']*'(?:\s*\.\.\s*[a-z_]+(?:\s*\.\.\s*'[^']*')?)?", text):
        yield re.sub(r"\s*\.\.\s*[a-z_]+\s*\.?\.?\s*", "<>", literals).replace("'", "")


def test_the_pictures_of_the_state_machines_are_the_tables() -> None:
    document = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    drawn = script("scripts/draw_states.py").drawn(document)
    assert drawn == document, "run `make docs`"


@pytest.mark.parametrize("name", ["cli", "settings", "figures"])
def test_the_references_say_what_the_code_says(name: str) -> None:
    written = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    assert script(f"scripts/{name}_reference.py").document() == written, "run `make docs`"


def test_every_script_of_the_state_machines_is_there() -> None:
    scripts = {path.stem for path in sources("*.lua")}
    named = {
        name
        for move in (*SESSION_TRANSITIONS, *WORKER_TRANSITIONS)
        for name in move.script.split(", ")
    }
    assert named <= scripts


def test_the_stubs_are_what_the_proto_generates(tmp_path: Path) -> None:
    generator = script("proto/generate.py")
    generator.generate(tmp_path)
    folder = Path(generator.PACKAGE)
    made = sorted(path.name for path in (tmp_path / folder).iterdir())
    same, different, absent = filecmp.cmpfiles(
        tmp_path / folder, ROOT / folder, made, shallow=False
    )
    assert (different, absent) == ([], []), "run `make proto`"
    assert same == made


def test_the_light_images_carry_no_model() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    light = [*project["dependencies"]]
    for extra in ("gateway", "allocator", "worker"):
        light += project["optional-dependencies"][extra]
    assert not [need for need in light if re.match(r"torch|nemo", need)]
