"""Predict an 8-bit image with an exported model and without incmask, by onnxruntime, numpy and Pillow alone.

incmask export RUN --to onnx -o model.onnx
python examples/predict_with_onnxruntime.py model.onnx photo.jpg mask.png disagreement.png
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model_file, image_file, mask_file, disagreement_file = sys.argv[1:]
session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
image = ImageOps.exif_transpose(Image.open(image_file)).convert({"1": "L", "3": "RGB"}[about["channels"]])
pixels = np.asarray(image).reshape(1, image.height, image.width, -1)
label, disagreement = session.run(["label", "disagreement"], {"image": pixels})
if about["task"] == "multilabel":  # 0/1 for each class: show the first
    label = label[..., 0]
num_ids = len(json.loads(about["classes"])) if about["task"] == "multiclass" else 2
Image.fromarray(label[0] * np.uint8(255 // (num_ids - 1))).save(mask_file)
Image.fromarray(np.uint8(255 * disagreement[0])).save(disagreement_file)
