"""The parts of the training that can be wrong without anyone noticing."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from models.english.training import align, espeak, grammar, testsets, transcripts
from models.english.training.evaluate import BEGIN, END, Figure, figure, table, with_table
from models.english.training.grammar import number
from models.english.training.testsets import Spoken


def test_no_test_sentence_can_be_trained_on():
    random = Random(1)
    tests = {grammar.test_sentence(random) for _ in range(50)}
    training = {grammar.training_sentence(random) for _ in range(3000)}
    assert not tests & training
    assert all(grammar.is_held_out(text) for text in tests)


def test_numbers_are_said_as_people_say_them():
    assert [number(n) for n in (0, 9, 13, 20, 42, 99)] == [
        "zero",
        "nine",
        "thirteen",
        "twenty",
        "forty two",
        "ninety nine",
    ]


def test_sentences_are_lower_case_words():
    random = Random(2)
    for _ in range(500):
        text = grammar.sentence(random)
        assert text == " ".join(text.split())
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz' ")


def test_words_the_synthesiser_did_not_report_lie_between_their_neighbours():
    begins = espeak.spread("we are on scene", {1: 0.0, 8: 1.0}, first=0.0, last=2.0)
    assert begins[0] == 0.0
    assert 0.0 < begins[1] < begins[2] == 1.0 < begins[3] < begins[4] == 2.0


def test_a_word_s_time_is_shared_by_the_letters_of_its_tokens():
    spans = align.token_spans([("scene", 1.0, 2.0)], lambda _: [(7, 1), (8, 4)])
    assert spans == [(7, 1.0, 1.2), (8, 1.2, 2.0)]


def test_equal_neighbours_are_parted_by_a_blank():
    labels = align.frame_labels([(5, 0.0, 0.4), (5, 0.4, 0.8)], lead=0.0, frames=14, blank=9)
    runs = [label for i, label in enumerate(labels) if i == 0 or labels[i - 1] != label]
    assert runs == [9, 5, 9, 5, 9]


def test_labels_never_run_past_the_audio():
    labels = align.frame_labels([(5, 0.0, 3.0)], lead=0.5, frames=10, blank=9)
    assert len(labels) == 10
    assert labels[-1] == 5


def test_every_test_sentence_and_every_recording_is_held_out():
    recordings = Path("models/english/recordings").glob("*.txt")
    recorded = [line for path in recordings for line in path.read_text().splitlines()]
    assert len(testsets.sentences()) == 200
    assert len(recorded) > 20
    assert all(grammar.is_held_out(text) for text in testsets.sentences() + recorded)
    assert not set(testsets.sentences()) & set(recorded)


def test_repeated_tokens_are_one_and_blanks_none():
    assert transcripts.collapsed([9, 3, 3, 9, 3, 4, 9], blank=9) == [3, 3, 4]


def test_one_wrong_word_of_four_is_a_quarter():
    silence = np.zeros(0, np.float32)
    made = figure("a", "0.56 s", [Spoken(silence, "medic nine en route")], ["medic five en route"])
    assert made == Figure("a", 1, 4, "0.56 s", 0.25)


def test_the_table_goes_between_its_markers():
    figures = [Figure("a", 2, 9, mode, rate) for mode, rate in (("offline", 0.1), ("0.16 s", 0.2))]
    card = with_table(f"head {BEGIN} old {END} tail", table(figures))
    assert card.startswith(f"head {BEGIN}\n| test |")
    assert "| a | 2 | 9 | 0.100 | 0.200 |" in card
    assert card.endswith(f"{END} tail")
