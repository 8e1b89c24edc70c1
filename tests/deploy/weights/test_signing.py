"""Against the examples of the Amazon S3 API Reference ("Signature Calculations ... Header")."""

from datetime import UTC, datetime

import pytest

from deploy.weights.settings import Bucket
from deploy.weights.signing import signed

NOW = datetime(2013, 5, 24, tzinfo=UTC)
BUCKET = Bucket(key_id="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
URL = "https://examplebucket.s3.amazonaws.com/test.txt"


def test_the_published_example_of_a_get_object_is_signed_as_published():
    found = signed(URL, BUCKET, NOW, {"range": "bytes=0-9"})
    assert found["authorization"] == (
        "AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    assert found["x-amz-date"] == "20130524T000000Z"


@pytest.mark.parametrize("bucket", [Bucket(), Bucket(key_id="id"), Bucket(secret="secret")])
def test_without_keys_nothing_is_signed(bucket):
    assert signed(URL, bucket, NOW) == {}


def test_a_session_is_signed_too():
    found = signed(URL, Bucket(key_id="id", secret="secret", session="session"), NOW)
    assert found["x-amz-security-token"] == "session"
    assert "x-amz-date;x-amz-security-token," in found["authorization"]
