"""What the fork server imports: all that core and workers would, each model that is served here.

Nothing else may import this. No thread is started and no plugin loaded: both come in the children.
"""

import gc
import os

from serving.pools import forkserver

# As vLLM sets them before it starts a process; torch reads them as it is imported.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
os.environ.setdefault("TORCHINDUCTOR_CPP_DYNAMIC_THREADS", "1")
forkserver.use_within()

import vllm.model_executor.models.qwen3  # noqa: E402
import vllm.model_executor.models.qwen3_moe  # noqa: E402
import vllm.v1.engine.core  # noqa: E402
import vllm.v1.executor.multiproc_executor  # noqa: E402
import vllm.v1.worker.cpu_worker  # noqa: E402, F401

# Pages that no collection touches stay shared with every child.
gc.collect()
gc.freeze()
