"""The models as numbers: Qwen3's eight, their renewed kinds, and the two pocket models.

Sources: the `config.json` of each checkpoint; arithmetic from these rows gives the parameter
counts of the model cards (235.09 B, 30.53 B, 1.721 B for "1.7B").
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from serving.values import Mode, ModelName

VOCABULARY = 151_936
NATIVE_CONTEXT = 40_960
"""`max_position_embeddings`: 32,768 of answer and 8,192 of prompt."""


class Modes(StrEnum):
    """What kind of checkpoint it is."""

    HYBRID = "hybrid"
    """Thinks or not, as the template's `enable_thinking` says."""
    THINKING_ONLY = "thinking-only"
    """The -Thinking-2507 checkpoints."""
    PLAIN_ONLY = "plain-only"
    """The -Instruct-2507 checkpoints: a reasoning parser would swallow their whole answer."""

    @property
    def offered(self) -> tuple[Mode, ...]:
        """The modes a client may ask for, the checkpoint's own default first."""
        return {
            Modes.HYBRID: (Mode.THINKING, Mode.PLAIN),
            Modes.THINKING_ONLY: (Mode.THINKING,),
            Modes.PLAIN_ONLY: (Mode.PLAIN,),
        }[self]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One checkpoint. Sizes are counts; `context` is in tokens."""

    name: ModelName
    hf_id: str
    layers: int
    hidden: int
    ffn: int
    """Of the dense layer, or of one expert."""
    q_heads: int
    kv_heads: int
    experts: int = 0
    active_experts: int = 0
    head_dim: int = 128
    tied_embeddings: bool = False
    vocabulary: int = VOCABULARY
    context: int = NATIVE_CONTEXT
    modes: Modes = Modes.HYBRID

    @property
    def from_qwen(self) -> bool:
        """Its weights are Qwen's own, on the hubs; a pocket model's are made, a fine-tune's are
        somebody's."""
        return self.hf_id.startswith("Qwen/")

    @property
    def is_moe(self) -> bool:
        return self.experts > 0

    @property
    def parameters(self) -> int:
        """All weights: embeddings, attention with q/k norms, FFN or router and experts, norms."""
        return self._embeddings + self.layers * (self._attention + self._ffn(self.experts))

    @property
    def active_parameters(self) -> int:
        """Weights that one token passes through."""
        return self._embeddings + self.layers * (self._attention + self._ffn(self.active_experts))

    @property
    def kv_elements_per_token(self) -> int:
        """Keys and values of all layers; times the bytes of the KV cache's type."""
        return 2 * self.layers * self.kv_heads * self.head_dim

    @property
    def _embeddings(self) -> int:
        return self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2) + self.hidden

    @property
    def _attention(self) -> int:
        q, kv = self.q_heads * self.head_dim, self.kv_heads * self.head_dim
        return self.hidden * (2 * q + 2 * kv) + 2 * self.head_dim + 2 * self.hidden

    def _ffn(self, experts: int) -> int:
        matrices = 3 * self.hidden * self.ffn
        return self.hidden * self.experts + experts * matrices if self.is_moe else matrices


def _facts(
    name: str,
    hf_id: str,
    layers: int,
    hidden: int,
    ffn: int,
    q_heads: int,
    kv_heads: int,
    experts: int = 0,
    active: int = 0,
    *,
    tied: bool = False,
) -> ModelFacts:
    """One row, sizes in the order of the model cards."""
    return ModelFacts(
        name=ModelName(name),
        hf_id=hf_id,
        layers=layers,
        hidden=hidden,
        ffn=ffn,
        q_heads=q_heads,
        kv_heads=kv_heads,
        experts=experts,
        active_experts=active,
        tied_embeddings=tied,
    )


_QWEN3 = (
    # name, id, layers, hidden, ffn, q heads, kv heads (, experts, active)
    _facts("qwen3-0.6b", "Qwen/Qwen3-0.6B", 28, 1024, 3072, 16, 8, tied=True),
    _facts("qwen3-1.7b", "Qwen/Qwen3-1.7B", 28, 2048, 6144, 16, 8, tied=True),
    _facts("qwen3-4b", "Qwen/Qwen3-4B", 36, 2560, 9728, 32, 8, tied=True),
    _facts("qwen3-8b", "Qwen/Qwen3-8B", 36, 4096, 12288, 32, 8),
    _facts("qwen3-14b", "Qwen/Qwen3-14B", 40, 5120, 17408, 40, 8),
    _facts("qwen3-32b", "Qwen/Qwen3-32B", 64, 5120, 25600, 64, 8),
    _facts("qwen3-30b-a3b", "Qwen/Qwen3-30B-A3B", 48, 2048, 768, 32, 4, 128, 8),
    _facts("qwen3-235b-a22b", "Qwen/Qwen3-235B-A22B", 94, 4096, 1536, 64, 4, 128, 8),
)


def _renewed(base: ModelFacts) -> tuple[ModelFacts, ModelFacts]:
    """The -2507 checkpoints: one that never thinks, one that always does; 262,144 tokens native."""
    instruct = replace(
        base,
        name=ModelName(f"{base.name}-instruct-2507"),
        hf_id=f"{base.hf_id}-Instruct-2507",
        context=262_144,
        modes=Modes.PLAIN_ONLY,
    )
    thinking = replace(
        instruct,
        name=ModelName(f"{base.name}-thinking-2507"),
        hf_id=f"{base.hf_id}-Thinking-2507",
        modes=Modes.THINKING_ONLY,
    )
    return instruct, thinking


_RENEWED = tuple(
    facts
    for base in _QWEN3
    if base.name in ("qwen3-4b", "qwen3-30b-a3b", "qwen3-235b-a22b")
    for facts in _renewed(base)
)

_POCKET = (
    ModelFacts(
        name=ModelName("pocket-dense"),
        hf_id="bifocal/pocket-dense",
        layers=4,
        hidden=128,
        ffn=256,
        q_heads=4,
        kv_heads=2,
        head_dim=32,
        tied_embeddings=True,
        vocabulary=4096,
        context=4096,
    ),
    ModelFacts(
        name=ModelName("pocket-moe"),
        hf_id="bifocal/pocket-moe",
        layers=4,
        hidden=128,
        ffn=128,
        q_heads=4,
        kv_heads=2,
        experts=8,
        active_experts=2,
        head_dim=32,
        tied_embeddings=True,
        vocabulary=4096,
        context=4096,
    ),
)
"""They ship with the package (`deploy/pocket`), so their ids name no repository of a hub."""

CATALOG: dict[ModelName, ModelFacts] = {
    facts.name: facts for facts in (*_QWEN3, *_RENEWED, *_POCKET)
}
"""By catalog name."""
