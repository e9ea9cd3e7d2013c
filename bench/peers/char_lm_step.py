"""Peer: one training step of the small CharLM in compiled PyTorch: forward, backward, clipping, AdamW.

    python3 bench/peers/char_lm_step.py --window 32 [--repeats 10] [--block 64] [--optimizer fused|compiled]
    python3 bench/peers/char_lm_step.py --check     compares a small case with tests/reference/char_lm.py
    python3 bench/peers/char_lm_step.py --tune --window 32     one layer with every block size and product
"""

import pathlib
import sys

import torch

import measure
from char_lm_model import CharLm, Linear

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "reference"))
import char_lm as reference  # noqa: E402

VOCABULARY, WIDTH, HEADS, HIDDEN, LAYERS = 205, 512, 8, 2048, 12  # the paper's small model, 41.06M parameters
CLIP, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 0.25, 2.5e-4, 0.01, 0.2
FASTEST_BLOCK = {32: 32, 512: 64}  # see --tune


def parser():
    options = measure.arguments(__doc__.splitlines()[0], repeats=7)
    options.add_argument("--window", type=int, default=32, help="previous keys a query sees, every layer")
    options.add_argument("--tokens", type=int, default=2048)
    options.add_argument("--block", type=int, help="queries per block; default: the fastest measured")
    options.add_argument("--optimizer", choices=["fused", "compiled"], default="fused")
    options.add_argument("--dropout", choices=["hash", "torch"], default="hash", help="dropout's generator")
    options.add_argument("--linear", choices=["onednn", "torch"], default="onednn", help="layers' products")
    options.add_argument("--mode", default="default", help="torch.compile mode, or eager")
    options.add_argument("--plain-malloc", action="store_true", help="leave glibc's allocator as it is")
    options.add_argument("--layers", type=int, default=LAYERS)
    options.add_argument("--tune", action="store_true", help="time one layer under every setting and stop")
    options.add_argument("--check", action="store_true", help="compare with the dense reference and stop")
    return options


def optimizer_for(model, **how):
    named = list(model.named_parameters())
    groups = [
        {"params": [p for name, p in named if reference.decays(name)], "weight_decay": WEIGHT_DECAY},
        {"params": [p for name, p in named if not reference.decays(name)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, **how)


def training_step(model, options):
    """A function of (ids, targets) that trains one step."""
    compiled = options.optimizer == "compiled"
    optimizer = optimizer_for(model, foreach=True) if compiled else optimizer_for(model, fused=True)
    parameters = list(model.parameters())

    def update():
        torch.nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
        optimizer.step()

    loss_of = model if options.mode == "eager" else torch.compile(model, mode=options.mode, dynamic=False)
    apply = torch.compile(update, dynamic=False) if compiled else update

    def step(ids, targets):
        seed = torch.randint(2**31 - 1, (1,), dtype=torch.int32) if options.dropout == "hash" else None
        loss = loss_of(ids, targets, seed)
        loss.backward()
        apply()
        optimizer.zero_grad(set_to_none=True)
        return loss

    return step


def measured(options):
    torch.manual_seed(1)
    block = options.block or FASTEST_BLOCK.get(options.window, 128)
    Linear.onednn = options.linear == "onednn"
    model = CharLm(VOCABULARY, WIDTH, HEADS, HIDDEN, options.layers, options.window, block, DROPOUT)
    text = torch.randint(VOCABULARY, (1, options.tokens + 1))
    ids, targets = text[:, :-1].contiguous(), text[:, 1:].contiguous()
    step = training_step(model, options)
    conditions = {
        "dtype": "float32", "batch": 1, "tokens": options.tokens, "window": options.window, "block": block,
        "layers": options.layers, "width": WIDTH, "heads": HEADS, "hidden": HIDDEN, "dropout": DROPOUT,
        "parameters": sum(p.numel() for p in model.parameters()), "clip": CLIP, "compile": options.mode,
        "dropout_bits": options.dropout, "linear": options.linear,
        "optimizer": f"AdamW {options.optimizer}", "malloc_keeps_memory": not options.plain_malloc,
    }  # fmt: skip
    return measure.report("char_lm_step", lambda: step(ids, targets), options.repeats, conditions)


def check(window, block, tokens, compiled):
    """Differences from the dense model: the loss's, and the largest of a gradient relative to its maximum."""
    layers, heads, width = 3, 4, 32
    torch.manual_seed(window)
    fast = CharLm(27, width, heads, 64, layers, window, block, dropout=0.0)
    for parameter in fast.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    slow = reference.CharLm(
        reference.CharLmConfig(27, width, heads, 64, [window] * layers, [[1] * heads for _ in range(layers)])
    )
    slow.load_state_dict(fast.state_dict())
    text = torch.randint(27, (2, tokens + 1))
    ids, targets = text[:, :-1].clone(), text[:, 1:].clone()
    losses = [torch.compile(fast)(ids, targets) if compiled else fast(ids, targets), slow.loss(ids, targets)]
    for loss in losses:
        loss.backward()
    worst = 0.0
    for name, parameter in slow.named_parameters():
        difference = (parameter.grad - fast.get_parameter(name).grad).abs().max() / parameter.grad.abs().max()
        worst = max(worst, difference.item())
    return (losses[0] - losses[1]).abs().item(), worst


def check_all(linear):
    Linear.onednn = linear == "onednn"
    failed = False
    cases = [(5, 8, 48, False), (16, 8, 48, False), (13, 4, 40, False), (8, 8, 48, True)]
    for window, block, tokens, compiled in cases:
        loss, gradient = check(window, block, tokens, compiled)
        failed |= not (loss < 1e-5 and gradient < 1e-4)
        case = f"window {window} block {block} compiled {compiled}"
        print(f"{case}: loss {loss:.1e}, gradients {gradient:.1e} relative")
    return 1 if failed else 0


def tune(options):
    """Prints the record of one layer's step for every block size, with both kinds of products."""
    options.layers = 1
    candidates = (32, 64, 128, 256, 512)
    blocks = [block for block in candidates if options.window <= 8 * block <= 64 * options.window]
    for options.linear in ("torch", "onednn"):
        for options.block in blocks:
            torch._dynamo.reset()
            measure.print_json(measured(options))


def main():
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    if options.check:
        return check_all(options.linear)
    if not options.plain_malloc:
        measure.keep_freed_memory()
    if options.tune:
        tune(options)
    else:
        measure.print_json(measured(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
