import pytest

from deploy.failure import Exit, Failure
from deploy.source import Scheme, Source, parse

COMMIT, SEAL = "a" * 40, "c" * 64


@pytest.mark.parametrize(
    ("text", "revision", "found"),
    [
        ("Qwen/Qwen3-8B", None, Source(Scheme.HF, "Qwen/Qwen3-8B", "main")),
        ("Qwen/Qwen3-8B@v1", None, Source(Scheme.HF, "Qwen/Qwen3-8B", "v1")),
        ("hf://Qwen/Qwen3-8B@refs/pr/3", None, Source(Scheme.HF, "Qwen/Qwen3-8B", "refs/pr/3")),
        ("hf://Qwen/Qwen3-8B", COMMIT, Source(Scheme.HF, "Qwen/Qwen3-8B", COMMIT)),
        ("ms://Qwen/Qwen3-8B", None, Source(Scheme.MODELSCOPE, "Qwen/Qwen3-8B", "master")),
        ("s3://models/qwen/8b/", None, Source(Scheme.S3, "models/qwen/8b")),
        (f"s3://models@{SEAL}", None, Source(Scheme.S3, "models", SEAL)),
        ("https://h:8443/a/8b", SEAL, Source(Scheme.WEB, "https://h:8443/a/8b", SEAL)),
        (f"http://mirror/8b@{SEAL}", None, Source(Scheme.WEB, "http://mirror/8b", SEAL)),
        ("http://127.0.0.1:9/8b", None, Source(Scheme.WEB, "http://127.0.0.1:9/8b")),
        ("/models/8b", None, Source(Scheme.FOLDER, "/models/8b")),
    ],
)
def test_a_source_is_read(text, revision, found):
    assert parse(text, revision) == found


@pytest.mark.parametrize(
    ("text", "revision", "said"),
    [
        ("Qwen3-8B", None, "source: found 'Qwen3-8B'"),
        ("hf://../..", None, "source: found"),
        ("a/..b", None, "source: found"),
        ("Qwen/Qwen3/8B", None, "source: found"),
        ("gs://bucket/x", None, "source: found"),
        ("ftp://bucket/x", None, "source: found"),
        ("s3://b/a/../c", None, "source: found"),
        ("s3://Bucket", None, "source: found"),
        ("Qwen/Qwen3-8B@../main", None, "revision: found '../main'"),
        ("Qwen/Qwen3-8B", "a..b", "revision: found 'a..b'"),
        ("Qwen/Qwen3-8B@v1", "v2", "names a revision, and another one is given: 'v2'"),
        ("s3://models/8b", "main", "allowed here: the seal, 64 hexadecimal digits"),
        ("http://mirror/8b", None, "is not encrypted"),
        ("https://user:secret@host/8b", None, "source: found 'https://host/8b'"),
        ("https://host/8b?signature=secret", None, "source: found"),
        ("./8b", "main", "is a folder, which has no revisions"),
    ],
)
def test_a_wrong_source_is_refused(text, revision, said):
    with pytest.raises(Failure) as failed:
        parse(text, revision)
    assert said in failed.value.what
    assert failed.value.code is Exit.BAD_INPUT
    assert "user:secret" not in failed.value.what


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("Qwen/Qwen3-8B", None),
        ("Qwen/Qwen3-8B@" + "A" * 40, None),
        (f"Qwen/Qwen3-8B@{SEAL}", None),
        (f"Qwen/Qwen3-8B@{COMMIT}", COMMIT),
        (f"s3://models@{SEAL}", SEAL),
    ],
)
def test_a_revision_is_pinned_when_it_cannot_move(text, pinned):
    assert parse(text).pinned == pinned


def test_a_source_is_written_as_it_is_read():
    for text in ("hf://Qwen/Qwen3-8B@main", f"s3://models/8b@{SEAL}", "https://h/8b"):
        assert str(parse(text)) == text
