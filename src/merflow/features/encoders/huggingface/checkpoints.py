"""The files of a pretrained encoder: in a local folder, or at a pinned commit of the Hugging Face hub.

Encoders are located once, before anything is encoded; from then on every process reads one local folder and none uses
the network. The store's key has a digest of the files that determine the output. So two different sets of weights never
share a key, and neither the folder's name nor its location matters.
"""

import json
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from merflow.contracts.presets import EncoderSpec, Profile, spec_of
from merflow.contracts.streams import Role, Stream
from merflow.errors import FeatureError
from merflow.storage.hub import Advice, ModelFiles, commit_of, files_digest, from_hub, is_commit, shards_of

CONFIG = "config.json"

# Files of weights, in the order in which transformers looks for them.
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)

# Encoder -> the values of `model_type` in configs that it can read; the generic encoders read any.
MODEL_TYPES: dict[str, tuple[str, ...]] = {
    "wavlm": ("wavlm",),
    "clip-image": ("clip", "clip_vision_model"),
    "roberta": ("roberta",),
    "bert": ("bert",),
    "whisper-encoder": ("whisper",),
}
# Encoder -> files of its processor, of which one must exist.
PROCESSORS: dict[str, tuple[str, ...]] = {
    "wavlm": ("preprocessor_config.json",),
    "clip-image": ("preprocessor_config.json",),
    "roberta": ("tokenizer.json", "vocab.json"),
    "bert": ("tokenizer.json", "vocab.txt"),
    "whisper-encoder": ("preprocessor_config.json",),
    "audio": ("preprocessor_config.json", "processor_config.json"),
    "image": ("preprocessor_config.json", "processor_config.json"),
    "text": ("tokenizer.json", "vocab.txt", "vocab.json", "spm.model", "spiece.model", "tokenizer.model"),
}

# Encoders of any family, and families that need their own encoder.
_GENERIC = ("audio", "text", "image")
_OWN = {"whisper": "whisper-encoder"}

# Files besides the weights that determine an encoder's output.
_DECIDING = frozenset(
    {CONFIG, *(name for names in PROCESSORS.values() for name in names)}
    | {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt", "normalizer.json"}
    | {"sentencepiece.bpe.model"}
)

_ENCODERS = "${encoders}/"
_SAYS_NOTHING = re.compile(r"models?|weights|encoder|snapshot|final|best|checkpoint(-\d+)?")
_ADVICE = Advice(correct="`model` and `revision` in the profile", point="set features.encoders_folder=DIR")


def located(profile: Profile, *, streams: Sequence[Stream], encoders_folder: str) -> Profile:
    """Return the profile's encoders for these streams, with the folder and revision of those that have weights.

    Args:
        profile: The profile, as in its file.
        streams: The streams that models request; encoders that none of them needs are left out.
        encoders_folder: ``features.encoders_folder``. If it has a folder named after the last part of a hub id, that
            folder is read instead of the hub. Empty for none.

    Raises:
        FeatureError: The profile lacks an encoder, or one cannot be found; see :func:`locate`.
    """
    result: Profile = {}
    known: dict[str, EncoderSpec] = {}
    for stream in streams:
        spec = spec_of(stream, profile)
        name = spec.model_dump_json()
        if name not in known:
            known[name] = locate(spec, encoders_folder=encoders_folder)
        result[stream.slot] = known[name]
    return result


def locate(spec: EncoderSpec, *, encoders_folder: str = "") -> EncoderSpec:
    """Return the spec with the folder of its files, their digest, and the hub's commit if they come from there.

    A spec without weights, or one that is already located, is returned unchanged.

    Raises:
        FeatureError: The folder is missing, lacks a file or has another architecture; the revision of a hub id is no
            commit; or a folder is given a revision.
        PretrainedError: The hub lacks it or cannot be reached.
    """
    model = spec.settings.get("model")
    if not isinstance(model, str) or spec.folder is not None:
        return spec
    folder = _checked_local(spec, model, encoders_folder=encoders_folder)
    settings = {name: value for name, value in spec.settings.items() if name != "allow_unpinned"}
    if folder is None:
        folder = from_hub(model, revision=_revision(spec, model), files=_files(spec.name), advice=_ADVICE)
        check_folder(folder, encoder=spec.name)
        commit: str | None = folder.name
    else:
        commit = commit_of(folder, _deciding(folder))
        if is_path(model) or commit is None:  # nothing proves that it is the hub's
            settings["model"] = name_of(folder)
    located_at = {"folder": str(folder), "digest": fingerprint(folder), "revision": commit, "settings": settings}
    return spec.model_copy(update=located_at)


def check_local(profile: Profile, *, streams: Sequence[Stream], encoders_folder: str) -> None:
    """Check without the network that the encoders of these streams can be located.

    Raises:
        FeatureError: The profile lacks an encoder, a folder is missing or holds no model, or a hub id has no commit;
            all problems are named.
    """
    specs = {spec.model_dump_json(): spec for spec in (spec_of(stream, profile) for stream in streams)}
    problems = []
    for spec in specs.values():
        model = spec.settings.get("model")
        try:
            if isinstance(model, str) and _checked_local(spec, model, encoders_folder=encoders_folder) is None:
                _revision(spec, model)
        except FeatureError as error:
            problems.append(str(error))
    if problems:
        raise FeatureError("\n".join(dict.fromkeys(problems)))


def relocated(encoders: Mapping[Role, EncoderSpec], *, encoders_folder: str) -> Profile:
    """Return the encoders that a fold record names, with their folders and digests on this machine.

    Raises:
        FeatureError: One cannot be found; see :func:`locate`.
    """
    return {role: locate(spec, encoders_folder=encoders_folder) for role, spec in encoders.items()}


def check_folder(folder: Path, *, encoder: str) -> None:
    """Check that a folder has the files that an encoder reads.

    Raises:
        FeatureError: The folder or a file is missing, or the folder has another architecture.
    """
    if not folder.is_dir():
        raise FeatureError(
            f"encoder {encoder!r}: no such folder: {folder}; download the model into it (hf download ID --local-dir "
            f"{folder}), or make a miniature with `merflow features tiny --out {folder.parent}`"
        )
    if not (folder / CONFIG).is_file():
        raise _incomplete(folder, (CONFIG,), encoder=encoder)
    model_type = config_of(folder).get("model_type")
    if (own := _OWN.get(str(model_type))) and encoder in _GENERIC:
        raise FeatureError(
            f"encoder {encoder!r}: {folder} has a {model_type}, which has its own encoder; write `name: {own}` "
            "in the profile"
        )
    if model_type not in MODEL_TYPES.get(encoder, (model_type,)):
        raise FeatureError(
            f"encoder {encoder!r} needs a model of type {' or '.join(MODEL_TYPES[encoder])}, but {folder} has "
            f"{model_type!r}; correct `model` or `name` in the profile"
        )
    for group in _files(encoder).lacking(folder):
        raise _incomplete(folder, group, encoder=encoder)


def config_of(folder: Path) -> dict[str, Any]:
    """Read ``config.json``.

    Raises:
        FeatureError: The file is not a JSON object.
    """
    return json_of(folder / CONFIG)


def json_of(path: Path) -> dict[str, Any]:
    """Read one of an encoder's JSON files.

    Raises:
        FeatureError: The file is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise FeatureError(f"{path} cannot be read ({error}); download the folder again") from error
    if not isinstance(content, dict):
        raise FeatureError(f"{path} has a {type(content).__name__}, expected an object; download the folder again")
    return content


def fingerprint(folder: Path) -> str:
    """Return a digest, 16 hexadecimal digits, of an encoder's configs, vocabularies and weights."""
    return files_digest(folder, _deciding(folder))


def _deciding(folder: Path) -> list[str]:
    """Return the names of the files that determine an encoder's output."""
    weights = next(name for name in WEIGHTS if (folder / name).is_file())
    beside = [name for name in _DECIDING if (folder / name).is_file()]
    return sorted({weights, *beside, *shards_of(folder, weights)})


def _files(encoder: str) -> ModelFiles:
    return ModelFiles(needed=((CONFIG,), PROCESSORS[encoder]), weights=WEIGHTS)


def _incomplete(folder: Path, names: Sequence[str], *, encoder: str) -> FeatureError:
    return FeatureError(
        f"encoder {encoder!r}: {folder} lacks {' or '.join(names)}; "
        "download the folder again, or save model and processor with save_pretrained"
    )


def _checked_local(spec: EncoderSpec, model: str, *, encoders_folder: str) -> Path | None:
    """Return the complete folder that a profile's ``model`` names; None if it comes from the hub."""
    if find_spec("transformers") is None:
        raise FeatureError(f"encoder {spec.name!r} needs transformers; install merflow[encoders], or use profile lite")
    folder = _local(model, encoders_folder)
    if folder is None:
        return None
    if is_path(model) and spec.revision is not None:
        raise FeatureError(
            f"encoder {spec.name!r} is read from folder {model}, which has no revision {spec.revision!r}; "
            "remove the revision from the profile"
        )
    check_folder(folder, encoder=spec.name)
    return folder


def _local(model: str, encoders_folder: str) -> Path | None:
    """Return the folder that a profile's ``model`` names; None if it comes from the hub."""
    root = Path(encoders_folder).expanduser()
    if model.startswith(_ENCODERS):
        if not encoders_folder:
            raise FeatureError(
                f"the profile reads {model}, but features.encoders_folder is empty; make miniature encoders with "
                "`merflow features tiny --out DIR` and set features.encoders_folder=DIR"
            )
        return (root / model.removeprefix(_ENCODERS)).absolute()
    if is_path(model):
        return Path(model).expanduser().absolute()
    if not encoders_folder:
        return None
    beside = root / model.rpartition("/")[2]
    if not beside.is_dir():
        raise FeatureError(
            f"features.encoders_folder {root} has no folder {beside.name}, but the profile reads {model}; download it "
            f"(hf download {model} --local-dir {beside}), or leave features.encoders_folder empty to read the hub"
        )
    return beside.absolute()


def name_of(folder: Path) -> str:
    """Return the name of an encoder's folder, with the folder above it if its own name says nothing."""
    return f"{folder.parent.name}/{folder.name}" if _SAYS_NOTHING.fullmatch(folder.name) else folder.name


def is_path(model: str) -> bool:
    """Return True if a profile's ``model`` names a folder, not an id of the hub."""
    return model.startswith(("/", "./", "../", "~", _ENCODERS))


def _revision(spec: EncoderSpec, model: str) -> str:
    if spec.revision is not None and (is_commit(spec.revision) or spec.settings.get("allow_unpinned")):
        return spec.revision
    if spec.digest is not None and spec.revision is None:
        raise FeatureError(
            f"encoder {spec.name!r} was read from a folder {model}, whose place is not recorded; set "
            f"features.encoders_folder to the folder that holds {model}"
        )
    raise FeatureError(
        f"encoder {spec.name!r}: {model} has revision {spec.revision!r}, expected a commit of 40 hexadecimal digits; "
        "give the commit, name a local folder, or set allow_unpinned: true in its settings"
    )
