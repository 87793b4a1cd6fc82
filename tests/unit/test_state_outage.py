"""Which of Redis's failures are worth another try."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError, DataError, InvalidResponse, TimeoutError

from asr_tasks.contracts.errors import AsrError, BackendDown
from asr_tasks.state.outage import failure, is_outage

PASSING = (
    "LOADING Redis is loading the dataset in memory",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "READONLY You can't write against a read only replica.",
    "READONLY You can't write against a read only replica. script: 5f3c, on @user_script:1.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN The cluster is down",
    "OOM command not allowed when used memory > 'maxmemory'. script: 5f3c, on @user_script:10.",
    "ERR Error running script (call to f_5f3c): @user_script:10: @user_script: 10: -OOM command"
    " not allowed when used memory > 'maxmemory'.",
    "MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk.",
    "NOREPLICAS Not enough good replicas to write.",
    "NOSCRIPT No matching script. Please use EVAL.",
    "MOVED 3999 127.0.0.1:6381",
    "ERR max number of clients reached",
)
BUGS = (
    "ERR user_script:1: attempt to call global 'nope' script: 5f3c, on @user_script:1.",
    "ERR Error running script (call to f_5f3c): @user_script:1: attempt to index nil",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "ERR wrong number of arguments for 'hset' command",
    "ERR value is not an integer or out of range",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "BUSYKEY Target key name already exists.",
)


@pytest.mark.parametrize("text", PASSING)
def test_what_may_pass_is_an_outage(text: str) -> None:
    error = BaseParser.parse_error(text)
    assert is_outage(error)
    assert isinstance(failure(error, "end"), BackendDown)


@pytest.mark.parametrize("text", BUGS)
def test_what_will_be_wrong_again_is_a_bug(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mock()
    monkeypatch.setattr("asr_tasks.state.outage._log", log)
    error = BaseParser.parse_error(text)
    raised = failure(error, "end")
    assert (type(raised), raised.code) == (AsrError, "internal")
    assert text[-20:] not in str(raised)  # it is for the log, not for the client
    assert log.error.call_args.kwargs["exc_info"] is error


def test_connections_break_and_arguments_are_wrong() -> None:
    assert is_outage(ConnectionError("reset"))
    assert is_outage(TimeoutError("slow"))
    assert is_outage(InvalidResponse("garbage"))
    assert is_outage(OSError("refused"))
    assert not is_outage(DataError("Invalid input of type: 'dict'."))
