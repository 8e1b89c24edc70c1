"""The numbers of a pocket model's architecture, and the `config.json` that tells them.

It decides nothing about how they are computed with; see `model`.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of an architecture; `num_experts == 0` means dense."""

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    ffn_size: int
    num_experts: int = 0
    experts_per_token: int = 2
    rope_theta: float = 1_000_000.0
    max_positions: int = 4096
    eps: float = 1e-6
    # Mixtral's balance loss; small, as a pocket model has few tokens to spread.
    balance: float = 0.01

    def config(self, *, eos: int, pad: int, dtype: str) -> dict[str, Any]:
        """The `config.json` that Hugging Face and vLLM read."""
        kind = "Qwen3Moe" if self.num_experts else "Qwen3"
        config: dict[str, Any] = {
            "architectures": [f"{kind}ForCausalLM"],
            "model_type": "qwen3_moe" if self.num_experts else "qwen3",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": None,
            "eos_token_id": eos,
            "pad_token_id": pad,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": self.ffn_size,
            "max_position_embeddings": self.max_positions,
            "num_attention_heads": self.num_heads,
            "num_hidden_layers": self.num_layers,
            "num_key_value_heads": self.num_kv_heads,
            "rms_norm_eps": self.eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": None,
            "sliding_window": None,
            "use_sliding_window": False,
            "tie_word_embeddings": True,
            "dtype": dtype,
            "torch_dtype": dtype,
            "use_cache": True,
            "vocab_size": self.vocab_size,
        }
        if self.num_experts:
            config |= {
                "decoder_sparse_step": 1,
                "mlp_only_layers": [],
                "moe_intermediate_size": self.ffn_size,
                "norm_topk_prob": True,
                "num_experts": self.num_experts,
                "num_experts_per_tok": self.experts_per_token,
                "output_router_logits": False,
                "router_aux_loss_coef": self.balance,
            }
        return config
