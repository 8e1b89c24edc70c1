"""The pocket models' own arithmetic: Qwen3 and Qwen3-MoE in one small torch module.

It decides how a batch of token ids becomes logits, and under which names the weights are
saved: exactly those of Qwen3 checkpoints, so that vLLM and transformers load them unchanged
(a test compares the logits). It leaves out generation, caching and every other architecture:
serving is vLLM's work, this module exists because it trains faster on a CPU.
"""

# mypy: allow-subclassing-any
# torch is not followed by the type check, so its Module is Any there.

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Rows and columns of a batch, as one index.
Places = tuple[Tensor, Tensor]


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


class Norm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        queries, keys = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, keys, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, keys, bias=False)
        self.o_proj = nn.Linear(queries, shape.hidden_size, bias=False)
        self.q_norm = Norm(shape.head_dim, shape.eps)
        self.k_norm = Norm(shape.head_dim, shape.eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, kept: Places | None = None) -> Tensor:
        batch, length, _ = x.shape
        heads = (batch, length, -1, self.shape.head_dim)
        q = _rotate(self.q_norm(self.q_proj(x).view(heads)), cos, sin).transpose(1, 2)
        k = _rotate(self.k_norm(self.k_proj(x).view(heads)), cos, sin).transpose(1, 2)
        v = self.v_proj(x).view(heads).transpose(1, 2)
        group = self.shape.num_heads // self.shape.num_kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        # Batches are padded on the right, so the causal mask alone keeps padding out.
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed = mixed.transpose(1, 2).reshape(batch, length, -1)
        out: Tensor = self.o_proj(mixed if kept is None else mixed[kept])
        return out


class Ffn(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.ffn_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.ffn_size, bias=False)
        self.down_proj = nn.Linear(shape.ffn_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Experts(nn.Module):
    """The router's softmax over all experts, its top-k weights normalised to one."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.gate = nn.Linear(shape.hidden_size, shape.num_experts, bias=False)
        self.experts = nn.ModuleList(Ffn(shape) for _ in range(shape.num_experts))
        self.imbalance = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        odds = self.gate(flat).float().softmax(-1)
        weight, chosen = odds.topk(self.shape.experts_per_token, dim=-1)
        weight = (weight / weight.sum(-1, keepdim=True)).to(flat.dtype)
        slots = chosen.flatten()
        order = slots.argsort()
        counts = slots.bincount(minlength=self.shape.num_experts)
        rows = order // self.shape.experts_per_token
        parts = flat[rows].split(counts.tolist())
        mixed = torch.cat([e(part) for e, part in zip(self.experts, parts, strict=True)])
        mixed = mixed * weight.flatten()[order].unsqueeze(-1)
        share = counts / slots.numel()
        self.imbalance = self.shape.num_experts * (share * odds.mean(0)).sum()
        return torch.zeros_like(flat).index_add(0, rows, mixed).view_as(x)


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = Norm(shape.hidden_size, shape.eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = Norm(shape.hidden_size, shape.eps)
        self.mlp = Experts(shape) if shape.num_experts else Ffn(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, kept: Places | None = None) -> Tensor:
        mixed = self.self_attn(self.input_layernorm(x), cos, sin, kept)
        x = (x if kept is None else x[kept]) + mixed
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Pocket(nn.Module):
    """Token ids in, logits out; the head shares the embedding's weights."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_layers))
        self.norm = Norm(shape.hidden_size, shape.eps)

    def forward(self, ids: Tensor, kept: Places | None = None) -> Tensor:
        """The logits everywhere or, for less work in the last layer, only at `kept`."""
        cos, sin = _angles(self.shape, ids.shape[1])
        x = self.embed_tokens(ids)
        for layer in self.layers[:-1]:
            x = layer(x, cos, sin)
        x = self.layers[-1](x, cos, sin, kept)
        return functional.linear(self.norm(x), self.embed_tokens.weight)

    def imbalance(self) -> Tensor:
        """1.0 when every expert gets the same share of the tokens; 0 for a dense model."""
        parts = [m.imbalance for m in self.modules() if isinstance(m, Experts)]
        return torch.stack(parts).mean() if parts else torch.zeros(())

    def checkpoint(self) -> Iterator[tuple[str, Tensor]]:
        """The weights under Qwen3's names, ready to be saved."""
        for name, tensor in self.state_dict().items():
            yield f"model.{name}", tensor.detach().contiguous()


def _angles(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    half = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    turns = torch.outer(torch.arange(length, dtype=torch.float32), shape.rope_theta**-half)
    turns = torch.cat([turns, turns], -1)[None, :, None, :]
    return turns.cos(), turns.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat([-right, left], -1) * sin
