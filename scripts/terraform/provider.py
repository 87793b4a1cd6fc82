"""A stand-in for the AWS provider: it knows the schema beside it, and makes nothing.

`terraform validate` holds every name, type and reference against the schema; `terraform test` with
`mock_provider` plans and applies without asking a provider for more than that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tf.provider
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc
from tf.runner import run_provider

SCHEMA = Path(__file__).with_name("schema.json")


class Named:
    """All that the runner wants to know of a provider."""

    def full_name(self) -> str:
        """Its address."""
        return "hashicorp/aws"


class StandIn(rpc.ProviderServicer):
    """Plugin protocol 6, as far as nothing is really made."""

    def __init__(self, _: Named) -> None:
        self._schema = json.loads(SCHEMA.read_text("utf-8"))

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        """The schema beside this file."""
        return pb.GetProviderSchema.Response(
            provider=_schema(self._schema["provider"]),
            resource_schemas={k: _schema(v) for k, v in self._schema["resource"].items()},
            data_source_schemas={k: _schema(v) for k, v in self._schema["data"].items()},
        )

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        """Terraform has held it against the schema."""
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        """The same."""
        return pb.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        """The same."""
        return pb.ValidateDataResourceConfig.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:
        """Nothing runs that could be stopped."""
        return pb.StopProvider.Response()


def _schema(block: dict[str, Any]) -> Any:
    return pb.Schema(version=0, block=_block(block))


def _block(block: dict[str, Any]) -> Any:
    nesting = pb.Schema.NestedBlock.NestingMode
    return pb.Schema.Block(
        attributes=[
            pb.Schema.Attribute(
                name=name,
                type=json.dumps(one["type"]).encode(),
                required=not one.get("optional", False) and not one.get("computed", False),
                optional=one.get("optional", False),
                computed=one.get("computed", False),
            )
            for name, one in block["attributes"].items()
        ],
        block_types=[
            pb.Schema.NestedBlock(
                type_name=name,
                block=_block(one["block"]),
                nesting=nesting.SINGLE if one.get("single") else nesting.LIST,
                min_items=one.get("least", 0),
                max_items=one.get("most", 0),
            )
            for name, one in block["blocks"].items()
        ],
    )


if __name__ == "__main__":
    tf.provider.ProviderServicer = StandIn
    run_provider(Named())
