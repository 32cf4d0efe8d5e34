"""Augmentation of whole batches as tensor operations: there is no loop over pictures."""

import math

import torch
import torch.nn.functional as F

from cifar10_model import CLASSES, GRID, IMAGE_SIZE, normalise

PAD = 4


class Augment:
    """Draws a batch: crop, flip, small rotation and scaling, colour, then mixup or cutmix of some pictures."""

    def __init__(self, images, labels, args, generator):
        padded = F.pad(images.permute(0, 3, 1, 2).float(), (PAD,) * 4, mode="reflect").to(torch.uint8)
        self.images = padded.permute(0, 2, 3, 1).contiguous()
        self.labels = labels
        self.generator = generator
        self.smoothing = args.label_smoothing
        self.mix, self.mix_until = args.mix, args.mix_until

    def __call__(self, index, progress):
        """Pictures [n, 3, 32, 32] and targets [n, 10] for the pictures of index."""
        x = self.colour(self.affine(normalise(self.crop_and_flip(index))))
        targets = F.one_hot(self.labels[index], len(CLASSES)).float()
        targets = targets * (1 - self.smoothing) + self.smoothing / len(CLASSES)
        return self.mixed(x, targets) if progress < self.mix_until else (x, targets)

    def random(self, *shape):
        return torch.rand(*shape, generator=self.generator)

    def patches(self, count, keep):
        """keep random patches of each of count pictures, as indices [count, keep]."""
        return self.random(count, GRID * GRID).argsort(1)[:, :keep]

    def crop_and_flip(self, index):
        n = len(index)
        corner = torch.randint(0, 2 * PAD + 1, (2, n, 1), generator=self.generator)
        rows = corner[0] + torch.arange(IMAGE_SIZE)
        columns = corner[1] + torch.arange(IMAGE_SIZE)
        columns = torch.where(self.random(n, 1) < 0.5, columns, columns.flip(1))
        return self.images[index[:, None, None], rows[:, :, None], columns[:, None, :]]

    def affine(self, x):
        """Half of the pictures are turned by up to 15 degrees, scaled by up to 15 % and stretched by up to 10 %."""
        n = len(x)
        on = (self.random(n) < 0.5).float()
        angle = on * (self.random(n) * 2 - 1) * math.radians(15)
        scale = 1 + on * (self.random(n) * 2 - 1) * 0.15
        stretch = 1 + on * (self.random(n) * 2 - 1) * 0.10
        cos, sin, zero = angle.cos() * scale, angle.sin() * scale, torch.zeros(n)
        theta = torch.stack([cos * stretch, -sin, zero, sin * stretch, cos, zero], 1).view(n, 2, 3)
        grid = F.affine_grid(theta, x.shape, align_corners=False)
        return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)

    def colour(self, x):
        """Brightness, contrast and saturation, in units of the normalised picture."""
        n = len(x)
        shift = (self.random(n, 1, 1, 1) * 2 - 1) * 0.3
        contrast = 1 + (self.random(n, 1, 1, 1) * 2 - 1) * 0.3
        saturation = 1 + (self.random(n, 1, 1, 1) * 2 - 1) * 0.4
        grey = x.mean(1, keepdim=True)
        return (grey + (x - grey) * saturation) * contrast + shift

    def mixed(self, x, targets):
        """Blends a part of the pictures with another one (mixup) or pastes a box of the other one in (cutmix)."""
        n = len(x)
        lam = self.random(n, 1, 1)
        side = IMAGE_SIZE * (1 - lam).sqrt() / 2
        centre = self.random(2, n, 1, 1) * IMAGE_SIZE
        at = torch.arange(IMAGE_SIZE) + 0.5
        inside = ((at[:, None] - centre[0]).abs() < side) & ((at[None, :] - centre[1]).abs() < side)
        chance = self.random(n, 1, 1)
        own = torch.where(chance < self.mix / 2, lam.expand_as(inside), 1 - inside.float())
        own = torch.where(chance < self.mix, own, torch.ones_like(own))
        other = torch.randperm(n, generator=self.generator)
        share = own.mean((1, 2))[:, None]
        x = x * own[:, None] + x[other] * (1 - own[:, None])
        return x, targets * share + targets[other] * (1 - share)
