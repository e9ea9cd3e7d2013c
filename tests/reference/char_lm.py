"""The Longformer character language model in plain PyTorch, written to be read, not to be fast.

Independent of the C++ code: dense masked scores, one formula per line. Its state_dict has the names of the
project's safetensors files. Sources: arXiv 2004.05150 section 4.2 and the Transformer-XL code it builds on.
Letters in shapes: B batch, T tokens, D width, H heads, K head width (D / H), V vocabulary, R distances.
"""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional as F


@dataclasses.dataclass
class CharLmConfig:
    """Sizes of a model; windows[i] and dilations[i][h] belong to layer i (bottom first) and head h."""

    vocabulary: int
    width: int
    heads: int
    feed_forward: int
    windows: list[int]  # keys before self that a query sees, in steps of the head's dilation
    dilations: list[list[int]]  # 1: no gaps
    dropout: float = 0.0


def sinusoid_table(distances, width, dtype=torch.float64):
    """(R, D): row t holds the sines, then the cosines, of distance t times 1 / 10000^(2i / D)."""
    frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=dtype) / width)
    angle = torch.arange(distances, dtype=dtype)[:, None] * frequency[None, :]
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def window_mask(tokens, window, dilations):
    """(H, T, T) bool: query i of head h sees key j iff i - j is 0, d .. window * d, d = dilations[h]."""
    distance = torch.arange(tokens)[:, None] - torch.arange(tokens)[None, :]
    causal = distance >= 0
    return torch.stack([causal & (distance <= window * d) & (distance % d == 0) for d in dilations])


def relative_attention(q, k, v, r, u, w, mask):
    """Context (B, T, H, K) of q, k, v (B, T, H, K), r (R, H, K) by distance in tokens, biases u, w (H, K)."""
    tokens, head_width = q.shape[1], q.shape[3]
    by_content = torch.einsum("bihk,bjhk->bhij", q + u, k)
    by_every_distance = torch.einsum("bihk,rhk->bhir", q + w, r)
    distance = torch.arange(tokens)[:, None] - torch.arange(tokens)[None, :]
    index = distance.clamp(min=0).expand_as(by_content)  # negative distances are masked below
    by_distance = by_every_distance.gather(3, index)
    scores = (by_content + by_distance) / math.sqrt(head_width)
    probabilities = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
    return torch.einsum("bhij,bjhk->bihk", probabilities, v)


class Attention(nn.Module):
    def __init__(self, config, index):
        super().__init__()
        self.heads = config.heads
        self.window, self.dilations = config.windows[index], config.dilations[index]
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)  # rows: q heads, k heads, v heads
        self.position = nn.Linear(config.width, config.width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x, positions, u, w):
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).unbind(2)
        r = self.position(positions).view(tokens, self.heads, width // self.heads)
        context = relative_attention(q, k, v, r, u, w, window_mask(tokens, self.window, self.dilations))
        return self.output(context.reshape(batch, tokens, width))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.up = nn.Linear(config.width, config.feed_forward)
        self.down = nn.Linear(config.feed_forward, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x):
        return self.down(self.dropout(F.gelu(self.up(x))))


class Layer(nn.Module):
    def __init__(self, config, index):
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, eps=1e-5)
        self.attention = Attention(config, index)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=1e-5)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x, positions, u, w):
        x = x + self.dropout(self.attention(self.attention_norm(x), positions, u, w))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class CharLm(nn.Module):
    """Causal model: ids (B, T) -> logits (B, T, V). No final LayerNorm; output tied, with a bias."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        head_width = config.width // config.heads
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.output_bias = nn.Parameter(torch.zeros(config.vocabulary))
        self.position_u = nn.Parameter(torch.zeros(config.heads, head_width))  # shared by layers
        self.position_v = nn.Parameter(torch.zeros(config.heads, head_width))
        self.layers = nn.ModuleList(Layer(config, index) for index in range(len(config.windows)))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, ids):
        x = self.dropout(self.embedding(ids) * math.sqrt(self.config.width))
        positions = self.dropout(sinusoid_table(ids.shape[1], self.config.width).to(x.dtype))
        for layer in self.layers:
            x = layer(x, positions, self.position_u, self.position_v)
        return self.dropout(x) @ self.embedding.weight.T + self.output_bias

    def loss(self, ids, targets):
        """Mean cross entropy in nats over all targets (B, T)."""
        return F.cross_entropy(self(ids).flatten(0, 1), targets.flatten())


def decays(name):
    """Whether weight decay applies to the parameter: matrices do; biases, LayerNorm, u and v do not."""
    return name.endswith(".weight") and "norm" not in name


def adamw(model, learning_rate, weight_decay):
    """AdamW (betas 0.9, 0.999, eps 1e-8) with the project's two parameter groups."""
    named = list(model.named_parameters())
    groups = [
        {"params": [p for name, p in named if decays(name)], "weight_decay": weight_decay},
        {"params": [p for name, p in named if not decays(name)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.999), eps=1e-8)
