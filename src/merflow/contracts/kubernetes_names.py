"""Names and references in Kubernetes' syntax, for the settings of a cluster."""

import re
from typing import Annotated

from pydantic import AfterValidator

NONE = "none"

_RESOURCE = re.compile(r"[a-z0-9][a-z0-9.-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_KEY = re.compile(r"[A-Za-z0-9._-]+")
_IMAGE = re.compile(
    r"(?:(?P<registry>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?|[A-Za-z0-9-]+:\d+|localhost)/)?"
    r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def image_digest(image: str) -> str | None:
    """Return the digest of an image reference; None for a reference by tag alone."""
    parts = _IMAGE.fullmatch(image)
    return parts["digest"] if parts else None


def image_registry(image: str) -> str | None:
    """Return the registry of an image reference; None if it names none."""
    parts = _IMAGE.fullmatch(image)
    return parts["registry"] if parts else None


def _image(image: str) -> str:
    parts = _IMAGE.fullmatch(image)
    if parts is None or not (parts["tag"] or parts["digest"]):
        raise ValueError(
            f"{image!r} is not the reference of an image with a tag or digest; write it as REGISTRY/merflow/python:TAG "
            "or REGISTRY/merflow/python@sha256:DIGEST"
        )
    return image


def _resource(name: str) -> str:
    if name != NONE and not _RESOURCE.fullmatch(name):
        raise ValueError(
            f"{name!r} is not the name of a Kubernetes resource; write it as nvidia.com/gpu, or none for a cluster "
            "without GPUs"
        )
    return name


def _page_address(address: str) -> str:
    if address != NONE and not re.fullmatch(r"https?://[^\s@]+", address):
        raise ValueError(
            f"{address!r} is not the address of a page; write it as https://HOST/PATH, without a password, or none"
        )
    return address


def _name_of(kind: str) -> AfterValidator:
    def checked(name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} cannot be the name of {kind}; use lower-case letters, digits, '-' and '.', or write none"
            )
        return name

    return AfterValidator(checked)


def _variables(named: dict[str, object]) -> dict[str, object]:
    for name in named:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of an environment variable; write it as MY_VARIABLE")
    return named


def _key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if (slash and not _NAME.fullmatch(prefix)) or not _LABEL_NAME.fullmatch(name):
        raise ValueError(f"{key!r} cannot be a key in Kubernetes; write it as team or example.com/team")


def _annotations(annotations: dict[str, str]) -> dict[str, str]:
    for key in annotations:
        _key(key)
    return annotations


def _labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        _key(key)
        if value and not _LABEL_NAME.fullmatch(value):
            raise ValueError(
                f"{value!r} cannot be the value of label {key}; use at most 63 letters, digits, '-', '_' and '.', and "
                "begin and end with a letter or digit"
            )
    return labels


def _secret_key(key: str) -> str:
    if not _SECRET_KEY.fullmatch(key):
        raise ValueError(f"{key!r} cannot be a key of a Secret; use letters, digits, '-', '_' and '.'")
    return key


Image = Annotated[str, AfterValidator(_image)]
ResourceName = Annotated[str, AfterValidator(_resource)]
PageAddress = Annotated[str, AfterValidator(_page_address)]
ObjectName = Annotated[str, _name_of("an object in Kubernetes")]
PvcName = Annotated[str, _name_of("a PVC")]
SecretKey = Annotated[str, AfterValidator(_secret_key)]
Labels = Annotated[dict[str, str], AfterValidator(_labels)]
Annotations = Annotated[dict[str, str], AfterValidator(_annotations)]
Variables = Annotated[dict[str, str], AfterValidator(_variables)]
VARIABLE_NAMES = AfterValidator(_variables)
