"""Bytes to samples."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest

from asr_tasks.contracts.errors import BadAudio, BadParameter
from gateway.audio import caps, raw, resample, wav
from gateway.audio.container import Pipe, decode
from gateway.audio.source import CONTAINER, Source, parse
from gateway.buffer import CHUNK, LIMIT, MAX_CHUNK, AudioBuffer
from tests.support.audio import encoded, noise
from tests.support.audio import wav as wav_file

RATES = (8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000)


def decoded(data: bytes, piece: int = 999) -> tuple[bytes, bool]:
    pipe, out = Pipe(lambda: None), bytearray()
    for at in range(0, len(data), piece):
        pipe.write(data[at : at + piece])
    pipe.end()
    damaged = decode(pipe, out.extend)
    return bytes(out), damaged


@pytest.mark.parametrize("rate", RATES)
def test_resampling_does_not_depend_on_how_it_is_cut(rate: int) -> None:
    rng = np.random.default_rng(rate)
    data = rng.integers(-30000, 30000, rate * 2, np.int16).astype("<i2").tobytes()
    source = Source(rate=rate)
    at_once = raw.RawDecoder(source)
    whole = at_once.feed(data) + at_once.finish()
    assert len(whole) == 2 * 16_000 * 2
    pieces, decoder, at = b"", raw.RawDecoder(source), 0
    while at < len(data):
        step = int(rng.integers(1, rate // 4))
        pieces += decoder.feed(data[at : at + step])
        at += step
    assert pieces + decoder.finish() == whole
    for accepted in (0, 1, 777, 16_000, 31_999, 32_000):
        start = raw.resume_byte(source, accepted)
        again = raw.RawDecoder(source, accepted)
        assert again.feed(data[start:]) + again.finish() == whole[accepted * 2 :]
        assert start <= raw.accepted_bytes(source, accepted)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_a_tone(rate: int) -> None:
    tone = np.rint(np.sin(np.arange(rate) / rate * 2 * np.pi * 440) * 10_000).astype(np.int16)
    got = resample.Resampler(rate).feed(tone, last=True)
    want = np.sin(np.arange(16_000) / 16_000 * 2 * np.pi * 440) * 10_000
    assert np.abs(got - want)[400:-400].max() < 10


def test_what_is_above_the_new_band_does_not_fold_back() -> None:
    high = np.rint(np.sin(np.arange(48_000) / 48_000 * 2 * np.pi * 11_000) * 20_000)
    got = resample.Resampler(48_000).feed(high.astype(np.int16), last=True)
    assert np.abs(got[400:-400]).max() < 20


@pytest.mark.parametrize("sample", ["s16le", "s16be", "u8", "s32le", "f32le"])
def test_every_raw_format(sample: str) -> None:
    values = np.array([0, 8192, -8192, 16384, -32768], np.int16)
    data = {
        "s16le": values.astype("<i2"),
        "s16be": values.astype(">i2"),
        "u8": ((values >> 8) + 128).astype(np.uint8),
        "s32le": (values.astype("<i4") << 16),
        "f32le": (values / 32768).astype("<f4"),
    }[sample].tobytes()
    got = raw.mono(data, Source(sample=sample))
    assert np.abs(got.astype(int) - values).max() <= 1


def test_nan_infinity_and_clipping() -> None:
    data = np.array([np.nan, np.inf, -np.inf, 7.0], "<f4").tobytes()
    assert raw.mono(data, Source(sample="f32le")).tolist() == [0, 32767, -32767, 32767]


def test_stereo_is_mixed() -> None:
    data = np.array([100, 200, -300, 300], "<i2").tobytes()
    assert raw.mono(data, Source(channels=2)).tolist() == [150, 0]


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
     ("MP3", "MPEG_LAYER_III")],
)  # fmt: skip
def test_containers(kind: str, subtype: str) -> None:
    data = encoded(noise(6), kind, subtype)
    pcm, damaged = decoded(data)
    assert len(pcm) == pytest.approx(192_000, rel=0.03)
    assert not damaged
    assert decoded(data, piece=7)[0] == pcm
    half, _ = decoded(data[: len(data) // 2])
    assert pcm.startswith(half[:-4000]) or kind in ("OGG", "MP3")


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"no audio " * 100, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
     b"ffconcat version 1.0\nfile '/etc/hostname'\n", bytes(5000), noise(1)],
)  # fmt: skip
def test_what_is_no_container(data: bytes) -> None:
    with pytest.raises(BadAudio):
        decoded(data)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_of_unknown_length(size: int) -> None:
    data = bytearray(wav_file(noise(1)))
    data[40:44] = struct.pack("<I", size)
    source, start, length = wav.parse(bytes(data)) or pytest.fail("not parsed")
    assert (source, start, length) == (Source(), 44, None)


def test_a_wav_header_that_comes_byte_by_byte() -> None:
    data = wav_file(noise(0.1), rate=8000)
    parsed = [wav.parse(data[:size]) for size in range(12, 60)]
    assert parsed[: 44 - 12] == [None] * (44 - 12)
    assert parsed[-1] == (Source(rate=8000), 44, 3200)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (None, CONTAINER),
        ("", CONTAINER),
        ("audio/ogg", CONTAINER),
        ("audio/x-raw,+layout=(string)interleaved,+rate=(int)16000,+format=(string)S16LE,"
         "+channels=(int)1", Source()),
        ("audio/x-raw, rate=(int)44100, format=(string)F32LE, channels=(int)2",
         Source(rate=44_100, channels=2, sample="f32le")),
        ("audio/x-raw-int; rate=8000", Source(rate=8000)),
        ("audio/x-raw-int, width=16, endianness=4321", Source(sample="s16be")),
    ],
)  # fmt: skip
def test_caps(text: str | None, want: Source) -> None:
    assert caps.parse(text) == want


@pytest.mark.parametrize(
    "arguments",
    [("audio/pcm;rate=x", None, None, None), (None, "mp3", None, None),
     ("text/plain", None, None, None),
     ("audio/wav", None, "8000", None), ("audio/wav", "s16le", None, None), (None, None, "1", None),
     (None, None, None, "9")],
)  # fmt: skip
def test_bad_formats(arguments: tuple[str | None, ...]) -> None:
    with pytest.raises(BadParameter):
        parse(*arguments)


def test_formats() -> None:
    assert parse(None, None, None, None) == Source()
    assert parse("audio/pcm;rate=8000;channels=2", None, None, None) == Source("raw", 8000, 2)
    assert parse("audio/flac", None, None, None) == CONTAINER
    assert parse(None, "auto", None, None) == CONTAINER
    assert Source.from_json(Source("raw", 8000, 2).to_json()) == Source("raw", 8000, 2)


async def test_the_buffer_cuts_chunks_and_waits_for_room() -> None:
    buffer = AudioBuffer()
    await buffer.put(bytes(CHUNK + 2))
    assert await buffer.take(1.0) == bytes(CHUNK + 2)
    assert await buffer.take(0.01) == b""  # a sign of life is due
    await buffer.put(bytes(10))
    assert await buffer.take(1.0) == bytes(10)  # little, but nothing more came
    await buffer.put(bytes(LIMIT))
    assert len(await buffer.take(1.0) or b"") == MAX_CHUNK
    buffer.end()
    rest = 0
    while (pcm := await buffer.take(1.0)) is not None:
        rest += len(pcm)
    assert rest == LIMIT - MAX_CHUNK


async def test_chunks_end_where_the_recognisers_frames_do() -> None:
    frame = 1600  # 100 ms
    buffer = AudioBuffer(position=frame + 1000, frame=frame)
    await buffer.put(bytes(2 * (frame - 1000 + 7)))
    assert await buffer.take(1.0) == bytes(2 * (frame - 1000))  # to the end of the second frame
    began = time.monotonic()
    assert await buffer.take(1.0) == bytes(2 * 7)  # of the third, and nothing more came
    assert time.monotonic() - began > 0.1
    await buffer.put(bytes(2 * (frame - 7)))
    assert await buffer.take(1.0) == bytes(2 * (frame - 7))
    await buffer.put(bytes(2 * 5))
    buffer.end()
    assert await buffer.take(1.0) == bytes(2 * 5)
    assert await buffer.take(1.0) is None


async def test_the_pieces_of_a_frame_that_cannot_be_cut_evenly_still_end_with_it() -> None:
    frame = 20_480  # 1.28 s: three pieces
    buffer = AudioBuffer(frame=frame)
    ends = []
    for _ in range(50):
        await buffer.put(bytes(2 * frame))
        pieces = [len(await buffer.take(1.0) or b"") // 2 for _ in range(3)]
        ends.append(sum(pieces))
        assert max(pieces) - min(pieces) <= 2
    assert ends == [frame] * 50


async def test_a_frame_longer_than_the_largest_chunk_is_cut_evenly() -> None:
    buffer = AudioBuffer(frame=17920)  # 1.12 s
    await buffer.put(bytes(2 * 17920))
    assert [len(await buffer.take(1.0) or b"") for _ in range(2)] == [17920, 17920]
