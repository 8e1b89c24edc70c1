"""The weights a pocket model starts from: a first look-up is built in, the rest is chance.

Copying (a city from the question, a tool's name from the offer) rests on two attention heads
in a row: one that notes which token came before each token, one that finds the token that was
seen after the present one and takes what followed. Neither is of use without the other, so a
small model finds the pair only after a long time of training, or within minutes from here:
layer 0 starts with the first, layer 1 with the second. A second pair does the same with the last
two tokens, as digits repeat within a number. Training is free to change all of it.
"""

import torch
from torch import Tensor, nn

from deploy.pocket.model import Attention, Pocket

# The embedding's last dimensions start empty: there the first heads note the token before, and
# the one before that.
NOTE = 20
# One dimension is the same for all tokens, so that a head can look at places, not at tokens.
CONSTANT = 3.0
SHARP = 2.0


def begin(model: Pocket) -> None:
    """Sets every weight; chance comes from torch's global seed."""
    for parameter in model.parameters():
        if parameter.dim() == 2:
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    for name, parameter in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            # Every layer passes the tokens on untouched at first.
            nn.init.zeros_(parameter)
        elif name.endswith(("q_norm.weight", "k_norm.weight")):
            nn.init.constant_(parameter, 1.5)
    with torch.no_grad():
        tokens = model.embed_tokens.weight
        tokens.normal_(std=0.5)
        tokens[:, 0] = CONSTANT
        tokens[:, -2 * NOTE :] = 0
        # With embeddings this large, the last norm has to keep the first logits small.
        model.norm.weight.fill_(0.1)
        size = model.shape.hidden_size
        signature = torch.randn(NOTE, size) * size**-0.5
        signature[:, 0] = signature[:, size - 2 * NOTE :] = 0
        for attention in (model.layers[0].self_attn, model.layers[1].self_attn):
            _sharpen(attention)
        for back in (1, 2):
            _note_the_token_before(model.layers[0].self_attn, signature, back)
        _take_what_followed(model.layers[1].self_attn, signature)


def _note_the_token_before(attention: Attention, signature: Tensor, back: int) -> None:
    """So many places back; the heads for it share their keys, which are all alike."""
    shape = attention.shape
    dim, half = shape.head_dim, shape.head_dim // 2
    # Three fast rotations together peak at one distance and nowhere else.
    share = torch.tensor([0.4, 0.35, 0.25]).sqrt()
    turn = back * shape.rope_theta ** (-torch.arange(3) * 2 / dim)
    query, key = torch.zeros(dim), torch.zeros(dim)
    key[:3] = share
    query[:3], query[half : half + 3] = share * turn.cos(), -share * turn.sin()
    queries = slice((back - 1) * dim, back * dim)
    attention.q_proj.weight[queries] = 0
    attention.q_proj.weight[queries, 0] = 4 * query
    attention.k_proj.weight[:dim] = 0
    attention.k_proj.weight[:dim, 0] = 4 * key
    attention.v_proj.weight[:NOTE] = signature
    attention.o_proj.weight[_note(back), queries][:, :NOTE] = torch.eye(NOTE)


def _take_what_followed(attention: Attention, signature: Tensor) -> None:
    """The first key head after the present token, the second after the last two."""
    shape = attention.shape
    dim, size = shape.head_dim, shape.hidden_size
    # Only slow rotations: what is compared must not depend on how far away it stands.
    slow = torch.arange(dim) % (dim // 2) >= dim // 2 - NOTE // 2
    before, earlier = torch.zeros(2, NOTE, size)
    before[:, _note(1)] = earlier[:, _note(2)] = torch.eye(NOTE)
    half = NOTE // 2
    seen = (before, torch.cat([before[:half], earlier[:half]]))
    sought = (signature, torch.cat([signature[:half], before[:half]]))
    basis = torch.linalg.qr(torch.randn(size, shape.num_kv_heads * dim))[0].T
    basis[:, 0] = basis[:, size - 2 * NOTE :] = 0
    attention.v_proj.weight[:] = basis
    group = shape.num_heads // shape.num_kv_heads
    for head in range(shape.num_kv_heads):
        keys = slice(head * dim, (head + 1) * dim)
        queries = slice(head * group * dim, (head * group + 1) * dim)
        attention.k_proj.weight[keys] = 0
        attention.k_proj.weight[keys][slow] = 4 * seen[head]
        attention.q_proj.weight[queries] = 0
        attention.q_proj.weight[queries][slow] = 4 * sought[head]
        attention.o_proj.weight[:, queries] = 1.5 * basis[keys].T


def _note(back: int) -> slice:
    """Where a token says what stood so many places before it."""
    return slice(-NOTE * back, -NOTE * (back - 1) or None)


def _sharpen(attention: Attention) -> None:
    for norm in (attention.q_norm, attention.k_norm):
        norm.weight.fill_(SHARP)
