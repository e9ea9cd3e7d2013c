"""The CharLM of tests/reference/char_lm.py, written for speed: blocked causal window attention, no dilation.

Same parameters under the same names. A block of `block` queries meets its own keys and the `window` keys
before it; the relative scores are one product per query with every distance, slanted into place by a view.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


def blocked_relative_attention(q, k, v, r, u, w, window, block):
    """Context (B, H, T, K) of q, k, v (B, H, T, K): query i sees keys i - window .. i.

    r (H, window + 1, K) by distance, longest first; u, w (H, K); T must be a multiple of block.
    """
    batch, heads, tokens, head_width = q.shape
    blocks, span = tokens // block, window + block
    scale = 1.0 / math.sqrt(head_width)

    keys, values = (spans(x, window, block) for x in (k, v))
    queries = ((q + u[:, None]) * scale).view(batch, heads, blocks, block, head_width)
    by_content = queries @ keys.transpose(3, 4)
    by_distance = ((q + w[:, None]) * scale) @ r.transpose(1, 2)  # (B, H, T, window + 1)
    # Row i of a block needs its distances moved right by i. Padding each row to span + 1 and reading rows of
    # span does that, and what was padded (-inf) lands on exactly the keys outside the window.
    padded = F.pad(by_distance.view(batch, heads, blocks, block, window + 1), (0, block), value=-math.inf)
    slanted = padded.flatten(3)[..., : block * span].view(batch, heads, blocks, block, span)
    column = torch.arange(span) - window
    exists = column + block * torch.arange(blocks)[:, None] >= 0  # (N, span): not before the text
    scores = torch.where(exists[:, None, :], by_content + slanted, -math.inf)
    context = scores.softmax(dim=-1) @ values
    return context.view(batch, heads, tokens, head_width)


def spans(x, window, block):
    """(B, H, T, K) -> (B, H, N, window + block, K): the rows each block may see, zeros before the text."""
    batch, heads, tokens, head_width = x.shape
    blocks, back = tokens // block, -(-window // block)
    padded = F.pad(x, (0, 0, back * block, 0)).view(batch, heads, blocks + back, block, head_width)
    pieces = [padded[:, :, i : i + blocks] for i in range(back + 1)]
    pieces[0] = pieces[0][:, :, :, back * block - window :]
    return torch.cat(pieces, dim=3)


def hashed_dropout(x, probability, seed, site):
    """Dropout by an integer hash of (seed, site, element): it vectorises, PyTorch's generators do not.

    The hash is C. Wellons' 32-bit finaliser lowbias32; seed is an int32 tensor of one element.
    """
    bits = torch.arange(x.numel(), dtype=torch.int32).view(x.shape) * -1640531535 + (seed + 40503 * site)
    bits = (bits ^ ((bits >> 16) & 0xFFFF)) * 0x7FEB352D
    bits = (bits ^ ((bits >> 15) & 0x1FFFF)) * -2073254261  # 0x846CA68B
    bits = (bits ^ ((bits >> 16) & 0xFFFF)) & 0x7FFFFFFF
    return torch.where(bits >= int(probability * 2**31), x * (1.0 / (1.0 - probability)), 0.0)


class Dropout:
    """One step's dropout: a rate, a seed (None: PyTorch's generator) and the number of places it was used."""

    def __init__(self, probability, seed):
        self.probability, self.seed, self.site = probability, seed, 0

    def __call__(self, x):
        if self.probability == 0.0:
            return x
        self.site += 1
        if self.seed is None:
            return F.dropout(x, self.probability)
        return hashed_dropout(x, self.probability, self.seed, self.site)


@torch.library.custom_op("longform_peer::onednn_product", mutates_args=())
def onednn_product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """x (N, D) times weight (E, D) transposed, plus bias, by oneDNN: F.linear calls MKL in float32."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@onednn_product.register_fake
def _(x, weight, bias):
    return x.new_empty(x.shape[0], weight.shape[0])


class OneDnnLinear(torch.autograd.Function):
    """y = x W^T + b; y and dx by oneDNN, dW by MKL, each the faster one for it."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return onednn_product(x, weight, bias)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        dx = onednn_product(gradient, weight.t(), None)
        return dx, gradient.t() @ x, gradient.sum(0) if ctx.has_bias else None


class Linear(nn.Linear):
    """F.linear, or oneDNN where the class attribute says so."""

    onednn = False

    def forward(self, x):
        if not Linear.onednn:
            return super().forward(x)
        return OneDnnLinear.apply(x.flatten(0, -2), self.weight, self.bias).unflatten(0, x.shape[:-1])


def sinusoids(window, width):
    """(window + 1, D), longest distance first: sines, then cosines."""
    frequency = 10000.0 ** (-torch.arange(0, width, 2) / width)
    angle = torch.arange(window, -1, -1.0)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv = Linear(width, 3 * width, bias=False)
        self.position = Linear(width, width, bias=False)
        self.output = Linear(width, width, bias=False)


class FeedForward(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = Linear(width, hidden)
        self.down = Linear(hidden, width)


class Layer(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, x, positions, u, w, window, block, drop):
        x = x + drop(self.attend(self.attention_norm(x), positions, u, w, window, block))
        hidden = F.gelu(self.feed_forward.up(self.feed_forward_norm(x)))
        return x + drop(self.feed_forward.down(drop(hidden)))

    def attend(self, x, positions, u, w, window, block):
        batch, tokens, width = x.shape
        heads, head_width = u.shape
        qkv = self.attention.qkv(x).view(batch, tokens, 3, heads, head_width)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        r = self.attention.position(positions).view(window + 1, heads, head_width).transpose(0, 1)
        context = blocked_relative_attention(q, k, v, r, u, w, window, block)
        return self.attention.output(context.transpose(1, 2).reshape(batch, tokens, width))


class CharLm(nn.Module):
    """loss(ids, targets) of a model whose layers all have one window; lengths must be multiples of block."""

    def __init__(self, vocabulary, width, heads, hidden, layers, window, block, dropout):
        super().__init__()
        self.window, self.block, self.dropout = window, block, dropout
        self.embedding = nn.Embedding(vocabulary, width)
        self.output_bias = nn.Parameter(torch.zeros(vocabulary))
        self.position_u = nn.Parameter(torch.empty(heads, width // heads))
        self.position_v = nn.Parameter(torch.empty(heads, width // heads))
        self.layers = nn.ModuleList(Layer(width, hidden) for _ in range(layers))
        self.register_buffer("sinusoids", sinusoids(window, width), persistent=False)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.dim() == 2:
                    parameter.normal_(0.0, 0.02)
                elif "norm.weight" in name:
                    parameter.normal_(1.0, 0.02)
                else:
                    parameter.zero_()

    def forward(self, ids, targets, seed=None):
        """Mean loss; dropout hashes the seed (int32, one element); without one it is PyTorch's own."""
        drop = Dropout(self.dropout if self.training else 0.0, seed)
        x = drop(self.embedding(ids) * math.sqrt(self.embedding.embedding_dim))
        positions = drop(self.sinusoids)
        for layer in self.layers:
            x = layer(x, positions, self.position_u, self.position_v, self.window, self.block, drop)
        logits = F.linear(drop(x), self.embedding.weight, self.output_bias)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
