"""Recordings of any kind, from any place in them. FFmpeg's libraries write what they read."""

from __future__ import annotations

import http.server
import threading
from functools import partial

import av
import numpy as np
import pytest

from asr_tasks.contracts.errors import BadAudio, BadParameter, BadSource, SourceUnavailable
from asr_tasks.media import decode, targets
from asr_tasks.media.sources import opened

pytestmark = pytest.mark.integration

RATE = 16_000
SECONDS = 12
NEAR = 0.002 * RATE
"""Matroska's time stamps are milliseconds; a resampler begins between two samples."""

KINDS = [
    ("wav", "pcm_s16le", 16_000, 1),
    ("wav", "pcm_mulaw", 8_000, 2),
    ("flac", "flac", 44_100, 2),
    ("mp3", "libmp3lame", 44_100, 2),
    ("ogg", "libopus", 48_000, 1),
    ("m4a", "aac", 48_000, 2),
    ("mkv", "libopus", 48_000, 2),
]


def chirps(rate, channels):
    """A different tone in every tenth of a second, quieter on the second channel."""
    at = np.arange(SECONDS * rate) / rate
    tone = 0.4 * np.sin(2 * np.pi * (300 + 37 * np.floor(at * 10) % 900) * at)
    return np.stack([tone * (1 - 0.5 * channel) for channel in range(channels)])


def write(path, codec, rate, channels):
    audio = (chirps(rate, channels) * 32767).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "mono" if channels == 1 else "stereo"
        resampler = av.AudioResampler(stream.format, stream.layout, rate)
        for at in range(0, audio.shape[1], 1000):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(audio[:, at : at + 1000].T.reshape(1, -1)),
                format="s16",
                layout=stream.layout.name,
            )
            frame.rate, frame.pts = rate, at
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
        for part in resampler.resample(None):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def samples(path, start=0):
    with opened(str(path)) as file:
        return np.concatenate(list(decode.blocks(file, start)), axis=1)


@pytest.fixture(params=KINDS, ids=[f"{kind}-{codec}" for kind, codec, *_ in KINDS])
def recording(request, tmp_path):
    kind, codec, rate, channels = request.param
    return write(tmp_path / f"recording.{kind}", codec, rate, channels), channels


def test_every_kind_is_read_to_its_end_on_all_channels(recording):
    path, channels = recording
    audio = samples(path)
    assert audio.dtype == np.float32
    assert audio.shape[0] == channels
    assert abs(audio.shape[1] / RATE - SECONDS) < 0.1
    wanted = chirps(RATE, 1)[0][RATE : 11 * RATE]
    heard = audio[0][RATE : 11 * RATE]
    lag = _lag(heard, wanted)
    assert abs(lag) <= 0.03 * RATE
    with opened(str(path)) as file:
        seen = decode.probe(file)
    assert seen.channels == channels
    assert seen.duration == pytest.approx(SECONDS, abs=0.2)


def test_from_the_middle_the_same_samples_come(recording):
    path, _ = recording
    whole = samples(path)
    for start in (1, 3 * RATE + 17, 7 * RATE + 4001, 11 * RATE):
        rest = samples(path, start)
        assert abs(rest.shape[1] - (whole.shape[1] - start)) <= NEAR
        _assert_same(rest[0][:RATE], whole[0][start : start + RATE])


def test_a_range_is_read_without_the_rest(recording):
    path, channels = recording
    with opened(str(path)) as file:
        part = decode.read(file, 2 * RATE, 3 * RATE)
        assert part.shape == (channels, RATE)
        assert decode.read(file, 100 * RATE, 101 * RATE).shape[1] == 0


def test_a_recording_that_breaks_off_is_read_as_far_as_it_goes(tmp_path):
    path = write(tmp_path / "a.flac", "flac", 16_000, 1)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert 3 < samples(path).shape[1] / RATE < SECONDS - 2


def test_what_is_lost_in_the_middle_leaves_silence_and_the_rest_in_its_place(tmp_path):
    path = write(tmp_path / "a.mkv", "libopus", 48_000, 1)
    whole = samples(path)
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : third + len(data) // 20] = bytes(len(data) // 20)
    path.write_bytes(data)
    rest = samples(path)
    _assert_same(rest[0][9 * RATE : 10 * RATE], whole[0][9 * RATE : 10 * RATE])


@pytest.mark.parametrize("content", [b"", b"no audio at all" * 100, b"RIFF\0\0\0\0WAVEfmt "])
def test_what_is_no_recording_is_refused(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(BadAudio):
        samples(path)


def test_a_file_that_is_not_there_is_the_callers_mistake(tmp_path):
    with pytest.raises(BadSource, match="no file"), opened(str(tmp_path / "nothing.flac")):
        pass


@pytest.mark.parametrize("uri", ["", "ftp://a/b", "http://", "s3://", "gopher://x", "a\nb"])
def test_addresses_that_are_not_understood_are_refused(uri):
    with pytest.raises(BadParameter), opened(uri):
        pass


class _Plain(http.server.SimpleHTTPRequestHandler):
    """Python's own server: sends whole files, knows no ranges."""

    def log_message(self, *_):
        pass


class _Ranged(_Plain):
    """And one that does."""

    def send_head(self):
        wanted = self.headers.get("Range")
        if self.path.startswith("/broken"):
            self.send_error(503)
            return None
        file = super().send_head() if wanted is None else None
        if wanted is None:
            return file
        path = self.translate_path(self.path)
        with open(path, "rb") as whole:
            data = whole.read()
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        begin, end = int(first), min(int(last or len(data) - 1), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {begin}-{end}/{len(data)}")
        self.send_header("Content-Length", str(end - begin + 1))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        import io

        return io.BytesIO(data[begin : end + 1])

    def end_headers(self):
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()


@pytest.fixture(params=[_Plain, _Ranged], ids=["no ranges", "ranges"])
def site(request, tmp_path):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(request.param, directory=str(tmp_path))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_recording_of_a_web_server_is_the_same(site, tmp_path):
    path = write(tmp_path / "a.m4a", "aac", 48_000, 1)
    assert np.array_equal(samples(f"{site}/a.m4a"), samples(path))
    assert np.array_equal(samples(f"{site}/a.m4a", 5 * RATE), samples(path, 5 * RATE))


def test_what_a_web_server_does_not_have_is_the_callers_mistake(site):
    with pytest.raises(BadSource), opened(f"{site}/nothing.flac"):
        pass


def test_a_web_servers_failure_is_told_without_what_may_be_a_key(tmp_path):
    class Broken(_Plain):
        def send_head(self):
            self.send_error(503)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/a.flac?signature=secret"
    with pytest.raises(SourceUnavailable) as caught, opened(address):
        pass
    assert "secret" not in str(caught.value)
    server.shutdown()
    server.server_close()


def test_a_web_server_that_does_not_answer_may_do_so_later():
    with pytest.raises(SourceUnavailable), opened("http://127.0.0.1:9/a.flac"):
        pass


def test_a_transcript_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    targets.write(str(path), "one\n")
    targets.write(f"file://{path}", "two\n")
    assert path.read_text() == "two\n"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(BadSource):
        targets.write(str(tmp_path / "no" / "a.txt"), "three")
    with pytest.raises(BadParameter):
        targets.write("http://127.0.0.1/a.txt", "four")


def _assert_same(heard, wanted):
    length = min(len(heard), len(wanted))
    lag = _lag(heard[:length], wanted[:length])
    assert abs(lag) <= NEAR
    heard = heard[max(lag, 0) :]
    wanted = wanted[max(-lag, 0) :]
    length = min(len(heard), len(wanted))
    assert np.corrcoef(heard[:length], wanted[:length])[0, 1] > 0.95


def _lag(heard, wanted):
    """By how many samples ``heard`` comes late."""
    size = 2 ** int(np.ceil(np.log2(len(heard) + len(wanted))))
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size))
    correlation = np.fft.irfft(product, size)
    at = int(correlation.argmax())
    return at if at < size // 2 else at - size
