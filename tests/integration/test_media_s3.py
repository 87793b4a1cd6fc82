"""Recordings and transcripts in S3: a private S3 on loopback, spoken to by the real client."""

from __future__ import annotations

import http.server
import threading
import urllib.parse

import fsspec
import numpy as np
import pytest
import soundfile

from asr_tasks.contracts.errors import BadSource
from asr_tasks.media import decode, targets
from asr_tasks.media.sources import opened

pytestmark = pytest.mark.integration

RATE = 16_000


class _S3(http.server.BaseHTTPRequestHandler):
    """One bucket, ``calls``, as far as recordings need it: whole objects, ranges, heads, puts."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._object(body=False)

    def do_GET(self):
        if "list-type" in self.path:
            self._say(200, b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")
            return
        self._object(body=True)

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._key().startswith("calls/"):
            self._say(404, b"<Error><Code>NoSuchBucket</Code></Error>")
            return
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            size, _, rest = data.partition(b"\r\n")
            data = rest[: int(size.split(b";")[0], 16)]
        self.objects[self._key()] = data
        self._say(200, b"", ETag='"one"')

    def _object(self, *, body):
        data = self.objects.get(self._key())
        if data is None:
            self._say(404, b"<Error><Code>NoSuchKey</Code></Error>" if body else b"")
            return
        status, more = 200, {"ETag": '"one"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        wanted = self.headers.get("Range")
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last or len(data) - 1), len(data) - 1)
            more["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
            data, status = data[int(first) : end + 1], 206
        self._say(status, data, body=body, **more)

    def _key(self):
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")

    def _say(self, status, data, *, body=True, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def bucket(monkeypatch):
    """The objects of a private S3 on loopback, by bucket and key."""
    kind = type("S3", (_S3,), {"objects": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ours")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.filesystem("s3").clear_instance_cache()
    yield kind.objects
    fsspec.filesystem("s3").clear_instance_cache()
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_recording_in_s3_is_read_from_any_place(bucket, tmp_path):
    audio = np.random.default_rng(1).integers(-9000, 9000, 20 * RATE).astype(np.int16)
    path = tmp_path / "call.flac"
    soundfile.write(path, audio, RATE, subtype="PCM_16")
    bucket["calls/2026/call.flac"] = path.read_bytes()
    with opened("s3://calls/2026/call.flac") as file:
        part = decode.read(file, 12 * RATE + 5, 13 * RATE)
    assert np.array_equal(np.rint(part[0] * 32768), audio[12 * RATE + 5 : 13 * RATE])


def test_a_transcript_is_written_to_s3(bucket):
    targets.write("s3://calls/2026/call.txt", "help me\n")
    assert bucket["calls/2026/call.txt"] == b"help me\n"


def test_what_is_not_there_is_the_callers_mistake(bucket):
    with pytest.raises(BadSource), opened("s3://calls/nothing.flac") as file:
        file.read(1)
    with pytest.raises(BadSource):
        targets.write("s3://no-such-bucket/call.txt", "help")
