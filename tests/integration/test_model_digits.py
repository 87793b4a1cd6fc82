"""The demo model on human digits of a speaker it was never trained on; where their folder is."""

from __future__ import annotations

from dataclasses import replace

import jiwer
import pytest

from asr_tasks import recognizers
from asr_tasks.catalogue import Catalogue
from models.english.training import digits
from models.english.training.testsets import human_digits
from models.english.training.transcripts import streamed

WORST = 0.6
"""The card has the figure; a test only sees that the model hears people at all."""


@pytest.mark.slow
@pytest.mark.skipif(not digits.FOLDER.exists(), reason=f"no recordings in {digits.FOLDER.name}")
def test_the_model_hears_digits_of_people_it_never_heard():
    (speaker,) = [s for s in digits.speakers() if s.speaker == digits.HELD_OUT_SPEAKER]
    spoken = human_digits(speaker, 40)
    engine = recognizers.load(replace(Catalogue.load("").get("english"), slots=16))
    try:
        heard = streamed(engine, spoken)
    finally:
        engine.close()
    assert jiwer.wer([s.text for s in spoken], heard) < WORST
