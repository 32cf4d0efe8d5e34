#!/usr/bin/env python3
"""Trains vitq's built-in model: a small plain ViT on CIFAR-10, on a CPU.

    weights/train_cifar10.py --epochs 50              train, export, measure on the test split once
    weights/train_cifar10.py --evaluate model.safetensors [--logits-out logits.safetensors]

Needs PyTorch (1.13 or later) and Pillow. The run is resumable: start the same command again and it goes on from the
last checkpoint in --work-dir. A finished run is lengthened by a second one that starts from its weights (--start-from,
with a work directory of its own); the file counts the epochs of both. With --epochs the schedule counts steps; with --finish-at HH:MM (UTC) it takes as many
steps as fit. Either way the process may be paused (SIGSTOP, SIGCONT).

The last 500 pictures of each training class are held out; everything that is chosen is chosen on them, and the test
split is read once, after the last step.
"""

import argparse
import csv
import io
import os
import time
import zipfile
from pathlib import Path

# Both must be set before torch starts: spinning threads would take the other jobs' cores, and PyTorch 1.13 does not
# use its AVX-512 kernels unless it is told to.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx512")

import numpy as np
import torch
from PIL import Image

from cifar10_augment import Augment
from cifar10_model import CLASSES, IMAGE_SIZE, MEAN, PATCH_SIZE, STD, Vit, normalise
from cifar10_optim import Ema, build_optimizers, cosine_schedule
from safetensors_io import read_safetensors, write_safetensors

ROOT = Path(__file__).resolve().parent.parent
HOLD_OUT_PER_CLASS = 500
PLAIN_STATE = ("step", "progress", "seconds")
# A step that sees every patch takes about this many times as long as one that sees half of them.
FULL_STEP_COST = 1.9
TRAINED_BY = "vitq weights/train_cifar10.py, from scratch on CIFAR-10 train, 500 pictures per class held out"


# --- data -----------------------------------------------------------------------------------------------------------


def decode_zip(path):
    """Decodes every JPEG once: {split: (uint8 [n, 32, 32, 3], int64 [n])}, sorted by class, then file name."""
    splits = {"train": ([], []), "test": ([], [])}
    with zipfile.ZipFile(path) as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".jpg")):
            split, label = name.split("/")[-3:-1]
            with Image.open(io.BytesIO(archive.read(name))) as picture:
                splits[split][0].append(np.asarray(picture.convert("RGB")))
            splits[split][1].append(CLASSES.index(label))
    return {k: (np.stack(x), np.asarray(y, dtype=np.int64)) for k, (x, y) in splits.items()}


def load_data(zip_path, work_dir):
    """The decoded splits as tensors, from the cache in work_dir if it is there."""
    cache = work_dir / "cifar10.npz"
    if not cache.exists():
        print(f"decoding {zip_path.name} ...", flush=True)
        data = decode_zip(zip_path)
        arrays = {f"{k}_{part}": v[i] for k, v in data.items() for i, part in enumerate("xy")}
        temporary = cache.with_suffix(".tmp.npz")
        np.savez(temporary, **arrays)
        temporary.replace(cache)
    with np.load(cache) as arrays:
        return {k: (torch.from_numpy(arrays[k + "_x"]), torch.from_numpy(arrays[k + "_y"])) for k in ("train", "test")}


def split_hold_out(images, labels):
    """Separates the last HOLD_OUT_PER_CLASS pictures (by file name) of each class from the rest."""
    held = torch.zeros(len(labels), dtype=torch.bool)
    for c in range(len(CLASSES)):
        held[(labels == c).nonzero()[-HOLD_OUT_PER_CLASS:, 0]] = True
    return (images[~held], labels[~held]), (images[held], labels[held])


# --- evaluation and export ------------------------------------------------------------------------------------------


@torch.no_grad()
def compute_logits(model, images, batch=250, bf16=False):
    """Logits [n, 10] of uint8 pictures [n, 32, 32, 3]."""
    model.eval()
    outputs = []
    for part in images.split(batch):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            outputs.append(model(normalise(part)).float())
    model.train()
    return torch.cat(outputs)


def accuracy(logits, labels):
    """Top-1 in percent."""
    return 100.0 * (logits.argmax(1) == labels).float().mean().item()


def metadata(model, top1, hold_out, args, epochs):
    """What vitq needs to run the file, and what a reader wants to know of it. safetensors allows strings only."""
    return {
        "format": "vitq",
        "architecture": "vit",
        "model": "vit_cifar10",
        "heads": str(model.heads),
        "patch_size": str(PATCH_SIZE),
        "image_size": str(IMAGE_SIZE),
        "mean": ",".join(f"{v:.4f}" for v in MEAN),
        "std": ",".join(f"{v:.4f}" for v in STD),
        "crop_pct": "1.0",
        "eps": "1e-06",
        "classes": ",".join(CLASSES),
        "top1": f"{top1:.2f}",
        "top1_hold_out": f"{hold_out:.2f}",
        "epochs": f"{epochs:.1f}",
        "seed": str(args.seed),
        "trained_by": TRAINED_BY,
        "license": "Apache-2.0",
    }


def model_from_file(path):
    """Rebuilds the model of a safetensors file; the sizes come from the tensors, the heads from the metadata."""
    tensors, meta = read_safetensors(path)
    depth = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blocks."))
    model = Vit(tensors["cls_token"].shape[-1], depth, int(meta["heads"]))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    return model


def evaluate_file(path, data, logits_out=None):
    """Prints and returns the float32 test accuracy of a safetensors file; optionally writes its logits [10000, 10]."""
    images, labels = data["test"]
    logits = compute_logits(model_from_file(path), images)
    top1 = accuracy(logits, labels)
    right = int((logits.argmax(1) == labels).sum())
    print(f"test: {top1:.2f} % top-1 ({right} of {len(labels)}), float32", flush=True)
    if logits_out:
        order = {"order": "sorted class directory, then sorted file name", "top1": f"{top1:.2f}"}
        write_safetensors(logits_out, {"logits": logits.numpy()}, order)
    return top1


def finish(run, data, hold_out, args):
    """Exports the averaged weights and measures them on the test split, once, in float32."""
    model = run["ema"].model
    held = accuracy(compute_logits(model, hold_out[0]), hold_out[1])
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    epochs = run["epochs_before"] + run["step"] / run["steps_per_epoch"]
    write_safetensors(args.out, tensors, metadata(model, 0.0, held, args, epochs))
    top1 = evaluate_file(args.out, data, args.logits_out)
    write_safetensors(args.out, tensors, metadata(model, top1, held, args, epochs))
    print(f"held out: {held:.2f} %; wrote {args.out.name}, {args.out.stat().st_size} bytes; done", flush=True)


# --- training -------------------------------------------------------------------------------------------------------


def train_step(model, optimizers, images, targets, patches):
    """One forward and backward pass in bfloat16 and one update; returns the loss."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images, patches)
    loss = -(targets * logits.float().log_softmax(1)).sum(1).mean()
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
    return loss.item()


def first_model(args):
    """The model before the first step, and the epochs that it has behind it: a new one, or the one of --start-from."""
    if args.start_from:
        return model_from_file(args.start_from), float(read_safetensors(args.start_from)[1]["epochs"])
    model = Vit(args.dim, args.depth, args.heads)
    model.init_local()
    return model, 0.0


def start_run(args, train_size):
    """A fresh run, or the one that the checkpoint in the work directory describes."""
    torch.manual_seed(args.seed)
    model, epochs_before = first_model(args)
    run = {
        "model": model,
        "epochs_before": epochs_before,
        "ema": Ema(model, args.ema),
        "optimizers": build_optimizers(model, args),
        "generator": torch.Generator().manual_seed(args.seed),
        "step": 0,
        "progress": 0.0,
        "seconds": 0.0,
        "steps_per_epoch": train_size // args.batch,
    }
    path = args.work_dir / "checkpoint.pt"
    if path.exists():
        saved = torch.load(path)
        model.load_state_dict(saved["model"])
        run["ema"].model.load_state_dict(saved["ema"])
        for optimizer, state in zip(run["optimizers"], saved["optimizers"]):
            optimizer.load_state_dict(state)
        run["generator"].set_state(saved["generator"])
        run.update({key: saved[key] for key in PLAIN_STATE})
        print(f"resumed at step {run['step']}", flush=True)
    return run


def save_checkpoint(run, work_dir):
    """Written beside and renamed, so that a run that is killed here leaves the previous checkpoint whole."""
    state = {
        "model": run["model"].state_dict(),
        "ema": run["ema"].model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in run["optimizers"]],
        "generator": run["generator"].get_state(),
        **{key: run[key] for key in PLAIN_STATE},
    }
    temporary = work_dir / "checkpoint.tmp"
    torch.save(state, temporary)
    temporary.replace(work_dir / "checkpoint.pt")


def choose_patches(augment, args, progress):
    """Early on the model sees a random half of the patches: twice the pictures per second, and a regulariser."""
    keep = int((IMAGE_SIZE // PATCH_SIZE) ** 2 * args.keep)
    return augment.patches(args.batch, keep) if progress < args.drop_until else None


def report_epoch(run, hold_out, losses, work_dir):
    """Measures the averaged weights on the held-out pictures; prints the line and appends it to the curve."""
    held = accuracy(compute_logits(run["ema"].model, hold_out[0], bf16=True), hold_out[1])
    loss = sum(losses) / max(1, len(losses))
    row = {
        "epoch": f"{run['step'] / run['steps_per_epoch']:.2f}",
        "progress": f"{run['progress']:.4f}",
        "train_loss": f"{loss:.4f}",
        "hold_out": f"{held:.2f}",
        "minutes": f"{run['seconds'] / 60:.1f}",
    }
    curve = work_dir / "curve.csv"
    fresh = not curve.exists()
    with curve.open("a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)
    print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def set_learning_rate(optimizers, factor):
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = optimizer.base_lr * factor


class Clock:
    """Step times: the speed to print, and training time without pauses (a paused process counts ten usual steps)."""

    def __init__(self):
        self.recent = []
        self.printed = self.saved = self.began = time.monotonic()

    def start(self):
        self.began = time.monotonic()

    def stop(self):
        self.recent = (self.recent + [time.monotonic() - self.began])[-200:]
        return min(self.recent[-1], 10 * sorted(self.recent)[len(self.recent) // 2])

    def mean(self):
        return sum(self.recent) / len(self.recent)

    def due(self, what, seconds):
        """True, and the timer called what starts anew, if it is older than that many seconds."""
        now = time.monotonic()
        if now - getattr(self, what) < seconds:
            return False
        setattr(self, what, now)
        return True


def progress_step(run, clock, args):
    """How far one step moves the schedule, which runs from 0 to 1.

    With --epochs it is a constant. With --finish-at it follows from the time left and the speed of the last steps, so
    that the learning rate reaches zero at that time whatever else the machine does; the epochs are then an outcome.
    """
    if args.finish_at is None or not clock.recent:
        return 1 / (args.epochs * run["steps_per_epoch"])
    done, step_time, left = run["progress"], clock.mean(), args.finish_at - time.time()
    if done < args.drop_until:
        cost = (args.drop_until - done) * step_time + (1 - args.drop_until) * step_time * FULL_STEP_COST
    else:
        cost = (1 - done) * step_time
    # A process that was paused past its time still gets a short end of the schedule.
    return cost / max(left, 300.0 * (1 - done), step_time)


def print_progress(run, clock, losses, args):
    steps_left = (1 - run["progress"]) / progress_step(run, clock, args)
    print(
        f"step {run['step']}, {100 * run['progress']:.1f} % done, loss {sum(losses[-100:]) / len(losses[-100:]):.3f}, "
        f"{args.batch / clock.mean():.0f} pictures/s, about {steps_left:.0f} steps and "
        f"{steps_left * clock.mean() / 60:.0f} min left",
        flush=True,
    )


def train(run, data, hold_out, args):
    """Runs the steps that are left; an epoch's order follows from the seed, so a resumed run draws the same batches."""
    augment = Augment(*data, args, run["generator"])
    per_epoch, clock, losses, order = run["steps_per_epoch"], Clock(), [], None
    while run["progress"] < 1 - 1e-9 and run["step"] != args.stop_after:
        epoch, position = divmod(run["step"], per_epoch)
        if order is None or position == 0:
            order = torch.randperm(len(data[1]), generator=torch.Generator().manual_seed(args.seed + epoch))
        clock.start()
        set_learning_rate(run["optimizers"], cosine_schedule(run["progress"], args.warmup))
        images, targets = augment(order[position * args.batch : (position + 1) * args.batch], run["progress"])
        patches = choose_patches(augment, args, run["progress"])
        losses.append(train_step(run["model"], run["optimizers"], images, targets, patches))
        run["step"] += 1
        run["progress"] += progress_step(run, clock, args)
        run["ema"].update(run["model"], run["step"])
        run["seconds"] += clock.stop()
        if clock.due("printed", 60):
            print_progress(run, clock, losses, args)
        if run["step"] % (per_epoch * args.report_epochs) == 0:
            report_epoch(run, hold_out, losses, args.work_dir)
            losses = []
        if clock.due("saved", 60 * args.checkpoint_minutes):
            save_checkpoint(run, args.work_dir)
    report_epoch(run, hold_out, losses, args.work_dir)
    save_checkpoint(run, args.work_dir)


# --- command line ---------------------------------------------------------------------------------------------------


def parse_args():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--zip", type=Path, default=ROOT.parent / "shared/assets/cifar10.zip")
    p.add_argument("--work-dir", type=Path, default=Path.home() / ".cache/vitq/train_cifar10")
    p.add_argument("--out", type=Path, default=None, help="default: WORK_DIR/vit_cifar10.safetensors")
    p.add_argument("--logits-out", type=Path, default=None)
    p.add_argument("--evaluate", type=Path, default=None, metavar="FILE", help="measure FILE and stop")
    p.add_argument("--start-from", type=Path, default=None, metavar="FILE", help="weights of an earlier run")
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("--depth", type=int, default=6)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--epochs", type=float, default=50)
    p.add_argument("--finish-at", type=next_time, default=None, metavar="HH:MM", help="UTC; as many epochs as fit")
    p.add_argument("--minutes", type=float, default=None, help="as --finish-at, from now")
    p.add_argument("--report-epochs", type=int, default=2, help="measure the held-out pictures every so many epochs")
    p.add_argument("--stop-after", type=int, default=None, help="stop after this many steps (experiments)")
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--optimizer", choices=["adamw", "muon"], default="muon")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--weight-decay", type=float, default=0.05)
    p.add_argument("--warmup", type=float, default=0.05, help="part of the steps")
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--label-smoothing", type=float, default=0.1)
    p.add_argument("--mix", type=float, default=0.3, help="part of the pictures that is mixed (mixup or cutmix)")
    p.add_argument("--mix-until", type=float, default=0.85, help="part of the run after which nothing is mixed")
    p.add_argument("--keep", type=float, default=0.5, help="part of the patches that is seen at first")
    p.add_argument("--drop-until", type=float, default=0.7, help="part of the steps that drop patches")
    p.add_argument("--checkpoint-minutes", type=float, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=20)
    return p.parse_args()


def next_time(text):
    """The next moment at which a UTC clock shows HH:MM, in seconds since the epoch."""
    hours, minutes = (int(part) for part in text.split(":"))
    now = time.time()
    return now + (hours * 3600 + minutes * 60 - now) % 86400


def main():
    args = parse_args()
    torch.set_num_threads(args.threads)
    args.work_dir.mkdir(parents=True, exist_ok=True)
    args.out = args.out or args.work_dir / "vit_cifar10.safetensors"
    data = load_data(args.zip, args.work_dir)
    if args.evaluate:
        evaluate_file(args.evaluate, data, args.logits_out)
        return
    training, hold_out = split_hold_out(*data["train"])
    if args.minutes:
        args.finish_at = time.time() + 60 * args.minutes
    run = start_run(args, len(training[1]))
    parameters = sum(p.numel() for p in run["model"].parameters())
    print(f"{parameters} parameters, {args.epochs:g} nominal epochs, {args}", flush=True)
    train(run, training, hold_out, args)
    if not args.stop_after:
        finish(run, data, hold_out, args)


if __name__ == "__main__":
    main()
