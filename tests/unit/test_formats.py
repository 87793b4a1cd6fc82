"""Transcripts as text, json, srt, vtt, ctm and csv."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_tasks.contracts.jobs import FORMATS
from asr_tasks.contracts.results import Word
from asr_tasks.contracts.transcript import Transcript, Utterance
from asr_tasks.formats import extension, media_type, render
from asr_tasks.formats.cues import LINE, LINES, broken, cues

TIME = re.compile(r"(\d{2,}):(\d\d):(\d\d)[,.](\d{3}) --> (\d{2,}):(\d\d):(\d\d)[,.](\d{3})")


def words(text, start=0.0, each=0.4):
    return tuple(
        Word(word, round(start + at * each, 3), round(start + at * each + 0.3, 3), 0.9)
        for at, word in enumerate(text.split())
    )


def utterance(text, start=0.0, channel=None, each=0.4):
    spoken = words(text, start, each)
    return Utterance(start, spoken[-1].end, text, spoken, 0.9, channel)


def transcript(*utterances):
    return Transcript("english", "en", 3725.5, utterances)


LONG = "we need an ambulance at the corner of cedar avenue and pine lane right now please hurry"
ONE = transcript(utterance("help me", 3723.04))
APART = transcript(
    utterance("where are you", 1.0, channel=0), utterance("in <the> car & park", 2.5, channel=1)
)


def test_text_is_a_line_an_utterance():
    assert render(ONE, "text") == "help me\n"
    assert render(APART, "text") == "[1] where are you\n[2] in <the> car & park\n"


def test_json_says_everything_and_is_read_back():
    assert Transcript.from_json(render(APART, "json")) == APART
    assert json.loads(render(ONE, "json"))["utterances"][0]["words"][0]["text"] == "help"


def test_a_transcript_of_another_version_is_refused():
    with pytest.raises(ValueError, match="version"):
        Transcript.from_json('{"v": 99}')


def test_subrip():
    assert render(ONE, "srt") == "1\n01:02:03,040 --> 01:02:04,040\nhelp me\n"


def test_webvtt_escapes_and_names_the_speaker():
    assert render(APART, "vtt") == (
        "WEBVTT\n\n"
        "00:00:01.000 --> 00:00:02.100\n<v Channel 1>where are you\n\n"
        "00:00:02.500 --> 00:00:04.400\n<v Channel 2>in &lt;the&gt; car &amp; park\n"
    )


def test_ctm_is_sorted_by_channel_and_time():
    assert render(APART, "ctm").splitlines()[:4] == [
        "recording A 1.000 0.300 where 0.9000",
        "recording A 1.400 0.300 are 0.9000",
        "recording A 1.800 0.300 you 0.9000",
        "recording B 2.500 0.300 in 0.9000",
    ]


def test_csv_is_read_back_whatever_is_said():
    said = transcript(Utterance(0.0, 1.0, 'he said "no, never"\nand left', (), None, 0))
    rows = list(csv.reader(io.StringIO(render(said, "csv"), newline="")))
    assert rows == [
        ["channel", "start", "end", "text", "confidence"],
        ["1", "0.000", "1.000", 'he said "no, never"\nand left', ""],
    ]


def test_nothing_said_is_nothing_but_a_head():
    silent = transcript()
    assert render(silent, "text") == render(silent, "srt") == render(silent, "ctm") == ""
    assert render(silent, "vtt") == "WEBVTT\n"
    assert render(silent, "csv").count("\n") == 1


def test_every_format_has_a_media_type_and_an_extension():
    assert len({extension(one) for one in FORMATS}) == len(FORMATS)
    assert all("/" in media_type(one) for one in FORMATS)


def test_a_line_is_broken_into_two_of_like_length():
    first, second = broken("we need an ambulance at the corner of cedar avenue now")
    assert abs(len(first) - len(second)) < 12


def test_a_line_is_broken_after_a_clause_where_there_is_one_near():
    assert broken("we need an ambulance, at the corner of cedar avenue")[0].endswith("ambulance,")


def test_a_word_longer_than_a_line_stays_whole():
    assert broken("a" * 60) == ("a" * 60,)


def test_short_captions_stand_long_enough_to_be_read_unless_the_next_one_comes():
    first, second = cues(
        transcript(utterance("yes", 1.0), utterance("no", 1.5), utterance("well", 20.0))
    )[:2]
    assert (first.start, first.end) == (1.0, 1.5)
    assert second.end - second.start == pytest.approx(1.0)


texts = st.lists(
    st.text(st.sampled_from("abcdefgh,.?"), min_size=1, max_size=14), min_size=1, max_size=60
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, st.floats(0, 30)), min_size=1, max_size=5), st.booleans())
def test_captions_say_every_word_once_in_order_within_their_bounds(said, timed):
    at, spoken = 0.0, []
    for text, pause in said:
        at += pause
        one = utterance(" ".join(text), at)
        at = one.end
        spoken.append(one if timed else Utterance(one.start, one.end, one.text))
    whole = Transcript("english", "en", at, tuple(spoken))
    found = cues(whole)
    assert " ".join(" ".join(cue.lines) for cue in found) == whole.text
    for cue in found:
        assert 1 <= len(cue.lines) <= LINES
        assert all(len(line) <= LINE or " " not in line for line in cue.lines)
        assert cue.start < cue.end
    for cue, following in itertools.pairwise(found):
        assert cue.end <= following.start + 0.001
    assert len(TIME.findall(render(whole, "srt"))) == len(found)
    assert len(TIME.findall(render(whole, "vtt"))) == len(found)
