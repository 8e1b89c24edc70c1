"""The fifteen properties that no chart of the field has, how this one has them, and the tests that
show it. What is not there says so.
"""

from dataclasses import dataclass
from typing import Final

RENDERED: Final = "tests/install/test_rendered.py"
LIFE: Final = "tests/install/test_life.py"
STARTS: Final = "tests/install/test_gateway_starts.py"
OURS: Final = "tests/install/test_pools_are_ours.py"
HERE: Final = "tests/install/test_properties.py"
FILES: Final = "tests/deploy/chart/test_files.py"
DIFF: Final = "tests/install/test_diff.py"
STARTED: Final = "tests/install/test_started.py"
ALERTS: Final = "tests/ops/alerts/test_written.py"
BOARDS: Final = "tests/ops/dashboards/test_boards.py"
PULL: Final = "tests/deploy/weights/test_pull.py"


@dataclass(frozen=True)
class Property:
    """`lacks` is empty for one that is there as a whole."""

    what: str
    how: str
    tests: tuple[str, ...]
    lacks: str = ""


PROPERTIES: Final = (
    Property(
        "One file for laptop, tests and Helm; every object closed; errors say what was found and "
        "what is allowed",
        "a cluster file is a values file; the schema is made from the code that reads it",
        (
            f"{FILES}::test_a_cluster_file_is_a_file_of_values",
            f"{FILES}::test_every_object_of_the_schema_is_closed",
            f"{RENDERED}::test_what_cannot_be_is_refused_with_what_was_found_and_what_to_do",
            "tests/install/test_refused.py::test_what_our_code_refuses_helm_refuses",
        ),
    ),
    Property(
        "A model by its name alone: layout, parsers, sampling, context; the proof in the notes",
        "the planner's table, shipped with the chart; the notes say the layout of each pool and "
        "the command that prints its proof",
        (
            f"{OURS}::test_serve_gets_what_a_laptop_would_give_it",
            f"{HERE}::test_the_notes_say_each_pools_layout_and_the_command_that_proves_it",
        ),
    ),
    Property(
        "What cannot run is refused while rendering",
        "with the planner's arithmetic, from the table or from what `bifocal plan --values` wrote",
        (
            f"{RENDERED}::test_what_cannot_be_is_refused_with_what_was_found_and_what_to_do",
            f"{OURS}::test_the_whole_table_is_current",
        ),
    ),
    Property(
        "One number behind every timer, in an order that is checked",
        "`longestAnswer`: gateway and replicas, then proxies, Ray's drain, pods' grace, the old "
        "cluster's deletion",
        (f"{RENDERED}::test_whatever_could_cut_an_answer_waits_longer_than_what_it_waits_for",),
    ),
    Property(
        "Patience with a start follows from the bytes to load",
        "no probe of a Ray pod asks for a model, so none kills one that loads; the roll-out waits "
        "for the bytes of the pool that is there first, from the hub and from the disk",
        (
            f"{HERE}::test_a_rollout_waits_for_the_bytes_of_the_pool_that_is_there_first",
            f"{HERE}::test_no_probe_ends_a_pod_whose_model_is_loading",
        ),
    ),
    Property(
        "Weights by a Job: checked, resumed, before an engine asks",
        "a Job for each model pulls what its pool serves, to the byte; a pool that is earlier "
        "waits at the same lock and goes on from what is there",
        (
            f"{HERE}::test_a_job_pulls_what_the_pool_will_ask_for",
            f"{PULL}::test_a_connection_that_is_cut_at_40_percent_goes_on_there",
            f"{PULL}::test_a_byte_that_stays_wrong_is_told_with_both_digests_and_not_kept",
            f"{PULL}::test_two_processes_at_once_download_once",
        ),
    ),
    Property(
        "NetworkPolicies: pools from the gateway alone; DNS and API server seen to",
        "one for each part; DNS for all, the API server for the Jobs that need it",
        (
            f"{RENDERED}::test_only_the_gateway_reaches_the_replicas",
            f"{RENDERED}::test_every_pod_has_a_policy",
            f"{RENDERED}::test_what_pulls_weights_reaches_the_ports_that_the_values_name",
            f"{HERE}::test_a_pod_reaches_what_it_must_and_nothing_else",
        ),
    ),
    Property(
        'Pod Security "restricted" and a read-only root, every container',
        "a group with `network.rdma` adds IPC_LOCK, and the notes name it",
        (
            f"{RENDERED}::test_every_container_is_restricted_and_cannot_write_to_its_image",
            f"{RENDERED}::test_only_workers_of_a_group_with_rdma_may_pin_memory",
        ),
    ),
    Property(
        "An upgrade touches what has changed, and says before what it restarts",
        "a pool's change edits its own text; `bifocal diff` knows KubeRay's rule for every field",
        (
            f"{RENDERED}::test_a_change_of_a_pool_edits_its_own_text_and_the_gateways_alone",
            f"{RENDERED}::test_another_release_of_the_chart_is_another_cluster_unless_the_tags_stay",
            "tests/deploy/diff/test_kuberay.py::"
            "test_a_field_is_seen_unless_kuberay_takes_it_out_of_the_hash",
            "tests/install/test_fields.py::"
            "test_a_change_of_any_field_of_the_resource_is_seen_as_kuberay_sees_it",
            f"{DIFF}::test_each_way_of_a_change_is_told_of_rendered_values",
            f"{DIFF}::test_a_release_that_runs_is_compared_with_what_would_come",
        ),
    ),
    Property(
        "An upgrade inside the budget of GPUs",
        "`recreate` drains, deletes and starts on the same GPUs; a second cluster is built only "
        "where it is asked for, and refused where its GPUs are not",
        (
            f"{HERE}::test_a_second_cluster_is_built_only_where_it_is_asked_for",
            f"{DIFF}::test_a_second_cluster_without_gpus_is_refused_with_the_arithmetic",
            "tests/install/test_renew.py::"
            "test_another_cluster_comes_once_the_first_is_drained_and_gone",
        ),
    ),
    Property(
        "Burn-rate alerts with tests and runbooks",
        "PrometheusRules, the same files for every service, since the gateway itself judges each "
        "request by `slo`; promtool tries each one both ways (`make test-watch`, "
        "`tests/watch/test_rules.py`)",
        (
            f"{ALERTS}::test_each_alert_has_a_page_that_helps",
            f"{ALERTS}::test_each_alert_is_seen_to_fire_and_not_to",
        ),
    ),
    Property(
        "Every dashboard's query run against a live scrape",
        "four boards as ConfigMaps; a real Prometheus is asked each panel's query while pocket "
        "pools are busy, idle and after a loss (`make test-watch`, `tests/watch/test_panels.py`)",
        (
            f"{BOARDS}::test_a_query_reads_declared_series_alone",
            f"{BOARDS}::test_the_files_are_current",
        ),
    ),
    Property(
        "Secrets: yours, made once, or an ExternalSecret's; none in values, keys hashed",
        "named Secrets make the chart's own go; those are rendered without data and filled once",
        (
            f"{HERE}::test_secrets_that_are_named_are_used_and_none_is_made",
            f"{RENDERED}::test_no_secret_stands_in_what_is_rendered",
            f"{LIFE}::test_installed_upgraded_rolled_back_and_taken_off",
            f"{LIFE}::test_made_keys_open_the_gateway",
        ),
        "the store of keys (teams, limits) comes later; keys are lines of a Secret, hashed",
    ),
    Property(
        "`helm test`: a thinking and a plain question, metering, a 429",
        "the test's pod asks both and reads the metrics; the 429 is tested apart, since the only "
        "limit so far is of all clients together, and reaching it would refuse real ones",
        (
            f"{STARTS}::test_helms_test_asks_for_both_depths_and_looks_whether_they_are_metered",
            f"{STARTS}::test_one_more_than_the_gateway_takes_is_told_to_come_again",
        ),
    ),
    Property(
        "Installed on a real API server with the real CRDs; upgraded under load; taken off",
        "etcd, API server and controllers, Helm, KubeRay's and prometheus-operator's CRDs; its "
        "pods run as processes ([installed.md](installed.md))",
        (
            f"{LIFE}::test_installed_upgraded_rolled_back_and_taken_off",
            f"{STARTS}::test_the_gateway_starts_as_it_is_stored",
            f"{STARTED}::test_a_pool_of_two_replicas_is_upgraded_without_a_loss",
            f"{STARTED}::test_a_pool_shrinks_without_a_loss",
            f"{STARTED}::test_it_is_taken_off_and_leaves_nothing",
            "tests/install/test_gateway_leaves.py::test_one_that_leaves_loses_nothing",
        ),
    ),
)
