"""Ray's executor without a GPU: a CPU that calls itself one, so that Ray places it like one.

vLLM's executor over several nodes asks Ray for a resource by the platform's name for it, and the
CPU's has none: `current platform cpu does not support ray`. Started with `--num-gpus`, a node
pretends to have what this platform asks for, and Ray Serve LLM goes the way that it goes on a GPU
cluster. It must be "GPU": vLLM looks up the ids of what it was given among the accelerators that
Ray knows.

For vLLM 0.29.
"""

from vllm.platforms.cpu import CpuPlatform


class PretendedGpus(CpuPlatform):  # type: ignore[misc]  # vLLM's class is untyped
    ray_device_key = "GPU"
