"""What other charts have, read from their files in autumn 2026, each at the commit named.

A count is of lines of templates; "n" means that no template has it.
"""

from typing import Final

READ: Final = {
    "production-stack": "vllm-project/production-stack a6c01db, `helm/`",
    "modelservice": "llm-d-incubation/llm-d-modelservice 3051935",
    "llm-d-router": "llm-d/llm-d-router ebab687, three charts",
    "kserve-llmisvc": "kserve/kserve aaac4e2, `kserve-llmisvc-resources`",
    "kuberay": "ray-project/kuberay feeaf72, operator, apiserver, ray-cluster",
    "aibrix": "vllm-project/aibrix e3e10f9, `dist/chart`",
    "smg": "smg f8daa88, `deploy/helm/smg`",
    "semantic-router": "vllm-project/semantic-router 3d48f8c",
    "ai-gateway": "envoyproxy/ai-gateway c217da8",
}
SIZES: Final = {
    "production-stack": (
        "2857 / 28",
        "776",
        "1846 (2)",
        "1082",
        "a list, ~60 keys a model",
        "24 helm-unittest files that no workflow runs; an install on a GPU runner",
    ),
    "modelservice": (
        "1422 / 12",
        "",
        "3769 (33)",
        "713",
        "one model a release",
        "lint and install on kind; golden output",
    ),
    "llm-d-router": ("2045 / 25", "", "none", "643", "no models", "rendered by a script"),
    "kserve-llmisvc": (
        "420 / 8, and 1740 in files",
        "",
        "104",
        "205",
        "another resource",
        "lint; end to end",
    ),
    "kuberay": (
        "1993 / 30",
        "",
        "none",
        "902",
        "raw groups; no RayService",
        "18 helm-unittest files; install on kind",
    ),
    "aibrix": (
        "2215 / 25",
        "",
        "638 (2)",
        "351",
        "another resource",
        "4 unittest files; install on kind",
    ),
    "smg": ("973 / 17", "", "70 (0)", "302", "a list of workers", "lint; a connection test"),
    "semantic-router": (
        "1060 / 17",
        "",
        "232 (0)",
        "11,584",
        "a tree of its own",
        "6 variants rendered",
    ),
    "ai-gateway": ("small", "", "none", "317", "none", "none"),
}
"""Templates' lines and files, the longest file's, the schema's (closed objects), the values'; how a
user says "these models on these GPUs"; what tests them."""
PARTS: Final = (
    "PodDisruptionBudget",
    "NetworkPolicy",
    "startup / liveness / readiness",
    "preStop",
    "grace",
    "PodMonitor",
    "PrometheusRule, dashboards",
    "weights Job",
    "topology spread",
    "read-only root",
)
HAS: Final = {
    "production-stack": (
        "router, engine, lora",
        "n",
        "y/y/y; on Ray `echo TBD`",
        "n",
        "0 s on Ray's head",
        "n (ServiceMonitor)",
        "dashboards",
        "claim only",
        "n",
        "n",
    ),
    "modelservice": (
        "n", "n", "y/y/y", "n", "a value", "y", "n", "an example", "n", "n",
    ),
    "aibrix": ("n", "n", "-/y/y", "n", "controller", "n", "json beside it", "n", "n", "n"),
    "smg": ("router", "n", "y/y/y", "n", "n", "n (ServiceMonitor)", "dashboards", "n", "n", "n"),
    "semantic-router": (
        "n", "n", "y/y/y", "n", "n", "n", "7 static rules", "claim", "n", "n",
    ),
    "kuberay": (
        "n", "a field, alpha", "operator", "n", "n", "n", "a sample", "n", "ray-cluster", "n",
    ),
    "ai-gateway": ("y", "n", "-/y/y", "n", "n", "n", "n", "n", "y", "n"),
}  # fmt: skip
