"""Our arithmetic against transformers', and a saved folder against both."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from deploy.pocket import start, train  # noqa: E402
from deploy.pocket.model import Pocket  # noqa: E402
from deploy.pocket.recipes import RECIPES  # noqa: E402
from deploy.pocket.shape import Shape  # noqa: E402

DENSE = Shape(600, 64, 2, 4, 2, 32, 96)
SHAPES = {"dense": DENSE, "moe": replace(DENSE, num_experts=8)}

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_logits_equal_transformers(shape, tmp_path):
    torch.manual_seed(0)
    ours = Pocket(shape)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    train.save(ours, train.learn_tokenizer(0), tmp_path, dtype=torch.float32)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    # Two conversations of one length and, in the same row, one of another.
    long, short = torch.randint(0, 600, (2, 50)), torch.randint(0, 600, (1, 9))
    row, blocks = torch.cat([long.flatten(), short.flatten()]), ((2, 50), (1, 9))
    with torch.no_grad():
        apart = [theirs(ids).logits.flatten(0, 1) for ids in (long, short)]
        wanted = torch.cat(apart)
        torch.testing.assert_close(ours(row, blocks), wanted, rtol=1e-4, atol=1e-3)
        kept = torch.tensor([49, 50, 67, 108])
        torch.testing.assert_close(ours(row, blocks, kept), wanted[kept], rtol=1e-4, atol=1e-3)


def test_the_saved_template_and_tokenizer_are_read_by_transformers(tmp_path):
    train.save(Pocket(DENSE), train.learn_tokenizer(0), tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    messages = [{"role": "user", "content": "Grüße, 你好 12"}]
    said = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, enable_thinking=False, tokenize=False
    )
    assert said == train.template.render(messages, thinking=False)
    ids = tokenizer.encode(said, add_special_tokens=False)
    assert tokenizer.decode(ids) == said
    assert "<think>" in tokenizer.decode(ids, skip_special_tokens=True)
    assert tokenizer.eos_token == "<|im_end|>"


def test_the_same_seed_trains_the_same_weights(tmp_path):
    words = train.learn_tokenizer(0)
    recipe = replace(RECIPES["pocket-moe"], steps=3, batch=4)
    told = []
    for name in ("one", "other"):
        train.train_one("pocket-moe", recipe, tmp_path / name, 5, 60, words, told.append)
    one, other = (tmp_path / name / "model.safetensors" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    assert [progress.step for progress in told if progress.done] == [3, 3]


def test_untrained_weights_copy_already():
    shape = RECIPES["pocket-dense"].shape
    torch.manual_seed(1)
    model = Pocket(shape)
    start.begin(model)
    said = torch.randint(shape.vocab_size, (16, 12))
    gap = torch.randint(shape.vocab_size, (16, 40))
    with torch.no_grad():
        row = torch.cat([said, gap, said], 1).flatten()
        guessed = model(row, ((16, 64),)).unflatten(0, (16, 64))[:, -12:-1].argmax(-1)
    assert (guessed == said[:, 1:]).float().mean() > 0.6


def test_untrained_weights_note_the_last_two_tokens():
    shape = RECIPES["pocket-dense"].shape
    torch.manual_seed(1)
    model = Pocket(shape)
    start.begin(model)
    seen: list[torch.Tensor] = []
    model.layers[0].register_forward_hook(lambda _layer, _given, made: seen.append(made))
    with torch.no_grad():
        model(torch.randint(shape.vocab_size, (120,)), ((4, 30),))
    after = seen[0].unflatten(0, (4, 30))
    one, two = after[..., -start.NOTE :], after[..., -2 * start.NOTE : -start.NOTE]
    alike = torch.nn.functional.cosine_similarity(two[:, 10:], one[:, 9:-1], dim=-1)
    assert alike.mean() > 0.9
