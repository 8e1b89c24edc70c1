import pytest

from deploy.config import ConfigError
from deploy.environment import Environment, environment


def test_the_environment_is_read_and_its_secrets_are_not_shown():
    found = environment(
        {
            "BIFOCAL_POOL_TOKEN": "s3cret",
            "BIFOCAL_RAY_URL": "http://10.0.0.1:8265/",
            "BIFOCAL_KEY": " bf-x ",
            "BIFOCAL_URL": "",
            "HOME": "/nowhere",
        }
    )
    assert found == Environment(pool_token="s3cret", ray_url="http://10.0.0.1:8265", key="bf-x")
    assert "s3cret" not in repr(found)
    assert "bf-x" not in repr(found)


@pytest.mark.parametrize("name", ["BIFOCAL_URL", "BIFOCAL_RAY_URL"])
def test_an_address_that_is_none_is_refused_by_its_variable(name):
    with pytest.raises(ConfigError, match=f"{name}: found 'localhost:8000'; allowed: an address"):
        environment({name: "localhost:8000"})


@pytest.mark.parametrize("text", ["http://a:99999", "http://a:0", "http://a:b", "http://[::1"])
def test_an_address_whose_port_or_host_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="BIFOCAL_URL: found"):
        environment({"BIFOCAL_URL": text})
