from pathlib import Path

import pytest

from deploy.failure import Failure
from deploy.weights import Settings

SECRETS = {
    "HF_TOKEN": "secret-1",
    "MODELSCOPE_API_TOKEN": "secret-2",
    "AWS_SECRET_ACCESS_KEY": "secret-3",
    "AWS_SESSION_TOKEN": "secret-4",
}


def test_without_a_variable_the_public_hubs_are_asked_as_anybody():
    found = Settings.of({"HF_ENDPOINT": " "})
    assert (found.hub, found.hub_token) == ("https://huggingface.co", None)
    assert found.modelscope == "https://www.modelscope.cn"
    assert found.root == Path.home() / ".cache" / "bifocal" / "weights"


def test_variables_are_those_of_the_hubs_own_libraries():
    found = Settings.of(
        {
            **SECRETS,
            "HF_ENDPOINT": "https://mirror/",
            "MODELSCOPE_DOMAIN": "www.modelscope.ai",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "id",
            "BIFOCAL_WEIGHTS": "/weights",
            "HF_HUB_OFFLINE": "1",
        }
    )
    assert (found.hub, found.modelscope) == ("https://mirror", "https://www.modelscope.ai")
    assert (found.hub_token, found.modelscope_token) == ("secret-1", "secret-2")
    bucket = found.bucket
    assert (bucket.endpoint, bucket.region) == ("http://127.0.0.1:9000", "eu-west-1")
    assert (bucket.key_id, bucket.secret, bucket.session) == ("id", "secret-3", "secret-4")
    assert (found.root, found.offline) == (Path("/weights"), True)
    assert "secret-" not in repr(found)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"HF_ENDPOINT": "mirror"}, "HF_ENDPOINT: allowed"),
        ({"HF_ENDPOINT": "https://user:secret@mirror"}, "HF_ENDPOINT: allowed"),
        ({"AWS_ENDPOINT_URL": "s3://x"}, "AWS_ENDPOINT_URL: allowed"),
        ({"HF_ENDPOINT": "http://mirror", "HF_TOKEN": "secret"}, "HF_TOKEN could be read"),
        (
            {"MODELSCOPE_DOMAIN": "http://mirror", "MODELSCOPE_API_TOKEN": "secret"},
            "MODELSCOPE_API_TOKEN could be read",
        ),
        (
            {"AWS_ENDPOINT_URL": "http://store", "AWS_SESSION_TOKEN": "secret"},
            "AWS_SESSION_TOKEN could be read",
        ),
    ],
)
def test_what_is_wrong_or_unsafe_is_refused_without_its_secret(env, said):
    with pytest.raises(Failure) as failed:
        Settings.of(env)
    assert said in failed.value.what
    assert "secret" not in failed.value.what


def test_a_token_may_go_to_loopback_unencrypted():
    env = {"HF_ENDPOINT": "http://127.0.0.1:8080", "HF_TOKEN": "secret"}
    assert Settings.of(env).hub_token == "secret"
