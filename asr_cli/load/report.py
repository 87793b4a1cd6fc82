"""The report of a load: what wrk would say of requests, and what a caller would say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from asr_cli.load.crowd import Plan
from asr_cli.load.figures import Figures
from asr_cli.load.hpa import Look
from asr_cli.load.spread import Spread

LATE_SECONDS: Final = 0.05
"""A generator that is so late (p99) measures itself, too."""

_SPREADS: Final = {
    "connect": "until a session is greeted",
    "accept": "chunk → stored",
    "first": "first sample → first words",
    "lag": "last word spoken → final",
    "tail": "end of call → all finals",
    "late": "chunks sent too late",
}
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def as_json(plan: Plan, figures: Figures, looks: Sequence[Look]) -> dict[str, Any]:
    """Everything, for machines; durations in seconds, absent ones null."""
    elapsed = figures.elapsed
    traffic = figures.traffic
    return {
        "url": plan.url,
        "protocol": plan.protocol,
        "model": plan.model,
        "connections": plan.sessions,
        "asked_seconds": plan.seconds,
        "ramp_seconds": plan.ramp,
        "seconds": round(elapsed, 3),
        "sessions": {
            name: getattr(figures, name)
            for name in ("opened", "refused", "failed", "done", "cut", "most", "reconnects")
        },
        "chunks": {"sent": figures.sent, "accepted": figures.accepted},
        "results": {"partials": figures.partials, "finals": figures.finals},
        "messages": {
            "sent": traffic.messages_sent,
            "received": traffic.messages_received,
            "sent_per_second": _rate(traffic.messages_sent, elapsed),
            "received_per_second": _rate(traffic.messages_received, elapsed),
        },
        "transfer": {
            "sent_bytes": traffic.bytes_sent,
            "received_bytes": traffic.bytes_received,
            "sent_bytes_per_second": _rate(traffic.bytes_sent, elapsed),
            "received_bytes_per_second": _rate(traffic.bytes_received, elapsed),
        },
        "latency": {name: _summary(getattr(figures, name)) for name in _SPREADS},
        "errors": {
            code: {"count": count, "last": figures.said[code]}
            for code, count in figures.errors.most_common()
        },
        "hpa": [asdict(look) for look in looks],
    }


def show(console: Console, plan: Plan, figures: Figures, looks: Sequence[Look]) -> None:
    """Print it for people."""
    elapsed, traffic = figures.elapsed, figures.traffic
    console.print(
        f"{elapsed:.1f} s against {plan.url} ({plan.protocol}, model {plan.model}), "
        f"{plan.sessions} connections at the speed of speech",
        style="bold",
        soft_wrap=True,
    )
    console.print(_latencies(figures))
    console.print(_latencies_note(figures))
    rows = {
        "sessions": f"{figures.opened} opened, {figures.refused} refused, {figures.failed} failed, "
        f"{figures.done} done, {figures.cut} cut off; {figures.most} at a time; "
        f"{figures.reconnects} reconnects",
        "chunks": f"{figures.sent} sent"
        + (f", {figures.accepted} accepted" if plan.protocol == "native" else "")
        + f"; {figures.partials} partials, {figures.finals} finals came back",
        "messages": f"{traffic.messages_sent} sent ({_rate(traffic.messages_sent, elapsed)}/s), "
        f"{traffic.messages_received} received ({_rate(traffic.messages_received, elapsed)}/s)",
        "transfer": f"{_size(traffic.bytes_sent)} sent "
        f"({_size(_rate(traffic.bytes_sent, elapsed))}/s), "
        f"{_size(traffic.bytes_received)} received "
        f"({_size(_rate(traffic.bytes_received, elapsed))}/s)",
        "errors": str(figures.errors.total() or "none"),
    }
    for name, said in rows.items():
        console.print(Text.assemble((f"{name:10}", "cyan"), said), soft_wrap=True)
    for code, count in figures.errors.most_common():
        console.print(
            Text(f"  {count} × {code}: {figures.said[code]}", style="yellow"), soft_wrap=True
        )
    if looks:
        console.print(_replicas(looks))


def progress(plan: Plan, figures: Figures, look: Look | None) -> str:
    """The present state in a line."""
    total = plan.ramp + plan.seconds
    said = (
        f"{min(figures.elapsed, total):4.0f}/{total:.0f} s  {figures.live} sessions"
        f"  {_rate(figures.traffic.messages_received, figures.elapsed)} messages/s"
        f"  {figures.finals} finals, lag p50 {_time(figures.lag.percentile(50))}"
        f" p99 {_time(figures.lag.percentile(99))}"
    )
    if figures.refused or figures.failed:
        said += f"  {figures.refused} refused, {figures.failed} failed"
    if look is not None:
        said += f"  {_hpa(look)}"
    return said


def _latencies(figures: Figures) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("latency", no_wrap=True)
    for name in ("avg", "stdev", "+/- stdev", "50 %", "75 %", "90 %", "99 %", "max", "count"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, said in _SPREADS.items():
        spread: Spread = getattr(figures, name)
        one = spread.summary()
        if one is None:
            table.add_row(said, *["–"] * 8, "0")
            continue
        times = (one.p50, one.p75, one.p90, one.p99, one.max)
        table.add_row(
            said,
            _time(one.average),
            _time(one.stdev),
            f"{one.within:.0%}",
            *(_time(value) for value in times),
            str(one.count),
        )
    return table


def _latencies_note(figures: Figures) -> Text:
    if figures.late.percentile(99) > LATE_SECONDS:
        return Text(
            "This machine was too busy to speak in time (last row): part of the latency is its "
            "own. Use fewer sessions, or several machines.",
            style="yellow",
        )
    return Text("Finals come after the silence that ends an utterance.", style="dim")


def _replicas(looks: Sequence[Look]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("s", "sessions", "cpu", "memory", "min", "max", "replicas", "wanted"):
        table.add_column(name, justify="right")
    table.add_column("")
    for look in looks:
        figures = ["–"] * 6
        if not look.missed:
            pods = (look.least, look.most, look.replicas, look.desired)
            figures = [
                _load(look.cpu, look.target_cpu),
                _load(look.memory, look.target_memory),
                *(str(number) for number in pods),
            ]
        table.add_row(f"{look.at:.0f}", str(look.sessions), *figures, look.missed)
    return table


def _hpa(look: Look) -> str:
    if look.missed:
        return "HPA unseen"
    wanted = f"→{look.desired}" if look.desired != look.replicas else ""
    return (
        f"{look.replicas}{wanted} replicas (cpu {_load(look.cpu, look.target_cpu)}, "
        f"memory {_load(look.memory, look.target_memory)})"
    )


def _load(percent: int | None, target: int | None) -> str:
    now = "?" if percent is None else f"{percent}%"
    return now if target is None else f"{now}/{target}%"


def _summary(spread: Spread) -> dict[str, float] | None:
    one = spread.summary()
    return None if one is None else {name: round(v, 6) for name, v in asdict(one).items()}


def _rate(amount: float, seconds: float) -> float:
    return round(amount / seconds, 1) if seconds > 0 else 0.0


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.1f} ms"


def _size(amount: float) -> str:
    for unit in _UNITS[:-1]:
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} {_UNITS[-1]}"
