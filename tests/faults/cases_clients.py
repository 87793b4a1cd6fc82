"""What clients do: vanish, come back elsewhere, come twice, read slowly, guess tokens."""

from __future__ import annotations

from tests.faults.case import Strike, case
from tests.support.eventually import eventually_async


@case("client gone, back at another gateway", longest=2.0)
async def client_gone(strike: Strike) -> None:
    """Half open: the old gateway still believes in it when it is back elsewhere."""
    gateway = strike.rng.choice(strike.world.of("gateway"))
    hit = strike.connected_to(gateway.name)
    link = strike.world.gateway_links[gateway.name]
    strike.world.network.do(link.vanish)
    strike.now(hit)
    await strike.pause(3.0, 5.0)
    strike.world.network.do(link.cut)


@case("client twice at once", longest=2.0)
async def client_twice(strike: Strike) -> None:
    """It opens its session at the other gateway while it is connected here: the newest has it."""
    caller = strike.rng.choice([c for c in strike.callers if c.live])
    here = strike.world.gateway_of(caller.heard.session)
    there = next(name for name in strike.world.gateway_links if name != here)
    caller.call_twice(strike.world.url_of(there))
    strike.now([caller])


@case("stale and stolen tokens", longest=2.0)
async def stale_token(strike: Strike) -> None:
    """A token of before, another session's, and a guess: refused, and nobody notices."""
    first, second = strike.rng.sample([c for c in strike.callers if c.live], 2)
    old = first.token
    strike.now()
    for _ in range(2):  # each resume replaces the token; the one before is good once more
        before = first.token
        here = strike.world.gateway_of(first.heard.session)
        strike.world.network.do(strike.world.gateway_links[here].cut)
        await eventually_async(lambda b=before: first.token != b, within=10)
    for token in (old, second.token, "0" * 43):
        for url in strike.world.urls:
            told = await first.stranger(url, token)
            if told is None or told.code != "not_your_session":
                strike.notes.append(f"a stranger was told {told!r}")


@case("slow reader")
async def slow_reader(strike: Strike) -> None:
    """Clients that take nothing for seconds: bounded, and complete in the end."""
    gateway = strike.rng.choice(strike.world.of("gateway"))
    hit = strike.connected_to(gateway.name)
    link = strike.world.gateway_links[gateway.name]
    strike.world.network.do(link.stall_answers)
    strike.now(hit)
    await strike.pause(3.0, 6.0)
    strike.world.network.do(link.flow)
