"""Losses, scores and agreement of numbers against torchmetrics, scikit-image, PyTorch and cases worked by hand."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchmetrics.functional.regression import mean_absolute_error, mean_absolute_percentage_error, mean_squared_error

from incmask.base.config import Settings
from incmask.base.errors import IncmaskError
from incmask.method.blocking import admitted
from incmask.method.labels import check_classes, labels_of
from incmask.method.losses import HUBER_DELTA, loss_of, segmentation_loss, value_loss
from incmask.method.profiles import PROFILES
from incmask.method.scoring import scoring_of
from incmask.method.value_scores import MOST_DB, measure, ssim, value_table
from incmask.method.values import SpreadRule, ValueRange, mean_of_values, spread_of

SPAN = 4.0


def pair(*shape: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Give numbers from 1 to 5, and the same with noise."""
    generator = np.random.default_rng(seed)
    true = generator.uniform(1, 5, shape)
    return true + generator.normal(0, 0.5, shape), true


def test_scores_are_those_of_torchmetrics():
    said, true = pair(1, 24, 30)
    found, ours, theirs = measure(said, true, span=SPAN), torch.from_numpy(said), torch.from_numpy(true)
    assert found.squared[0] == pytest.approx(mean_squared_error(ours, theirs).item())
    assert found.absolute[0] == pytest.approx(mean_absolute_error(ours, theirs).item())
    assert found.relative[0] == pytest.approx(mean_absolute_percentage_error(ours, theirs).item())
    assert found.psnr_db[0] == pytest.approx(peak_signal_noise_ratio(ours, theirs, data_range=SPAN).item())
    _, full = structural_similarity_index_measure(ours[None], theirs[None], data_range=SPAN, return_full_image=True)
    # It mirrors what lies beyond the rim, and we look through whole windows alone.
    assert found.ssim[0] == pytest.approx(full[..., 5:-5, 5:-5].mean().item(), abs=1e-9)


def test_ssim_is_that_of_scikit_image():
    said, true = pair(40, 25, seed=3)
    theirs = structural_similarity(
        said, true, data_range=SPAN, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(said, true, span=SPAN) == pytest.approx(theirs, abs=1e-9)


def test_ssim_of_a_signal_looks_along_it():
    said, true = pair(1, 60, seed=4)
    theirs = structural_similarity(
        said[0], true[0], data_range=SPAN, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(said, true, span=SPAN) == pytest.approx(theirs, abs=1e-9)


def test_ssim_leaves_windows_with_an_unknown_pixel_out():
    said, true = pair(30, 30)
    true[0, 0] = np.nan
    whole = np.ones((20, 20), bool)
    whole[0, 0] = False
    _, full = structural_similarity(
        said, np.nan_to_num(true), data_range=SPAN, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    assert ssim(said, true, span=SPAN) == pytest.approx(full[5:-5, 5:-5][whole].mean(), abs=1e-9)


def test_pixels_without_a_true_number_count_in_no_score():
    said, true = np.array([[[1.0, 3.0, 7.0]], [[2.0, 2.0, 2.0]]]), np.array([[[1.0, 2.0, np.nan]], [[np.nan] * 3]])
    found = measure(said, true, span=SPAN)
    assert found.valid.tolist() == [2, 0]
    assert found.squared[0] == 0.5
    assert found.close[0] == 0.5
    assert np.isnan([found.squared[1], found.close[1], found.psnr_db[1], found.ssim[1]]).all()
    assert value_table(found, "depth")["rmse"] == pytest.approx(0.5**0.5)


def test_delta_is_the_share_within_a_factor():
    true = np.full((1, 1, 6), 2.0)
    said = np.array([[[2.49, 2.51, 1.61, 1.59, 0.0, -2.0]]])
    assert measure(said, true, span=1).close.tolist() == [2 / 6]


def test_no_error_has_the_highest_ratio():
    assert measure(np.ones((1, 4, 4)), np.ones((1, 4, 4)), span=1).psnr_db.tolist() == [MOST_DB]


@pytest.mark.parametrize("kind", ["l1", "l2", "huber"])
def test_losses_are_those_of_pytorch_over_pixels_that_count(kind):
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(2, 1, 3, 4, generator=generator), torch.rand(2, 3, 4, generator=generator)
    weight = torch.rand(2, 3, 4, generator=generator) > 0.4
    said, true = logits[:, 0][weight], target[weight]
    theirs = {
        "l1": torch.nn.functional.l1_loss(said, true),
        "l2": torch.nn.functional.mse_loss(said, true),
        "huber": torch.nn.functional.huber_loss(said, true, delta=HUBER_DELTA) / HUBER_DELTA,
    }[kind]
    assert value_loss(logits, target, kind=kind, weight=weight).item() == pytest.approx(theirs.item(), rel=1e-6)
    assert segmentation_loss(logits, target, task="depth", kind=kind, weight=weight).item() == pytest.approx(
        theirs.item(), rel=1e-6
    )


def test_nothing_counts_and_nothing_is_learnt():
    logits = torch.randn(1, 1, 2, 2, requires_grad=True)
    loss = value_loss(logits, torch.zeros(1, 2, 2), kind="huber", weight=torch.zeros(1, 2, 2))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_losses_refuse_what_they_do_not_know():
    with pytest.raises(IncmaskError, match="choose one of huber, l1, l2"):
        value_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2), kind="dice")
    with pytest.raises(ValueError, match="go together"):
        value_loss(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2), kind="l1")


def test_the_settings_say_which_loss():
    assert loss_of(Settings(target_loss="l2"), "denoise") == "l2"
    assert loss_of(Settings(target_loss="l2"), "binary") == "cross_entropy_dice"


def test_a_range_goes_there_and_back():
    values = np.float32([[2, 3, np.nan], [10, -4, 6]])
    found = ValueRange(2, 6)
    np.testing.assert_array_equal(found.scaled(values), np.float32([[0, 0.25, np.nan], [2, -1.5, 1]]))
    np.testing.assert_array_equal(found.undone(found.scaled(values)), values)


def test_disputed_is_what_members_differ_in_beyond_the_limit():
    members = np.zeros((2, 1, 1, 5))
    members[1] = [0, 0.02, 0.04, 0.2, 0.04]  # deviations .0, .01, .02, .1, .02 with a mean of .03
    relative = mean_of_values(members, SpreadRule(2.0, "image_mean"))
    assert relative.inconsistent.tolist() == [[[False, False, False, True, False]]]
    absolute = mean_of_values(members, SpreadRule(0.015, "range"))
    assert absolute.inconsistent.tolist() == [[[False, False, True, True, True]]]
    np.testing.assert_allclose(absolute.label, members.mean(0))
    np.testing.assert_allclose(spread_of(members)[0, 0], [0, 0.01, 0.02, 0.1, 0.02])


def test_the_limit_is_of_each_image_alone():
    members = np.zeros((2, 2, 1, 4))
    members[1, 0, 0, 0], members[1, 1, 0, :] = 0.1, 5.0
    assert mean_of_values(members, SpreadRule()).inconsistent.sum((1, 2)).tolist() == [1, 0]


def test_the_mask_is_thinned_and_widened():
    members = np.zeros((2, 1, 1, 7))
    members[1, ..., 3] = 1
    assert mean_of_values(members, SpreadRule(), dilate_px=3).inconsistent.sum() == 3
    assert mean_of_values(members, SpreadRule(), erode_px=3).inconsistent.sum() == 0


def test_a_single_member_disputes_nothing():
    assert not mean_of_values(np.ones((1, 2, 3, 3)), SpreadRule(0, "range")).inconsistent.any()


def test_scoring_is_in_the_targets_unit():
    scoring = scoring_of(Settings(), "depth", target=ValueRange(0, 8))
    said = np.float32([[[[0.25, 0.5]]]])
    assert scoring.decode(said).tolist() == [[[2, 4]]]
    assert (scoring.name, scoring.full_name, scoring.note) == ("δ<1.25", "δ<1.25", "")
    tally = scoring.tally(scoring.decode(said), np.float32([[[2, 8]]]), num_classes=1)
    assert scoring.by_image(tally).tolist() == [0.5]
    assert scoring.table(tally, ["depth"])["rmse"] == pytest.approx(8**0.5)


def test_pairs_of_numbers_are_admitted():
    labels, mask = np.zeros((2, 3, 3), np.float32), np.ones((2, 3, 3), bool)
    assert admitted(labels, mask, task="denoise", rule="label_exceeds_mask").all()


def test_what_is_for_classes_is_refused():
    assert labels_of("denoise").num_outputs(1) == 1
    with pytest.raises(IncmaskError, match="ranking: is for classes, and the targets of depth are numbers"):
        check_classes("depth", "ranking")


def test_a_profile_without_changes_of_intensity_still_turns():
    strength = PROFILES["generic"].geometry_alone().strongest
    assert strength.free_rotation
    assert (strength.max_noise, strength.contrast, strength.brightness, strength.max_blur_px) == (0, 0, 0, 0)
