"""Optimizer, learning-rate schedule and weight averaging of the CIFAR-10 run."""

import copy
import math

import torch


def cosine_schedule(progress, warmup):
    """Factor of the learning rate: linear from 0 to 1 in the warm-up, then half a cosine down to 0."""
    if progress < warmup:
        return (progress + 1e-4) / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


class Ema:
    """A running average of the weights; the decay grows with the steps so that the start is soon forgotten."""

    def __init__(self, model, decay):
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model, step):
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged, current = list(self.model.parameters()), list(model.parameters())
        torch._foreach_mul_(averaged, decay)
        torch._foreach_add_(averaged, [p.detach() for p in current], alpha=1 - decay)


def orthogonalise(matrices, steps=5):
    """Newton-Schulz iteration: [n, a, b] with a <= b towards the nearest (semi-)orthogonal matrices, in bfloat16."""
    x = matrices.bfloat16()
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(steps):
        a = x @ x.transpose(1, 2)
        b = -4.7750 * a + 2.0315 * (a @ a)
        x = 3.4445 * x + b @ x
    return x.float()


class Muon(torch.optim.Optimizer):
    """Muon (K. Jordan, 2024): momentum, orthogonalised, for weight matrices; in short runs it beats Adam.

    The update is scaled to the size of Adam's (Moonlight, 2025), so that both share a learning rate and a weight decay.
    qkv counts as three matrices.
    """

    def __init__(self, params, lr, weight_decay, momentum=0.95):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for p in group["params"]:
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                buffer.mul_(group["momentum"]).add_(p.grad)
                nesterov = p.grad + group["momentum"] * buffer
                rows, columns = p.shape
                square = columns if rows == 3 * columns else rows
                for target, update in zip(p.split(square), nesterov.split(square)):
                    by_shape.setdefault(target.shape, []).append((target, update))
            for (rows, columns), pairs in by_shape.items():
                tall = rows > columns
                stack = torch.stack([update.t() if tall else update for _, update in pairs])
                size = -group["lr"] * 0.2 * math.sqrt(max(rows, columns))
                for (target, _), update in zip(pairs, orthogonalise(stack)):
                    target.mul_(1 - group["lr"] * group["weight_decay"])
                    target.add_(update.t() if tall else update, alpha=size)


def build_optimizers(model, args):
    """Weight decay for matrices only. Muon, if chosen, takes the blocks' matrices; AdamW takes all that is left."""
    named = list(model.named_parameters())
    matrices = [p for n, p in named if n.startswith("blocks.") and p.ndim == 2]
    rest = [p for n, p in named if not (n.startswith("blocks.") and p.ndim == 2)]
    decayed = [p for n, p in named if n in ("head.weight", "patch_embed.proj.weight")]
    plain = [p for p in rest if all(p is not q for q in decayed)]
    optimizers = []
    if args.optimizer == "muon":
        optimizers.append(Muon(matrices, args.lr, args.weight_decay))
    else:
        decayed = decayed + matrices
    groups = [{"params": decayed, "weight_decay": args.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizers.append(torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98), foreach=True))
    for optimizer in optimizers:
        optimizer.base_lr = args.lr
    return optimizers
