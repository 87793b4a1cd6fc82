"""`make autoscale`: private servers, `asr up --autoscale`, callers who come and go, a picture."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.autoscale.plot import draw
from tests.autoscale.watch import Watch
from tests.bench import machine
from tests.servers import choose
from tests.servers.ports import free_port
from tests.servers.process import ServerProcess

ROOT = Path(__file__).parents[2]
SLOTS = 2
ASR = (sys.executable, "-c", "from asr_cli.main import main; main()")
"""The `asr` command of this tree, whichever is installed."""


def main() -> None:
    """Run it; exit 1 if a call was refused or went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.autoscale", description=__doc__)
    parser.add_argument("--sessions", type=int, default=7, help="callers at the height [7]")
    parser.add_argument("--ramp", type=float, default=150, help="s in which they come [150]")
    parser.add_argument("--seconds", type=float, default=60, help="all of them talk so long [60]")
    parser.add_argument("--most", type=int, default=5, help="workers at most, of 2 slots [5]")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="folder")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    found = play(options.sessions, options.ramp, options.seconds, options.most, options.out)
    print(json.dumps({key: found[key] for key in ("waited", "calls", "workers")}, indent=2))
    sys.exit(0 if found["calls"]["failed"] == 0 else 1)


def play(sessions: int, ramp: float, seconds: float, most: int, out: Path) -> dict[str, Any]:
    """One ramp up and down; writes autoscale.json and autoscale.svg into ``out``."""
    about = machine.describe()
    with (
        tempfile.TemporaryDirectory(prefix="asr-autoscale-") as name,
        choose.rabbitmq(Path(name) / "rabbitmq") as broker,
        choose.redis(Path(name) / "redis") as store,
    ):
        port, grpc = free_port(), free_port()
        system = ServerProcess(
            [
                *(*ASR, "up", "--port", str(port)),
                *("--allocator-port", str(grpc), "--broker", broker.url, "--redis", store.url),
                *("--autoscale", str(most), "--slots", str(SLOTS), "--logs", f"{name}/workers"),
            ],
            env={"PYTHONUNBUFFERED": "1"},
            log=Path(name) / "up.log",
            cwd=ROOT,
        )
        system.start()
        watch = Watch(f"127.0.0.1:{grpc}")
        try:
            _wait_listening(system, grpc)
            watch.start()
            watch.until(lambda now: now.slots >= SLOTS, 180)
            print("ready; callers come", flush=True)
            load = _load(port, sessions, ramp, seconds)
            print("callers have left; workers leave", flush=True)
            watch.until(lambda now: now.calls == 0 and now.ready + now.draining == 1, 180)
            decisions = watch.decisions()
        except BaseException as error:
            error.add_note(system.tail(40))
            raise
        finally:
            watch.stop()
            system.stop(90)
    found = {
        "machine": about,
        "options": {"sessions": sessions, "ramp": ramp, "seconds": seconds, "most": most},
        "workers": max(sample.ready for sample in watch.samples),
        "waited": sum(sample.waiting > 0 for sample in watch.samples) * 0.5,
        "calls": load["sessions"],
        "load": load,
        "decisions": decisions,
        "samples": [asdict(sample) for sample in watch.samples],
    }
    (out / "autoscale.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    draw(watch.samples, out / "autoscale.svg")
    return found


def _wait_listening(system: ServerProcess, port: int) -> None:
    import socket
    import time

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert system.alive, system.tail(40)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(system.tail(40))


def _load(port: int, sessions: int, ramp: float, seconds: float) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(*ASR, "load", f"ws://127.0.0.1:{port}"),
            *("--sessions", str(sessions), "--ramp", str(ramp), "--seconds", str(seconds)),
            *("--json", "-"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=ramp + seconds + 300,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
