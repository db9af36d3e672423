import pytest

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address, check_relative


@pytest.mark.parametrize(
    ("text", "bucket", "key", "prefix"),
    [
        ("s3://corpora", "corpora", "", ""),
        ("s3://corpora/", "corpora", "", ""),
        ("s3://my.corpora-2/a/b c", "my.corpora-2", "a/b c", "a/b c/"),
        ("s3://corpora/a/", "corpora", "a", "a/"),
    ],
)
def test_an_address_is_a_bucket_and_a_key(text: str, bucket: str, key: str, prefix: str) -> None:
    address = S3Address.parse(text)
    assert (address.bucket, address.key, address.prefix) == (bucket, key, prefix)
    assert S3Address.parse(str(address)) == address


def test_addresses_are_joined_by_slashes() -> None:
    assert str(S3Address("corpora") / "a" / "b/c") == "s3://corpora/a/b/c"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("corpora/a", "'corpora/a' is not an S3 address; write it as s3://BUCKET/FOLDER"),
        ("http://x/y", "is not an S3 address"),
        ("s3://", "names no bucket: ''"),
        ("s3://A_b/c", "names no bucket: 'A_b' is not 3 to 63 lower-case letters"),
        ("s3://corpora//a", "'/a' cannot be the path of a file"),
        ("s3://corpora/a//", "'a/' cannot be"),
        ("s3://corpora/a/../b", "'a/../b' cannot be"),
    ],
)
def test_what_is_not_an_address_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(StorageError) as caught:
        S3Address.parse(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".", "a\\b", "a\nb", "a\udcffb"])
def test_a_path_that_could_leave_its_folder_is_refused(path: str) -> None:
    with pytest.raises(StorageError, match="cannot be the path of a file in a folder; rename it"):
        check_relative(path, where="s3://corpora/a")
