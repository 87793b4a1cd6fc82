"""Events as messages of the native protocol."""

from __future__ import annotations

import json

import pytest

from asr_cli.client import events
from asr_tasks.contracts.results import Result
from gateway.events import Event, FinalResult, PartialResult
from gateway.protocols.native import encode

LOUD = Result(start=1.0, end=1.5, data={"dbfs": -20.5})
SAID = Result(start=0.0, end=1.0, text="engine four")


@pytest.mark.parametrize("event", [PartialResult(3, LOUD), FinalResult(3, LOUD)])
def test_what_a_task_says_reaches_the_client(event: Event) -> None:
    heard = events.parse(json.loads(encode(event)))
    assert isinstance(heard, events.Partial | events.Final)
    assert heard.data == {"dbfs": -20.5}


def test_a_partial_of_a_transcription_carries_no_data() -> None:
    assert "data" not in json.loads(encode(PartialResult(0, SAID)))
