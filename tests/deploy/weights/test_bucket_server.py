"""A bucket of moto's S3 server, which checks signatures as Amazon does."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from deploy.failure import Failure
from deploy.weights import Settings, parse, pull, seal, verify
from deploy.weights.settings import Bucket
from tests.deploy.weights.loopback import FILES, TAKEN

pytestmark = pytest.mark.process

boto3 = pytest.importorskip("boto3", reason="moto[server] is not installed")
moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")

ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [ALLOW]})


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    (folder := tmp_path / "folder").mkdir()
    for name in TAKEN:
        (folder / name).write_bytes(FILES[name])
    seal(folder)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = _filled(f"http://{host}:{port}", folder)
    _sign_after(found, "0")
    yield found
    _sign_after(found, "inf")
    server.stop()


def _filled(url: str, folder: Path) -> Bucket:
    anybody: dict[str, Any] = {
        "endpoint_url": url,
        "region_name": "us-east-1",
        "aws_access_key_id": "anybody",
        "aws_secret_access_key": "anything",
    }
    users, objects = boto3.client("iam", **anybody), boto3.client("s3", **anybody)
    users.create_user(UserName="node")
    users.put_user_policy(UserName="node", PolicyName="reads", PolicyDocument=ANYTHING)
    key = users.create_access_key(UserName="node")["AccessKey"]
    objects.create_bucket(Bucket="models")
    for name in os.listdir(folder):
        content = (folder / name).read_bytes()
        objects.put_object(Bucket="models", Key=f"acme/tiny/{name}", Body=content)
    return Bucket(url, key_id=key["AccessKeyId"], secret=key["SecretAccessKey"])


def _sign_after(bucket: Bucket, requests: str) -> None:
    """After so many, each must be signed by a user that there is."""
    url, plain = f"{bucket.endpoint}/moto-api/reset-auth", {"content-type": "text/plain"}
    urlopen(Request(url, requests.encode(), plain)).close()


async def test_our_signature_opens_the_bucket_and_a_wrong_one_does_not(bucket, tmp_path):
    settings = Settings(root=tmp_path / "store", bucket=bucket)
    done = await pull(parse("s3://models/acme/tiny"), settings)
    assert not verify(done.folder).problems
    wrong = Bucket(bucket.endpoint, key_id=bucket.key_id, secret="wrong")
    with pytest.raises(Failure, match=r"access is refused \(403\)"):
        await pull(parse("s3://models/acme/tiny"), Settings(tmp_path / "other", bucket=wrong))
