"""One round: jobs are made, something is struck, every job must end as if nothing had been."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.jobs import Job, JobState
from asr_tasks.contracts.transcript import Transcript
from tests.faults.batch_cases import Case, Strike
from tests.faults.batch_world import World, unheard
from tests.support.eventually import eventually_async

OVER_SECONDS = 240.0
CLEAN_SECONDS = 60.0


@dataclass(slots=True)
class Outcome:
    """What a round has cost.

    Attributes:
        jobs: that were made; ``lost`` of them never ended, or ended otherwise than they must.
        differing: transcripts that are not those of the undisturbed run.
        repeated, allowed: pieces heard again, and how many may be.
        seconds: from the first job's creation to the last one's end.
        wrong: everything else that must not be.
        not_played: why it was not.
    """

    jobs: int = 0
    lost: int = 0
    differing: int = 0
    repeated: int = 0
    allowed: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    not_played: str = ""

    @property
    def missed(self) -> list[str]:
        """Which promises were not kept."""
        counts = {"lost": self.lost, "differing": self.differing}
        said = [f"{count} {name}" for name, count in counts.items() if count]
        if self.repeated > self.allowed:
            said.append(f"{self.repeated} pieces repeated, {self.allowed} may be")
        return said + self.wrong


class Rounds:
    """Plays rounds in one world; the undisturbed transcripts are made by the first."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self._undisturbed: dict[Path, Transcript] = {}

    def play(self, case: Case, number: int) -> Outcome:
        """One round of a case; which one decides its moments."""
        if reason := case.needs(self._world):
            return Outcome(not_played=reason)
        if not self._undisturbed:
            self._undisturbed = asyncio.run(self._listen())
        rng = random.Random(f"{self._seed} {case.name} {number}")
        return asyncio.run(self._play(case, rng))

    async def _listen(self) -> dict[Path, Transcript]:
        strike = self._begin(random.Random(0))
        try:
            await strike.create()
            await strike.create_short()
            found = {path: await self._transcript(strike, job) for job, path in strike.made.items()}
        finally:
            await strike.jobs.close()
        for path, transcript in found.items():
            wrong = unheard(transcript, path)
            assert wrong < 0.1, f"{wrong} s of {path.name} are wrong though nothing was struck"
        again = sum(self._world.heard().values()) - len(self._world.heard())
        assert not again, f"{again} pieces are heard twice though nothing was struck"
        return found

    async def _play(self, case: Case, rng: random.Random) -> Outcome:
        await asyncio.to_thread(self._world.repair)
        strike = self._begin(rng)
        began = time.monotonic()
        try:
            await case.strike(strike)
            outcome = Outcome(jobs=len(strike.made), wrong=strike.notes)
            deadline = began + OVER_SECONDS
            for job, path in strike.made.items():
                await self._judge(strike, job, path, outcome, deadline - time.monotonic())
            outcome.seconds = round(time.monotonic() - began, 1)
        finally:
            await strike.jobs.close()
        heard = self._world.heard()
        outcome.repeated = sum(heard.values()) - len(heard)
        outcome.allowed = strike.allowed
        outcome.wrong += [f"{w.name} died" for w in self._world.workers if not w.process.alive]
        outcome.wrong += await self._left_behind()
        return outcome

    def _begin(self, rng: random.Random) -> Strike:
        self._world.forget()
        return Strike(self._world, self._world.jobs(), rng)

    async def _judge(
        self, strike: Strike, job: str, path: Path, outcome: Outcome, within: float
    ) -> None:
        try:
            found = await self._over(strike, job, within)
        except AssertionError as error:
            outcome.lost += 1
            outcome.wrong.append(f"{path.name}: {error}")
            return
        if job in strike.failing:
            outcome.wrong += _blamed(found, strike.failing[job])
        elif found.state is not JobState.DONE:
            outcome.lost += 1
            outcome.wrong.append(f"{path.name}: {found.state} {found.code}: {found.message}")
        elif await strike.jobs.transcript(job) != self._undisturbed[path]:
            outcome.differing += 1

    async def _transcript(self, strike: Strike, job: str) -> Transcript:
        found = await self._over(strike, job)
        transcript = await strike.jobs.transcript(job)
        assert transcript is not None, f"{found.state} {found.code}: {found.message}"
        return transcript

    async def _over(self, strike: Strike, job: str, within: float = OVER_SECONDS) -> Job:
        async def over() -> Job | None:
            try:
                found = await strike.jobs.get(job)
            except BackendDown:
                return None
            assert found is not None, "there is no such job any more"
            assert found.state.over, f"{found.state}, {found.done} of {found.pieces} pieces heard"
            return found

        found = await eventually_async(over, within=within, every=0.1)
        assert found is not None
        return found

    async def _left_behind(self) -> list[str]:
        async def nothing() -> bool:
            left = await asyncio.to_thread(self._world.left_behind)
            assert left == []
            return True

        try:
            await eventually_async(nothing, within=CLEAN_SECONDS, every=0.2)
        except AssertionError as error:
            return [f"left behind: {error}"]
        return []


def _blamed(job: Job, second: float) -> list[str]:
    """What is wrong with how a job failed that was to fail because of that second."""
    if (job.state, job.code) != (JobState.FAILED, "recogniser_failed"):
        return [f"the poisoned job is {job.state} {job.code}: {job.message}"]
    numbers = [float(word) for word in job.message.split() if word.replace(".", "", 1).isdigit()]
    if len(numbers) < 2 or not numbers[0] <= second <= numbers[1]:
        return [f"{second} s is to blame, but it says: {job.message}"]
    return []
