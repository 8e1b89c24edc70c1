"""The pocket models' own arithmetic: Qwen3 and Qwen3-MoE in one small torch module.

It decides how token ids become logits, and under which names the weights are saved: exactly
those of Qwen3 checkpoints, so that vLLM and transformers load them unchanged (a test compares
the logits). It leaves out generation, caching and every other architecture: serving is vLLM's
work, this module exists because it trains faster on a CPU. For that, the tokens of all
conversations lie in one row, and only attention looks at conversations apart.
"""

# mypy: allow-subclassing-any
# torch is not followed by the type check, so its Module is Any there.

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deploy.pocket.kernels import Product, Reordered, RmsNorm, Rotated
from deploy.pocket.shape import Shape

# How many conversations, of how many tokens each with their padding.
Block = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """Where in its conversation each token stands, and what the matrices are multiplied in."""

    blocks: Sequence[Block]
    cos: Tensor
    sin: Tensor
    precision: torch.dtype

    @property
    def cuts(self) -> list[int]:
        return [count * width for count, width in self.blocks]


class Norm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = RmsNorm.apply(x, self.weight, self.eps)
        return out


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

    def forward(self, x: Tensor, row: Row, kept: Tensor | None = None) -> Tensor:
        queries, keys = self.shape.num_heads, self.shape.num_kv_heads
        weight = torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight])
        made = Product.apply(x.to(row.precision), weight).float()
        compared, v = made.unflatten(-1, (-1, self.shape.head_dim)).split([queries + keys, keys], 1)
        scale = (self.q_norm.weight.expand(queries, -1), self.k_norm.weight.expand(keys, -1))
        compared = RmsNorm.apply(compared, torch.cat(scale), self.shape.eps)
        compared = Rotated.apply(compared, row.cos, row.sin)
        apart = zip(row.blocks, compared.split(row.cuts), v.split(row.cuts), strict=True)
        mixed = torch.cat([self._within(*block) for block in apart])
        mixed = (mixed if kept is None else mixed[kept]).to(row.precision)
        out: Tensor = Product.apply(mixed, self.o_proj.weight).float()
        return out

    def _within(self, block: Block, compared: Tensor, v: Tensor) -> Tensor:
        """The conversations of one block, each by itself."""
        heads = [self.shape.num_heads, self.shape.num_kv_heads]
        q, k = compared.unflatten(0, block).transpose(1, 2).split(heads, 1)
        v = v.unflatten(0, block).transpose(1, 2)
        # Padding stands on the right, so the causal mask alone keeps it out.
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return mixed.transpose(1, 2).reshape(len(compared), -1)


class Ffn(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.ffn_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.ffn_size, bias=False)
        self.down_proj = nn.Linear(shape.ffn_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor, precision: torch.dtype) -> Tensor:
        weight = torch.cat([self.gate_proj.weight, self.up_proj.weight])
        gate, up = Product.apply(x.to(precision), weight).chunk(2, -1)
        out: Tensor = Product.apply(functional.silu(gate) * up, self.down_proj.weight)
        return out


class Experts(nn.Module):
    """The router's softmax over all experts, its top-k weights normalised to one."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.gate = nn.Linear(shape.hidden_size, shape.num_experts, bias=False)
        self.experts = nn.ModuleList(Ffn(shape) for _ in range(shape.num_experts))
        self.imbalance = torch.zeros(())

    def forward(self, x: Tensor, precision: torch.dtype) -> Tensor:
        each = self.shape.experts_per_token
        odds = self.gate(x).softmax(-1)
        weight, chosen = odds.topk(each, dim=-1)
        weight = weight / weight.sum(-1, keepdim=True)
        slots = chosen.flatten()
        order = slots.argsort()
        back = order.argsort()
        counts = slots.bincount(minlength=self.shape.num_experts)
        copies = x.to(precision).unsqueeze(1).expand(-1, each, -1).flatten(0, 1)
        parts = Reordered.apply(copies, order, back).split(counts.tolist())
        found = [e(part, precision) for e, part in zip(self.experts, parts, strict=True)]
        mixed = Reordered.apply(torch.cat(found), back, order).unflatten(0, (-1, each))
        share = counts / slots.numel()
        self.imbalance = self.shape.num_experts * (share * odds.mean(0)).sum()
        return (mixed * weight.unsqueeze(-1)).sum(1)


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = Norm(shape.hidden_size, shape.eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = Norm(shape.hidden_size, shape.eps)
        self.mlp = Experts(shape) if shape.num_experts else Ffn(shape)

    def forward(self, x: Tensor, row: Row, kept: Tensor | None = None) -> Tensor:
        mixed = self.self_attn(self.input_layernorm(x), row, kept)
        x = (x if kept is None else x[kept]) + mixed
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x), row.precision)
        return out


class Pocket(nn.Module):
    """Token ids in, logits out; the head shares the embedding's weights.

    The matrices are multiplied in `precision`; sums, norms and places stay in single precision.
    """

    def __init__(self, shape: Shape, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.shape, self.precision = shape, precision
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_layers))
        self.norm = Norm(shape.hidden_size, shape.eps)

    def forward(self, ids: Tensor, blocks: Sequence[Block], kept: Tensor | None = None) -> Tensor:
        """The logits of all tokens or, for less work in the last layer, only of those `kept`."""
        row = Row(blocks, *_angles(self.shape, blocks), self.precision)
        x = self.embed_tokens(ids)
        for layer in self.layers[:-1]:
            x = layer(x, row)
        x = self.norm(self.layers[-1](x, row, kept))
        logits: Tensor = Product.apply(x.to(self.precision), self.embed_tokens.weight)
        return logits.float()

    def imbalance(self) -> Tensor:
        """1.0 when every expert gets the same share of the tokens; 0 for a dense model."""
        parts = [m.imbalance for m in self.modules() if isinstance(m, Experts)]
        return torch.stack(parts).mean() if parts else torch.zeros(())

    def checkpoint(self) -> Iterator[tuple[str, Tensor]]:
        """The weights under Qwen3's names, ready to be saved."""
        for name, tensor in self.state_dict().items():
            yield f"model.{name}", tensor.detach().contiguous()


def _angles(shape: Shape, blocks: Sequence[Block]) -> tuple[Tensor, Tensor]:
    """Each token's cosines and sines, by its place in its conversation."""
    half = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    places = torch.arange(max(width for _, width in blocks), dtype=torch.float32)
    turns = torch.outer(places, shape.rope_theta**-half)
    turns = torch.cat([turns[:width].repeat(count, 1) for count, width in blocks]).unsqueeze(1)
    cos, sin = turns.cos(), turns.sin()
    return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)
