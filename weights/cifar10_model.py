"""The built-in model: a plain pre-norm ViT with timm's tensor names, for 32x32 pictures."""

import math

import torch
import torch.nn.functional as F
from torch import nn

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
IMAGE_SIZE = 32
PATCH_SIZE = 4
GRID = IMAGE_SIZE // PATCH_SIZE
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)

# Neighbours, as (rows, columns) in patches, that the four heads of a block look at before training: the cross, the
# diagonals, the cross at distance two.
CROSS = [(0, 1), (0, -1), (1, 0), (-1, 0)]
DIAGONAL = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
WIDE = [(0, 2), (0, -2), (2, 0), (-2, 0)]
NEIGHBOURS = [CROSS, DIAGONAL, WIDE]


def normalise(images):
    """uint8 [n, 32, 32, 3] -> float32 [n, 3, 32, 32], each channel less its mean, over its deviation."""
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    return (images.float().div(255.0).sub(mean).div(std)).permute(0, 3, 1, 2).contiguous()


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        batch, tokens, dim = x.shape
        head_dim = dim // self.heads
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q * head_dim**-0.5) @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, dim))


class Mlp(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH_SIZE, PATCH_SIZE)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Vit(nn.Module):
    """[n, 3, 32, 32] -> logits [n, 10]; with keep, each picture is seen through that many random patches only."""

    def __init__(self, dim, depth, heads):
        super().__init__()
        self.heads = heads
        self.patch_embed = PatchEmbed(dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID * GRID, dim))
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, len(CLASSES))

    def forward(self, images, patches=None):
        x = self.patch_embed(images) + self.pos_embed[:, 1:]
        if patches is not None:
            x = x.gather(1, patches[:, :, None].expand(-1, -1, x.shape[2]))
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([cls, x], 1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])

    @torch.no_grad()
    def init_local(self, strength=3.0):
        """Starts the network as something like a convolution: head h of block i looks at one neighbour of each patch.

        A ViT that must first find out that neighbouring patches belong together needs hundreds of epochs on 45,000
        pictures. So the first head_dim channels of pos_embed hold sines and cosines of the row and column, which the
        patches leave free, and q and k of each head are set so that their product is a sum of cosines of (position +
        offset - other position): large where the other patch is the neighbour, near zero elsewhere. Everything stays
        trainable.
        """
        dim = self.cls_token.shape[-1]
        head_dim = dim // self.heads
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.normal_(self.pos_embed, std=0.02)
        nn.init.zeros_(self.head.weight)
        self.patch_embed.proj.weight[:head_dim] = 0
        self.patch_embed.proj.bias.zero_()
        frequencies = 2 * math.pi * (torch.arange(head_dim // 4) + 0.5) / (2 * GRID)
        self.pos_embed[0, 1:, :head_dim] = position_waves(frequencies)
        # LayerNorm scales a stream of about 0.6 to 1; so the score of the right row (or column) becomes strength.
        scale = 0.62 * math.sqrt(strength * math.sqrt(head_dim) / (head_dim // 4))
        for i, block in enumerate(self.blocks):
            qkv = block.attn.qkv.weight.view(3, self.heads, head_dim, dim)
            qkv[:2].normal_(std=0.02)
            block.attn.proj.weight.mul_(0.5)
            block.mlp.fc2.weight.mul_(0.5)
            for h in range(self.heads):
                neighbours = NEIGHBOURS[i % len(NEIGHBOURS)]
                shift = position_shift(frequencies, *neighbours[h % len(neighbours)])
                qkv[0, h, :, :head_dim] += scale * shift
                qkv[1, h, :, :head_dim] += scale * torch.eye(head_dim)


def position_waves(frequencies):
    """[64, 4 * frequencies]: cos and sin of the row, then of the column, of each patch of the grid."""
    rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    parts = []
    for position in (rows, columns):
        angle = position.reshape(-1, 1) * frequencies
        parts += [angle.cos(), angle.sin()]
    return torch.cat(parts, 1)


def position_shift(frequencies, rows, columns):
    """The rotations that turn position_waves of a patch into those of the patch (rows, columns) away."""
    n = len(frequencies)
    shift = torch.zeros(4 * n, 4 * n)
    index = torch.arange(n)
    for start, offset in ((0, rows), (2 * n, columns)):
        cos, sin = (frequencies * offset).cos(), (frequencies * offset).sin()
        shift[start + index, start + index] = cos
        shift[start + index, start + n + index] = -sin
        shift[start + n + index, start + index] = sin
        shift[start + n + index, start + n + index] = cos
    return shift
