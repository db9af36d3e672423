"""The page's first words: what was heard, and why to doubt it."""

from merflow.contracts.listening_results import DamagedSound
from merflow.serving.listen_page.verdict import listening_verdict
from tests.serving.results import SCORED, SEGMENTS, results, score_results, scored, segment


def test_the_most_frequent_emotion_and_the_doubt_are_reported() -> None:
    verdict = listening_verdict(results())
    assert verdict.headline == "Most often neutral: 38% of the speech"
    assert verdict.sentences == (
        "0:13 of 0:20 are speech, in 5 segments.",
        "The model is not sure about 38% of the speech: it cannot rule out all emotions but one.",
    )
    assert verdict.cautions == ("1 of 5 segments: short.", "1 segment could not be predicted.")


def test_a_majority_is_reported_as_one() -> None:
    assert listening_verdict(results((segment(0, 4, 0.9, 0.1, 0, 0),))).headline == "100% of the speech sounds angry"


def test_nothing_sure_and_no_speech_are_reported() -> None:
    unsure = segment(0, 4, 0.4, 0.4, 0.1, 0.1, possible=("angry", "happy"))
    assert listening_verdict(results((unsure,))).headline == "The model is not sure about any segment"
    silent = listening_verdict(results(()))
    assert silent.headline == "No speech was found"
    assert silent.sentences == ("0:20 of sound have no speech of 0.4 s or more.",)


def test_a_model_without_thresholds_or_calibration_is_distinguished() -> None:
    verdict = listening_verdict(results(abstains=False, calibrated=False))
    assert len(verdict.sentences) == 1
    assert verdict.cautions[:2] == (
        "The model has no thresholds for abstaining, so every segment gets an emotion, however doubtful.",
        "Its probabilities are not calibrated: 80% does not mean right in 80 of 100 cases.",
    )


def test_what_the_model_lacks_is_reported_with_advice() -> None:
    heard_only = tuple(
        each.model_copy(update={"heard": each.heard.model_copy(update={"modalities": ("audio",)})})
        for each in SEGMENTS
        if each.heard
    )
    missing = "The model also reads {}, which this recording does not give it"
    assert (
        missing.format("text") + "; --transcribe adds the words."
        in listening_verdict(results(heard_only, transcription=None)).cautions
    )
    film = listening_verdict(results(heard_only, modalities=("audio", "video"))).cautions
    assert missing.format("video") + "." in film


def test_damage_is_reported_with_its_time() -> None:
    one = DamagedSound(at_s=65.0, reason="it cannot be decoded")
    assert listening_verdict(results(damaged=(one,))).cautions[-1] == (
        "The recording is damaged at 1:05 (it cannot be decoded)."
    )
    assert listening_verdict(results(damaged=(one, one, one))).cautions[-1] == (
        "The recording is damaged at 1:05 (it cannot be decoded), and 2 more parts."
    )


def test_scores_are_told_as_their_mean_and_the_doubt_about_their_side() -> None:
    verdict = listening_verdict(score_results())
    assert verdict.headline == "The mean sentiment is 0.4, from -3 to 3"
    assert verdict.sentences == (
        "0:13 of 0:20 are speech, in 5 segments.",
        "The model is not sure about 38% of the speech: the interval of the score contains the middle of the scale, 0, "
        "so it may be negative or positive.",
    )
    assert verdict.cautions == ("1 of 5 segments: short.", "1 segment could not be predicted.")


def test_scores_without_intervals_are_cautioned_about() -> None:
    verdict = listening_verdict(score_results((scored(0, 2, 0.5, None),), calibrated=False))
    assert verdict.headline == "The mean sentiment is 0.5, from -3 to 3"
    assert len(verdict.sentences) == 1
    assert verdict.cautions[0] == (
        "Its scores have no intervals, because the model is not calibrated: nothing says how far off they may be."
    )
    refused = listening_verdict(score_results(SCORED[2:3]))
    assert refused.headline == "No segment could be predicted"
    assert listening_verdict(score_results(())).headline == "No speech was found"
