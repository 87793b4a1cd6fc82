"""The gateway's settings, all of them with the prefix ``ASR_``."""

from __future__ import annotations

import socket

from pydantic import Field, SecretStr

from asr_tasks.settings import Settings


class GatewaySettings(Settings):
    """What a gateway can be told; times in seconds, audio in seconds of audio."""

    host: str = Field("0.0.0.0", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    gateway_name: str = Field(
        default_factory=socket.gethostname, description="Name of this gateway among the others."
    )
    default_model: str = Field(
        "english", description="Model of clients whose protocol cannot name one."
    )

    max_sessions: int = Field(1000, ge=1, description="Sessions held at once; more: overloaded.")
    max_decoders: int = Field(
        200, ge=1, description="Sessions that may send containers at once (a thread each)."
    )
    max_message_bytes: int = Field(1 << 20, ge=1024, description="Largest message of a client.")
    session_seconds: float = Field(
        6 * 3600.0, gt=0, description="Longest audio of one session; then it ends."
    )
    uncommitted_seconds: float = Field(
        120.0, ge=30, description="Audio ahead of the transcript before reading stops."
    )

    wait_seconds: float = Field(60.0, gt=0, description="Longest wait for a first worker.")
    rewait_seconds: float = Field(
        600.0, gt=0, description="Longest wait for another worker after the first was lost."
    )
    idle_seconds: float = Field(
        300.0, gt=0, description="A connected client that sends nothing for so long is ended."
    )
    finish_seconds: float = Field(
        3600.0, gt=0, description="Longest wait for the last results after the end of stream."
    )
    resume_seconds: float = Field(10.0, ge=0, description="Resume window unless a client asks.")
    max_resume_seconds: float = Field(300.0, ge=0, description="Longest resume window.")
    keepalive_seconds: float = Field(
        5.0, gt=0, description="Between signs of life to a worker while no audio flows."
    )
    ping_seconds: float = Field(
        10.0, gt=0, description="Silence on a connection before a ping; gone after three."
    )
    alive_seconds: float = Field(
        2.0, gt=0, description="Between signs of life to a client, which looks elsewhere without."
    )
    send_seconds: float = Field(
        30.0, gt=0, description="A client that takes nothing for so long is gone."
    )
    broker_seconds: float = Field(
        60.0,
        gt=0,
        description="Longest wait for the broker to confirm audio, and for Redis to note its end.",
    )
    poll_seconds: float = Field(1.0, gt=0, description="Between looks at all sessions in Redis.")
    poll_soon_seconds: float = Field(
        0.25, gt=0, description="The same for sessions that miss something or are ending."
    )
    accept_seconds: float = Field(0.2, gt=0, description="Between `accepted` messages.")
    gateway_drain_seconds: float = Field(
        25.0, ge=0, description="After SIGTERM, longest wait for clients that cannot resume."
    )
    going_away_ms: int = Field(500, ge=0, description="After SIGTERM, when clients come back.")
    kaldi_silence_seconds: float = Field(
        10.0, gt=0, description="kaldi protocol: nothing recognised for so long ends with status 1."
    )
    gateway_heartbeat: int = Field(10, ge=1, description="AMQP heartbeat of its connections.")

    header_seconds: float = Field(
        30.0,
        gt=0,
        description="A connection without a whole request for so long is closed.",
    )
    api_keys: SecretStr = Field(
        SecretStr(""),
        description=(
            "Keys, with commas between, one of which transcription requests and jobs must show and "
            "which open every session's transcript; empty: none is needed."
        ),
    )
    uploads: str = Field(
        "",
        description=(
            "Folder or s3:// URI where uploads lie until their job is over; batch workers read "
            "them there, and no other system's uploads may. Empty: one in the system's folder for "
            "temporary files, for each Redis."
        ),
    )
    max_upload_bytes: int = Field(2 << 30, ge=1024, description="Largest upload.")
    max_uploads: int = Field(50, ge=1, description="Uploads at once; more: overloaded.")
    upload_idle_seconds: float = Field(
        30.0, gt=0, description="An upload of which nothing comes for so long is given up."
    )
    upload_orphan_seconds: float = Field(
        900.0,
        gt=0,
        description="An upload that no job knows of and that stays as it is so long is deleted.",
    )
    upload_keep_seconds: float = Field(
        86_400.0,
        gt=0,
        description="An upload whose job failed or was cancelled is kept so long for another try.",
    )
    source_schemes: str = Field(
        "http,https,s3",
        description=(
            "Schemes of URIs that a job's source may have, with commas between; file: paths on the "
            "batch workers."
        ),
    )
    target_schemes: str = Field(
        "",
        description="The same for a job's target; empty: transcripts are kept, not written.",
    )
    transcription_seconds: float = Field(
        3600.0, gt=0, description="Longest wait of a transcription request; then it is cancelled."
    )
    transcription_queue_seconds: float = Field(
        300.0, gt=0, description="The same until a batch worker begins with it."
    )
