#!/usr/bin/env python3
"""Does a folder that transformers wrote answer as transformers' own pipeline does?

    python3 -m venv VENV && VENV/bin/pip install torch==2.13.0 transformers==5.24.0 pillow==12.3.0 numpy==2.4.6
    VENV/bin/python tests/transformers_agreement.py build/release/vitq

Small models of random weights and their image processors go through save_pretrained into folders. `vitq run` and `vitq
embed` open the folders and pictures of several shapes; transformers opens the same. Labels must be the same in the same
order, probabilities and embeddings equal to a tolerance. The last test spoils folders and must see it.

The image processors are those that resize with Pillow (backend "pil"): the others resize with torchvision and differ in
some bytes. Pillow is older than 13, which shrinks tall pictures in another order of its passes (docs/models.md).
Where any of these is missing, the first line says "SKIPPED: " and why.
"""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

os.environ["HF_HUB_OFFLINE"] = "1"

try:
    import numpy
    import PIL
    import torch
    import transformers
    from PIL import ExifTags, Image
    from transformers.image_utils import load_image
except ImportError as error:
    print(f"SKIPPED: {error}")
    sys.exit(0)
if int(transformers.__version__.split(".")[0]) < 5:
    print(f"SKIPPED: transformers is {transformers.__version__}, expected 5 or newer, which can be asked for Pillow")
    sys.exit(0)
if int(PIL.__version__.split(".")[0]) >= 13:
    print(f"SKIPPED: Pillow is {PIL.__version__}, expected one older than 13")
    sys.exit(0)

TOLERANCE = 2e-5  # of a probability; of an embedding, in standard deviations of all
LAST_DIGIT = 5e-7  # half of what `vitq run --json` rounds probabilities to

LABELS = ["cat", "dog", "a bird, of any kind", "Fisch", "chênè", "cow", "pig", "hen", "fox", "owl", "elk", "ant"]
CLASSES = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
BLOCKS = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VIT = BLOCKS | {"intermediate_size": 128, "image_size": 64, "patch_size": 16}
# Its pictures are smaller than it says, and positions are resampled.
DINOV2 = BLOCKS | {"mlp_ratio": 2, "image_size": 98, "patch_size": 14}
SWIN = {"image_size": 64, "patch_size": 4, "embed_dim": 32, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4}
TEXT = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def square(side):
    return {"height": side, "width": side}


def model_of(kind, **config):
    """A model of the class `kind`, of its configuration's class with these values."""
    made = getattr(transformers, kind)
    return made(made.config_class(**config))


def processor_of(kind, **values):
    return getattr(transformers, kind + "ImageProcessorPil")(**values)


def bit(**crop):
    return processor_of("Bit", size={"shortest_edge": 90}, crop_size=crop, **IMAGENET)


def clip():
    return processor_of("CLIP", size={"shortest_edge": 64}, crop_size=square(64))


# Name: the model and its image processor.
CLASSIFIERS = {
    "ViT": lambda: (model_of("ViTForImageClassification", **VIT, **CLASSES), processor_of("ViT", size=square(64))),
    "ViT of unnamed classes": lambda: (
        model_of("ViTForImageClassification", **VIT, num_labels=3),
        processor_of("ViT", size=square(64)),
    ),
    "ViT of two unnamed classes": lambda: (
        model_of("ViTForImageClassification", **VIT),
        processor_of("ViT", size=square(64), do_normalize=False),
    ),
    "ViT of wide pictures": lambda: (
        model_of("ViTForImageClassification", **VIT | {"image_size": [48, 80]}, **CLASSES),
        processor_of("ViT", size={"height": 48, "width": 80}),
    ),
    "DeiT": lambda: (
        model_of("DeiTForImageClassification", **VIT, **CLASSES),
        processor_of("DeiT", size=square(73), crop_size=square(64)),
    ),
    "Dinov2": lambda: (model_of("Dinov2ForImageClassification", **DINOV2, **CLASSES), bit(height=70, width=70)),
    "Dinov2 of pictures as they are": lambda: (
        model_of("Dinov2ForImageClassification", **DINOV2, **CLASSES),
        processor_of("Bit", do_resize=False, crop_size=square(28), **IMAGENET),
    ),
    "Dinov2WithRegisters": lambda: (
        model_of("Dinov2WithRegistersForImageClassification", **DINOV2, **CLASSES),
        bit(height=70, width=70),
    ),
    "Siglip": lambda: (
        model_of("SiglipForImageClassification", text_config=TEXT, vision_config=VIT, **CLASSES),
        processor_of("Siglip", size=square(64)),
    ),
    "Beit": lambda: (
        model_of("BeitForImageClassification", **VIT, **CLASSES, use_relative_position_bias=True),
        processor_of("Beit", size=square(72), crop_size=square(64), do_center_crop=True),
    ),
    "Swin": lambda: (
        model_of("SwinForImageClassification", **SWIN, **CLASSES),
        processor_of("ViT", size=square(64), resample=3, **IMAGENET),
    ),
    "Swinv2": lambda: (
        model_of("Swinv2ForImageClassification", **SWIN, **CLASSES, pretrained_window_sizes=[8, 4]),
        processor_of("ViT", size=square(64), resample=3, **IMAGENET),
    ),
}
FEATURES = {
    "ViTModel": lambda: (model_of("ViTModel", **VIT), processor_of("ViT", size=square(64))),
    "Dinov2Model": lambda: (model_of("Dinov2Model", **DINOV2), bit(height=70, width=70)),
    "Dinov2Model of wide pictures": lambda: (model_of("Dinov2Model", **DINOV2), bit(height=56, width=84)),
    "Dinov2WithRegistersModel": lambda: (
        model_of("Dinov2WithRegistersModel", **DINOV2, num_register_tokens=3),
        bit(height=70, width=70),
    ),
    "CLIPModel": lambda: (model_of("CLIPModel", text_config=TEXT, vision_config=VIT, projection_dim=48), clip()),
    "CLIPVisionModel": lambda: (model_of("CLIPVisionModel", **VIT), clip()),
    "CLIPVisionModelWithProjection": lambda: (
        model_of("CLIPVisionModelWithProjection", **VIT, projection_dim=48),
        clip(),
    ),
    "SiglipModel": lambda: (
        model_of("SiglipModel", text_config=TEXT | {"projection_size": 64}, vision_config=VIT),
        processor_of("Siglip", size=square(64)),
    ),
    "SiglipVisionModel": lambda: (model_of("SiglipVisionModel", **VIT), processor_of("Siglip", size=square(64))),
}


def seed(model):
    """Weights that let every part show: those that transformers starts with (0.02) leave the logits almost equal."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape)
            if value.dim() == 0:
                continue  # the temperature of CLIP's texts
            if "position" in name or "token" in name or "probe" in name or name.endswith("class_embedding"):
                value.copy_(0.5 * noise)
            elif value.dim() >= 2:
                spread = 3 if name.startswith("classifier") else 1
                value.copy_(spread * noise / value[0].numel() ** 0.5)
            else:
                is_bias = name.endswith("bias") or "logit_scale" in name
                value.copy_(0.1 * noise if is_bias else 1 + 0.1 * noise)
    return model.eval()


def write_checkpoint(folder, make, **how):
    model, processor = make()
    seed(model).save_pretrained(folder, **how)
    processor.save_pretrained(folder)


def write_pictures(folder):
    """Waves under noise, as pictures of several shapes and kinds."""
    folder.mkdir()
    generator = numpy.random.default_rng(0)

    def picture(width, height, bands):
        across, down = numpy.meshgrid(numpy.linspace(0, 6, width), numpy.linspace(0, 4, height))
        waves = [numpy.sin(across * (1 + band) + band) + numpy.cos(down * (2 - band)) for band in range(bands)]
        values = 128 + 50 * numpy.stack(waves, -1) + generator.normal(0, 8, (height, width, bands))
        return Image.fromarray(values.clip(0, 255).astype(numpy.uint8).squeeze())

    picture(211, 120, 3).save(folder / "landscape.png")
    picture(97, 260, 3).save(folder / "portrait.png")
    picture(45, 37, 3).save(folder / "small.png")
    picture(130, 131, 1).save(folder / "gray.png")
    picture(130, 101, 4).save(folder / "transparent.png")
    picture(110, 111, 3).quantize(32).save(folder / "palette.png")
    picture(180, 150, 3).save(folder / "photograph.jpg", quality=92)
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    picture(180, 120, 3).save(folder / "turned.jpg", exif=turned)
    return sorted(folder.iterdir())


class Disagreement(AssertionError):
    pass


def agree_on_classes(found, expected):
    """Both: for each picture its [(label, probability)], best first. Returns the largest relative difference."""
    largest = 0
    for picture, classes in expected.items():
        labels = [[label for label, _ in one] for one in (found[picture], classes)]
        if labels[0] != labels[1]:
            raise Disagreement(f"{picture}: labels are {labels[0]}, transformers has {labels[1]}")
        for (label, probability), (_, wanted) in zip(found[picture], classes):
            if not abs(probability - wanted) <= TOLERANCE * wanted + LAST_DIGIT:
                raise Disagreement(f"{picture}, {label}: probability is {probability}, transformers has {wanted}")
            largest = max(largest, (abs(probability - wanted) - LAST_DIGIT) / wanted)
    return largest


def agree_on_values(found, expected):
    """Both: an array of the same shape, a row for each picture. Returns the largest difference."""
    if found.shape != expected.shape:
        raise Disagreement(f"shape is {found.shape}, transformers has {expected.shape}")
    difference = numpy.abs(found - expected).max() / expected.std()
    if not difference <= TOLERANCE:
        raise Disagreement(f"largest difference is {difference:.2g} standard deviations, expected at most {TOLERANCE}")
    return difference


class TransformersAgreement(unittest.TestCase):
    vitq = ""

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        cls.pictures = write_pictures(cls.folder / "pictures")

    def checkpoint(self, name, make):
        folder = self.folder / name
        if not folder.exists():
            write_checkpoint(folder, make)
        return folder

    def ask(self, *words):
        """What the program prints. It may warn of tensors that it leaves behind, and of nothing else: no guess."""
        result = subprocess.run([self.vitq, *map(str, words)], capture_output=True, text=True)
        warnings = [line for line in result.stderr.splitlines() if "left behind, as no part of the model" not in line]
        self.assertEqual((result.returncode, warnings), (0, []))
        return result.stdout

    def classes_of(self, folder, count=len(LABELS)):
        lines = self.ask("run", self.pictures[0].parent, "--model", folder, "--json", "--topk", count).splitlines()
        answers = [json.loads(line) for line in lines]
        return {
            pathlib.Path(answer["image"]).name: [(top["name"], top["probability"]) for top in answer["top"]]
            for answer in answers
        }

    def embedding_of(self, folder, *options):
        out = self.folder / "embeddings.npy"
        self.ask("embed", self.pictures[0].parent, "--model", folder, "--out", out, "--force", *options)
        with open(out.with_suffix(".csv"), newline="") as listing:
            names = [pathlib.Path(row["file"]).name for row in csv.DictReader(listing)]
        self.assertEqual(names, [picture.name for picture in self.pictures])
        return numpy.load(out)

    def pipeline(self, task, folder, model=None):
        processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
        return transformers.pipeline(task, model=model or str(folder), image_processor=processor, device="cpu")

    def classes_of_transformers(self, folder, count=len(LABELS)):
        classify = self.pipeline("image-classification", folder)
        return {
            picture.name: [(top["label"], top["score"]) for top in classify(str(picture), top_k=count)]
            for picture in self.pictures
        }

    def features_of_transformers(self, folder, **options):
        extract = self.pipeline("image-feature-extraction", folder)
        return numpy.concatenate([extract(str(picture), return_tensors=True, **options) for picture in self.pictures])

    def images_of_transformers(self, folder, answer):
        """Of models that the pipeline does not run by their pictures alone: answer(model, pixels)."""
        kind = json.loads((folder / "config.json").read_text())["architectures"][0]
        model = getattr(transformers, kind).from_pretrained(folder).eval()
        processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
        pixels = [processor(load_image(str(one)), return_tensors="pt") for one in self.pictures]
        with torch.no_grad():
            return torch.cat([answer(model, one) for one in pixels]).numpy()

    def test_classifiers(self):
        for name, make in CLASSIFIERS.items():
            with self.subTest(name):
                folder = self.checkpoint(name, make)
                difference = agree_on_classes(self.classes_of(folder), self.classes_of_transformers(folder))
                print(f"{name}: probabilities, largest relative difference {difference:.2g}")

    def test_parts(self):
        folder = self.folder / "in parts"
        write_checkpoint(folder, CLASSIFIERS["Dinov2"], max_shard_size="100KB")
        self.assertTrue((folder / "model.safetensors.index.json").exists())
        agree_on_classes(self.classes_of(folder), self.classes_of_transformers(folder))

    def test_tokens(self):
        for name in ("ViTModel", "Dinov2Model", "Dinov2Model of wide pictures", "Dinov2WithRegistersModel",
                     "SiglipVisionModel"):
            with self.subTest(name):
                folder = self.checkpoint(name, FEATURES[name])
                found = self.embedding_of(folder, "--tokens", "all")
                difference = agree_on_values(found, self.features_of_transformers(folder))
                print(f"{name}: tokens, largest difference {difference:.2g} standard deviations")

    def test_pooled(self):
        for name in ("Dinov2Model", "Dinov2Model of wide pictures", "Dinov2WithRegistersModel", "CLIPVisionModel",
                     "SiglipVisionModel"):
            with self.subTest(name):
                folder = self.checkpoint(name, FEATURES[name])
                expected = self.features_of_transformers(folder, pool=True)
                difference = agree_on_values(self.embedding_of(folder), expected)
                print(f"{name}: pooled, largest difference {difference:.2g} standard deviations")

    def test_image_features(self):
        answers = {
            "CLIPModel": lambda model, pixels: model.get_image_features(**pixels).pooler_output,
            "CLIPVisionModelWithProjection": lambda model, pixels: model(**pixels).image_embeds,
            "SiglipModel": lambda model, pixels: model.get_image_features(**pixels).pooler_output,
        }
        for name, answer in answers.items():
            with self.subTest(name):
                folder = self.checkpoint(name, FEATURES[name])
                difference = agree_on_values(self.embedding_of(folder), self.images_of_transformers(folder, answer))
                print(f"{name}: image features, largest difference {difference:.2g} standard deviations")

    def spoiled(self, folder, file, change):
        """A copy of the folder whose file says what is in `change` instead."""
        copy = self.folder / "spoiled"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        says = json.loads((copy / file).read_text())
        (copy / file).write_text(json.dumps(says | change))
        return copy

    def test_what_is_spoiled_is_seen(self):
        classifier = self.checkpoint("ViT", CLASSIFIERS["ViT"])
        classes = self.classes_of_transformers(classifier)
        for file, change in (
            ("config.json", {"id2label": dict(enumerate(LABELS[:3] + ["sole"] + LABELS[4:]))}),
            ("config.json", {"num_attention_heads": 8}),
            ("config.json", {"hidden_act": "gelu_new"}),
            ("preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.502]}),
            ("preprocessor_config.json", {"resample": 3}),
        ):
            folder = self.spoiled(classifier, file, change)
            with self.subTest(change), self.assertRaises(Disagreement):
                agree_on_classes(self.classes_of(folder), classes)
        extractor = self.checkpoint("Dinov2Model", FEATURES["Dinov2Model"])
        tokens = self.features_of_transformers(extractor)
        with self.subTest("positions resampled as timm does it"), self.assertRaises(Disagreement):
            agree_on_values(self.embedding_of(extractor, "--tokens", "all", "--position-filter", "antialiased"), tokens)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: tests/transformers_agreement.py VITQ [OPTIONS of unittest]")
    TransformersAgreement.vitq = str(pathlib.Path(sys.argv.pop(1)).resolve())
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, Pillow {PIL.__version__}")
    unittest.main()
