import json
import stat
from pathlib import Path

import jsonschema
import pytest

from deploy.keys import read_keys

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_route_shows_the_decision_its_reason_and_what_was_seen(bifocal):
    done = bifocal("route", "What is 4812 + 977 + 60551?")
    assert done.code == 0
    assert done.out.splitlines()[:3] == [
        "model     pocket-moe",
        "thinking  on",
        "reason    sum of several numbers",
    ]
    assert "longest number       5" in done.out


def test_route_for_scripts_is_one_object(bifocal):
    found = json.loads(bifocal("route", "hello", "--json").out)
    assert (found["model"], found["thinking"]) == ("pocket-dense", False)
    assert found["reason"] == "short and simple"
    assert found["features"]["question_chars"] == 5


@pytest.mark.parametrize(
    ("arguments", "model", "thinking"),
    [
        (("--model", "deep"), "pocket-moe", True),
        (("--think",), "pocket-moe", True),
        (("--no-think", "--model", "deep"), "pocket-moe", False),
        (("--effort", "high"), "pocket-moe", True),
        (("--tools", "1"), "pocket-dense", False),
        (("--config", str(EXAMPLES / "qwen3.yaml")), "qwen3-8b", False),
        (
            ("--config", str(EXAMPLES / "qwen3.yaml"), "--model", "Qwen/Qwen3-0.6B"),
            "qwen3-0.6b",
            True,
        ),
    ],
)
def test_route_takes_every_wish(bifocal, arguments, model, thinking):
    found = json.loads(bifocal("route", "hello", "--json", *arguments).out)
    assert (found["model"], found["thinking"]) == (model, thinking)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("route", "x", "--model", "gpt"), "unknown model 'gpt'; there are: auto, fast, deep"),
        (("route", "x", "--effort", "huge"), "allowed: none, minimal, low"),
        (("route", " "), "TEXT is empty"),
        (("route", "x", "--config", "none.yaml"), "none.yaml: cannot be read"),
        (("config", "prometheus", "--url", "foo"), "--url: found 'foo'; allowed: an address"),
        (("config", "check", "none.yaml"), "none.yaml: cannot be read"),
        (("key", "new", "--team", "A b"), "--team: found 'A b'; team: allowed"),
        (("key", "new", "--team", "a", "--expires", "90"), "--expires: found '90'; allowed"),
        (("key", "new", "--team", "a", "--file", "/none/k"), "/none/k cannot be written"),
        (("chat", "x", "--url", "localhost"), "--url: found 'localhost'; allowed: an address"),
        (("route",), "Missing argument"),
        (("top", "--release", "x"), "--namespace and --release go with --context"),
        (("status", "--release", "x"), "--namespace and --release go with --context"),
        (("doctor", "--namespace", "x"), "--namespace and --release go with --context"),
        (("bench", "--start", "--only", "mock"), "--start goes without --only"),
        (("bench", "--start", "--watched"), "--start goes without --watched"),
        (("bench", "--start", "--seconds", "1"), "--start goes without --seconds"),
        (
            ("bench", "--watched", "--peer", "http://a", "--plot", "a.png"),
            "--watched goes without --peer, --plot",
        ),
        (("bundle", "--namespace", "x"), "--namespace and --release go with --context"),
        *(
            ((*verb, "--url", "http://a", "--context", "b"), "--url and --context both name")
            for verb in (
                ("bundle",),
                ("chat", "x"),
                ("doctor",),
                ("key", "revoke", "3fa9c1d2", "--file", "/none/k"),
                ("mode", "force", "off"),
                ("pool", "drain", "x"),
                ("status",),
                ("top",),
            )
        ),
        (("doctor", "--url", "http://a", "--config", "c"), "--url goes without --config"),
        (("doctor", "--url", "http://a", "--ray-address", "b:1"), "--url goes without --ray-"),
        (("doctor", "--context", "a", "--ray-address", "b:1"), "--context goes without --ray-"),
        (("doctor", "--url", "foo"), "--url: found 'foo'; allowed: an address"),
    ],
)
def test_bad_input_is_told_in_a_line_without_a_traceback(bifocal, arguments, said):
    done = bifocal(*arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_route_reads_standard_input(bifocal, monkeypatch):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("12345 + 1"))
    assert "sum of several numbers" in bifocal("route", "-").out


@pytest.mark.parametrize("example", ["pocket.yaml", "qwen3.yaml"])
def test_config_check_says_what_a_good_file_would_serve(bifocal, example):
    done = bifocal("config", "check", str(EXAMPLES / example))
    assert done.code == 0
    assert "good" in done.out.splitlines()[0]
    assert "deep     " in done.out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        pytest.param("", "a cluster file", id="a cluster file"),
        pytest.param("volume: {size: 9Gi}", "values of the Helm chart, as it has volume", id="key"),
        pytest.param("gateway: {replicas: 3}", "as it has gateway.replicas", id="of the gateway"),
        pytest.param(
            "gpus: {l40s: {kind: l40s-48g, upgrade: {strategy: recreate}}}",
            "as it has gpus.l40s.upgrade",
            id="of a group",
        ),
    ],
)
def test_config_check_says_as_what_a_file_was_read(bifocal, tmp_path, more, told):
    gpus = "" if more.startswith("gpus") else "gpus: {l40s: {kind: l40s-48g}}\n"
    (path := tmp_path / "v.yaml").write_text(f"{gpus}models: {{qwen3-8b: {{on: l40s}}}}\n{more}\n")
    done = bifocal("config", "check", str(path))
    assert done.code == 0
    assert done.out.splitlines()[0].startswith(f"{path}: good, read as ")
    assert done.out.splitlines()[0].endswith(told)


def test_values_are_told_their_problems_as_a_cluster_file_is(bifocal, tmp_path):
    text = "gpus: {c: {kind: cpu}}\nmodels: {pocket-dense: {on: c}}\nvolume: {sice: 9Gi}\n"
    (path := tmp_path / "v.yaml").write_text(text)
    done = bifocal("config", "check", str(path))
    assert done.code == 2
    assert f"{path}:3: volume.sice: unknown key; did you mean size? " in done.err
    assert "read as values of the Helm chart, as it has volume" in done.err


@pytest.mark.parametrize(
    ("group", "models", "told"),
    [
        pytest.param(
            "kind: h100-80g, perNode: 8, nodes: 2",
            "qwen3-8b: {on: g, layout: {tensor: 4}}, qwen3-4b: {on: g, replicas: {max: 2}}",
            "idle     10 of the 16 GPUs of g: no model ever takes them",
            id="GPUs for nobody",
        ),
        pytest.param(
            "kind: mi300x-192g", "qwen3-8b: {on: g}", "unknown  mi300x-192g of g: ", id="unknown"
        ),
        pytest.param("kind: l40s-48g", "qwen3-8b: {on: g}", "", id="all is used"),
        pytest.param("kind: cpu, perNode: 4", "pocket-dense: {on: g}", "", id="cores"),
    ],
)
def test_config_check_says_what_may_not_be_meant(bifocal, tmp_path, group, models, told):
    (path := tmp_path / "b.yaml").write_text(f"gpus: {{g: {{{group}}}}}\nmodels: {{{models}}}\n")
    done = bifocal("config", "check", str(path))
    assert done.code == 0
    last = done.out.splitlines()[-1]
    assert last.startswith(told or "gateway  "), last


def test_config_check_tells_every_problem_of_a_bad_file(bifocal, tmp_path):
    (path := tmp_path / "b.yaml").write_text("gpus: {c: {kind: cpu}}\nmodels: {x: {on: d}}\nz: 1\n")
    done = bifocal("config", "check", str(path))
    assert done.code == 2
    assert f"{path}:3: z: unknown key" in done.err


def test_config_check_warns_of_keys_that_are_not_there_yet(bifocal):
    done = bifocal("config", "check", str(EXAMPLES / "qwen3.yaml"))
    assert done.code == 0
    [line] = done.err.splitlines()
    assert line.startswith("warning: gateway.keys: ")
    assert "keys.yaml is not there yet; `bifocal key new" in line


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ("gateway: {keys: k.yaml}", 2, "b.yaml: gateway.keys: "),
        ("gateway: {keys: k.yaml}", 2, "k.yaml:2: sha256 of team b: allowed"),
        ("models: {pocket-dense: {on: c, source: ./none}}", 2, "none holds no model"),
        ("models: {pocket-dense: {on: c, source: /none}}", 0, "warning: models.pocket-dense: /no"),
        ("models: {pocket-dense: {on: c, replicas: 2}}", 0, "need 2 cores and it has 1"),
        ("models: {pocket-dense: {on: c, targets: [http://a], targetsToken: t}}", 0, "not there"),
        ("models: {pocket-dense: {on: c, targets: [http://a], targetsToken: e}}", 2, "no token"),
    ],
)
def test_config_check_looks_at_what_the_file_names(bifocal, tmp_path, more, code, said):
    (tmp_path / "k.yaml").write_text(
        f"- {{team: a, sha256: {'a' * 64}}}\n- {{team: b, sha256: x}}\n"
    )
    (tmp_path / "e").write_text("")
    models = "" if more.startswith("models") else "models: {pocket-dense: {on: c}}\n"
    (path := tmp_path / "b.yaml").write_text(f"gpus: {{c: {{kind: cpu}}}}\n{models}{more}\n")
    done = bifocal("config", "check", str(path))
    assert (done.code, said in done.err) == (code, True), done.err


def test_config_schema_is_a_json_schema(bifocal):
    jsonschema.Draft202012Validator.check_schema(json.loads(bifocal("config", "schema").out))


def test_a_new_key_is_printed_once_with_its_line(bifocal, tmp_path):
    key, line = bifocal("key", "new", "--team", "search", "--expires", "90d").out.splitlines()
    (path := tmp_path / "keys.yaml").write_text(line)
    assert key not in line
    assert read_keys(path).record_of(key, 0).team == "search"


def test_a_new_key_for_scripts(bifocal):
    found = json.loads(bifocal("key", "new", "--team", "search", "--json").out)
    assert found["key"].startswith("bf-")
    assert found["team"] == "search"
    assert found["line"].startswith("- {team")


def test_a_key_may_go_to_the_file_at_once_which_stays_its_owners(bifocal, tmp_path):
    path = tmp_path / "keys.yaml"
    first = bifocal("key", "new", "--team", "a", "--file", str(path)).out.strip()
    path.write_text(path.read_text().rstrip("\n"))  # as an editor may leave it
    second = bifocal("key", "new", "--team", "b", "--file", str(path)).out.strip()
    ring = read_keys(path)
    assert (ring.record_of(first, 0).team, ring.record_of(second, 0).team) == ("a", "b")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not: a list\n", "k.yaml:1: not a list of keys"),
        (f"- {{team: a, sha256: {'a' * 64}}}\n- {{team: b, sha256: x}}\n", "k.yaml:2: sha256 of"),
        (f"[{{team: a, sha256: {'a' * 64}}}]\n", "k.yaml:3: "),
        ("- {\n", "k.yaml:2: "),
    ],
)
def test_no_key_is_added_to_a_file_that_would_not_be_read(bifocal, tmp_path, text, said):
    (path := tmp_path / "k.yaml").write_text(text)
    done = bifocal("key", "new", "--team", "c", "--file", str(path))
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert path.read_text() == text


def test_a_file_of_comments_takes_its_first_key(bifocal, tmp_path):
    (path := tmp_path / "k.yaml").write_text("# the keys\n")
    assert bifocal("key", "new", "--team", "a", "--file", str(path)).code == 0
    assert len(read_keys(path)) == 1


def test_the_bench_is_asked_for_weights_that_are_here(bifocal):
    done = bifocal("bench", "--source", "Qwen/Qwen3-8B")
    assert done.code == 2
    assert "--source: found 'Qwen/Qwen3-8B'; allowed: a folder" in done.err
