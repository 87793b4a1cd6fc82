"""A process that holds a worker's stream and does nothing else: to be killed or stopped.

``python -m tests.support.attached_worker ADDRESS NAME MODEL SLOTS``; prints a line once it is
attached. Pretends to run whatever is assigned to it, as Redis (argument 5, its URL) says.
"""

from __future__ import annotations

import asyncio
import sys
import uuid

import grpc
import redis.asyncio

from asr_tasks.contracts import names
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.rpc.worker_manager_pb2_grpc import WorkerManagerServiceStub


async def main(address: str, name: str, model: str, slots: str, url: str) -> None:
    client = redis.asyncio.Redis.from_url(url, decode_responses=True)
    incarnation, sequence = uuid.uuid4().hex, 0
    async with grpc.aio.insecure_channel(address) as channel:
        call = WorkerManagerServiceStub(channel).Attach()
        while True:
            running = []
            for session in await client.smembers(names.worker_sessions_key(name)):
                epoch, worker = await client.hmget(names.session_key(session), "epoch", "worker")
                if worker == name:
                    await client.hset(
                        names.session_key(session),
                        mapping={"state": "streaming", "claim": "word"},
                    )
                    running.append(pb.Assignment(session=session, epoch=int(epoch)))
            sequence += 1
            await call.write(
                pb.WorkerReport(
                    worker_name=name,
                    model_name=model,
                    incarnation=incarnation,
                    slots=int(slots),
                    state=pb.READY,
                    running=running,
                    sequence=sequence,
                )
            )
            await call.read()
            if sequence == 1:
                print("attached", flush=True)
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
