"""Dialogues that repeat each other's lines, like the scripted ones in IEMOCAP's sessions.

A text model that was trained on one session's performance of a script knows the words of the next session's by heart,
with the emotions in which they are usually spoken. So for each tested dialogue, the leak baseline is trained without
the other performances of its script, and without any long line that the test part repeats word for word. Everything
else stays, including dialogues of other scripts.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from merflow.classics.folds import Fold
from merflow.corpus.manifest import Manifest
from merflow.corpus.transcript import folded_words

# "What do you mean?" is said in many dialogues. Three repeated lines of at least four words are not a coincidence if
# they make up a fifth of the dialogue. Actors change a script, so asking for half would miss many. A dialogue of fewer
# lines must be repeated as a whole.
_WORDS = 4
_LINES = 3
_SHARE = 0.2


def repeated_dialogues(manifest: Manifest, texts: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Return for each dialogue those that repeat its lines.

    Two dialogues repeat each other if at least three and a fifth of the long lines of the shorter one occur in the
    other, or all of them if it has fewer than three.
    """
    lines: dict[str, set[str]] = {}
    for dialogue, rows in manifest.rows.groupby("dialogue_id", sort=False):
        words = (folded_words(texts[name]) for name in rows["utterance_id"])
        lines[str(dialogue)] = {line for line in words if _is_long(line)}
    dialogues_with = defaultdict(list)
    for dialogue, own in lines.items():
        for line in own:
            dialogues_with[line].append(dialogue)
    return {dialogue: _repeating(dialogue, lines, dialogues_with) for dialogue in lines}


def _repeating(dialogue: str, lines: Mapping[str, set[str]], dialogues_with: Mapping[str, list[str]]) -> frozenset[str]:
    shared = Counter(other for line in lines[dialogue] for other in dialogues_with[line] if other != dialogue)

    def enough(other: str) -> float:
        shorter = min(len(lines[dialogue]), len(lines[other]))
        return max(_SHARE * shorter, min(_LINES, shorter))

    return frozenset(other for other, count in shared.items() if count >= enough(other))


def left_out_of_training(
    fold: Fold, manifest: Manifest, texts: Mapping[str, str], repeated: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """Return for each test utterance the training utterances that its leak baseline must not see.

    These are the utterances of dialogues that repeat the lines of its dialogue, and those that repeat a long line of
    the test part word for word.
    """
    dialogue_of = dict(zip(manifest.rows["utterance_id"], manifest.rows["dialogue_id"], strict=True))
    tested = {line for name in fold.ids["test"] if _is_long(line := folded_words(texts[name]))}
    training = defaultdict(list)
    for name in fold.ids["train"]:
        training[dialogue_of[name]].append(name)
    known = frozenset(name for name in fold.ids["train"] if folded_words(texts[name]) in tested)
    left_out = {
        dialogue: known.union(name for other in repeated[dialogue] for name in training.get(other, ()))
        for dialogue in {dialogue_of[name] for name in fold.ids["test"]}
    }
    return {name: left_out[dialogue_of[name]] for name in fold.ids["test"]}


def _is_long(line: str) -> bool:
    return line.count(" ") >= _WORDS - 1
