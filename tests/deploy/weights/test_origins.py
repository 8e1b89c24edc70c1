"""ModelScope, S3 and a web server: what each has of its own. The downloader is `test_pull`'s."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.failure import Failure
from deploy.weights import MANIFEST, Settings, parse, pull, seal, verify
from deploy.weights.sealed import base_of
from deploy.weights.settings import Bucket
from tests.deploy.weights.loopback import (
    COMMIT,
    OTHER,
    REPOSITORY,
    SHARD,
    TAKEN,
    Cut,
    Loopback,
    listening,
    modelscope,
    store,
)

MS = f"ms://{REPOSITORY}"
S3 = "s3://models/tiny"


@pytest.fixture
async def scope() -> AsyncIterator[Loopback]:
    found = Loopback()
    async with listening(found, modelscope(found)):
        yield found


@pytest.fixture
def at_scope(scope: Loopback, tmp_path: Path) -> Settings:
    return Settings(root=tmp_path / "store", modelscope=scope.url, backoff_s=0.001, idle_s=5)


@pytest.fixture
async def objects(settings: Settings) -> AsyncIterator[Loopback]:
    """A store into which a pulled folder was copied."""
    folder = (await pull(parse(REPOSITORY), settings)).folder
    found = Loopback({path.name: path.read_bytes() for path in folder.iterdir()})
    async with listening(found, store(found)):
        yield found


@pytest.fixture
def at_objects(objects: Loopback, tmp_path: Path) -> Settings:
    bucket = Bucket(endpoint=objects.url, key_id="id", secret="secret-key")
    return Settings(root=tmp_path / "node", bucket=bucket, backoff_s=0.001, idle_s=5)


async def test_modelscope_is_pinned_by_the_short_name_of_its_head(scope, at_scope):
    scope.faults = [lambda request, body: Cut(len(SHARD) * 2 // 5)]
    done = await pull(parse(MS), at_scope)
    assert done.folder == at_scope.root / "ms" / REPOSITORY / COMMIT
    assert {path.name for path in done.folder.glob("[!.]*")} == TAKEN | {MANIFEST}
    assert scope.ranges[0] is None
    assert scope.ranges[1] is not None
    assert not verify(done.folder).problems


async def test_modelscope_that_does_not_say_its_commit_asks_to_be_pinned(scope, at_scope):
    scope.commit = deletes_only = "d" * 40
    with pytest.raises(Failure, match="does not say which commit") as failed:
        await pull(parse(MS), at_scope)
    assert "--revision COMMIT" in str(failed.value.remedy)
    assert (await pull(parse(MS, deletes_only), at_scope)).folder.name == deletes_only


async def test_modelscope_that_names_its_commit_in_full_is_believed(scope, at_scope):
    scope.listing = scope.modelscope_listing()
    scope.listing["Data"]["LatestCommitter"]["Id"] = scope.commit = OTHER
    assert (await pull(parse(MS), at_scope)).folder.name == OTHER


async def test_modelscope_without_the_revision_says_so(at_scope):
    with pytest.raises(Failure, match=r"@dev on .*: answers 10010205001"):
        await pull(parse(MS, "dev"), at_scope)


async def test_modelscopes_wrong_byte_is_found(scope, at_scope):
    scope.listing = scope.modelscope_listing()
    scope.files["config.json"] = scope.files["config.json"].swapcase()
    with pytest.raises(Failure, match=r"config\.json: expected sha256"):
        await pull(parse(MS), at_scope)


async def test_modelscopes_token_is_sent_both_ways(scope, at_scope):
    scope.token = "ms-secret"
    with pytest.raises(Failure, match="access is refused") as failed:
        await pull(parse(MS), at_scope)
    assert "MODELSCOPE_API_TOKEN" in str(failed.value.remedy)
    await pull(parse(MS), replace(at_scope, modelscope_token="ms-secret"))
    assert scope.asked[-1].headers["cookie"] == "m_session_id=ms-secret"


async def test_a_bucket_serves_a_sealed_folder(objects, at_objects):
    objects.faults = [lambda request, body: Cut(len(SHARD) * 2 // 5)]
    done = await pull(parse(S3), at_objects)
    assert (done.folder / "model.safetensors").read_bytes() == SHARD
    assert objects.ranges[1] is not None
    found = verify(done.folder)
    assert not found.problems
    assert found.manifest.upstream == f"hf://{REPOSITORY}@{COMMIT}"
    assert done.folder.name == found.manifest.commit == found.manifest.seal
    signed = {request.headers["authorization"].partition("=")[2][:3] for request in objects.asked}
    assert signed == {"id/"}
    assert not any("secret-key" in str(request.headers) for request in objects.asked)


async def test_a_bucket_whose_seal_is_not_the_one_asked_for_is_refused(objects, at_objects):
    with pytest.raises(Failure, match=f"expected seal {'c' * 64}, found [0-9a-f]{{64}}"):
        await pull(parse(S3, "c" * 64), at_objects)
    seal_of = (await pull(parse(S3), at_objects)).folder.name
    objects.asked.clear()
    await pull(parse(S3, seal_of), at_objects)
    assert not objects.asked


async def test_a_prefix_without_a_manifest_says_how_to_make_one(objects, at_objects):
    del objects.files[MANIFEST]
    with pytest.raises(Failure, match="answers 404") as failed:
        await pull(parse(S3), at_objects)
    assert "bifocal weights seal" in str(failed.value.remedy)


async def test_a_bucket_sends_what_was_signed_nowhere_else(objects, at_objects):
    elsewhere = Loopback()
    async with listening(elsewhere, store(elsewhere)):
        objects.cdn = elsewhere.url
        with pytest.raises(Failure, match="answers 302") as failed:
            await pull(parse(S3), at_objects)
    assert "AWS_REGION" in str(failed.value.remedy)
    assert not elsewhere.asked


async def test_a_bucket_that_refuses_asks_for_keys_and_the_region(objects, at_objects):
    objects.token = "another"
    with pytest.raises(Failure, match="access is refused") as failed:
        await pull(parse(S3), at_objects)
    assert "AWS_ACCESS_KEY_ID" in str(failed.value.remedy)
    assert "us-east-1" in str(failed.value.remedy)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"model.safetensors"', b'"../model.safetensors"', "no name for a file here"),
        (b'"model.safetensors"', b'"modeling_evil.py"', r"no \*\.safetensors"),
        (b'"tokenizer.json"', b'"modeling_evil.py"', "names files that are not taken"),
        (b'"sha256": "', b'"sha256": "/', "no sha256 digest"),
        (b'"size": 2,', b'"size": -2,', "listed with -2 bytes"),
        (b'"version": 1', b'"version": 2', "of version 2"),
        (b"{", b"[", "no manifest of weights"),
    ],
    ids=["name", "no-weights", "python", "digest", "size", "version", "json"],
)
async def test_a_hostile_manifest_is_refused(objects, at_objects, old, new, said):
    objects.files[MANIFEST] = objects.files[MANIFEST].replace(old, new)
    with pytest.raises(Failure, match=said):
        await pull(parse(S3), at_objects)
    assert not list(at_objects.root.rglob("*.safetensors"))


async def test_any_web_server_serves_a_sealed_folder(objects, at_objects):
    done = await pull(parse(f"{objects.url}/models/tiny"), at_objects)
    assert not verify(done.folder).problems
    assert not any("authorization" in request.headers for request in objects.asked)


async def test_a_fine_tune_is_sealed_and_served(objects, at_objects, tmp_path):
    (mine := tmp_path / "mine").mkdir()
    for name in TAKEN:
        (mine / name).write_bytes(objects.files[name])
    (mine / "config.json").write_bytes(b'{"mine": true}')
    sealed = seal(mine)
    assert seal(mine) == sealed
    objects.files = {path.name: path.read_bytes() for path in mine.iterdir()}
    done = await pull(parse(S3, sealed.seal), at_objects)
    assert (done.folder / "config.json").read_bytes() == b'{"mine": true}'


@pytest.mark.parametrize(
    ("bucket", "source", "url"),
    [
        (Bucket(), "s3://models/8b", "https://models.s3.us-east-1.amazonaws.com/8b"),
        (Bucket(region="eu-west-1"), "s3://a.b", "https://s3.eu-west-1.amazonaws.com/a.b"),
        (Bucket(endpoint="https://minio"), "s3://models/a/8b", "https://minio/models/a/8b"),
        (Bucket(endpoint="https://minio"), "https://h/8b", "https://h/8b"),
    ],
)
def test_where_a_bucket_is(bucket, source, url):
    assert base_of(parse(source), bucket) == url
