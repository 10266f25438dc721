import pytest
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

from mkiso.core.contexts import REFUSED_TRANSFER_SYNTAXES
from mkiso.core.get_contexts import CLASSES_OF_MODALITY, MOST_CONTEXTS, SYNTAXES, plan_contexts

CT, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
KNOWN = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}


@pytest.mark.parametrize("modality", CLASSES_OF_MODALITY)
def test_every_class_of_the_table_is_a_storage_class(modality):
    for end in CLASSES_OF_MODALITY[modality]:
        assert f"1.2.840.10008.5.1.4.1.1.{end}" in KNOWN


def test_every_transfer_syntax_but_the_refused_and_the_streams_is_offered():
    streams = {s for s in ALL_TRANSFER_SYNTAXES if s.startswith("1.2.840.10008.1.2.7")}
    fragmentable = {s for s in ALL_TRANSFER_SYNTAXES if s.endswith(".1") and ".4.10" in s}
    expected = set(ALL_TRANSFER_SYNTAXES) - REFUSED_TRANSFER_SYNTAXES - streams - fragmentable
    assert set(SYNTAXES) == expected


def test_a_few_classes_fit_one_association_in_every_syntax():
    (group,) = plan_contexts([CT, SR])
    assert {syntax for c, syntax in group if c == CT} == set(SYNTAXES)


def test_no_compressed_syntax_is_offered_for_what_has_no_pixels():
    (group,) = plan_contexts([SR, "1.2.840.10008.5.1.4.1.1.481.5"])
    assert {syntax for _, syntax in group} == {EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.2"}


@pytest.mark.parametrize(
    "sop_class_uid", ["1.3.12.2.1107.5.9.1", CT, "1.2.840.10008.5.1.4.1.1.66.4"]
)
def test_what_may_have_pixels_is_offered_compressed(sop_class_uid):
    (group,) = plan_contexts([sop_class_uid])
    assert (sop_class_uid, "1.2.840.10008.1.2.4.70") in group


def test_many_classes_share_out_over_associations_the_usual_syntaxes_first():
    classes = [f"1.2.3.{n}" for n in range(60)]
    groups = plan_contexts(classes)
    assert all(len(group) <= MOST_CONTEXTS for group in groups)
    assert {(c, s) for c in classes for s in (EXPLICIT, IMPLICIT)} <= set(groups[0])
    pairs = [pair for group in groups for pair in group]
    assert len(pairs) == len(set(pairs)) == 60 * len(SYNTAXES)


def test_without_classes_those_of_the_modalities_are_offered():
    (group, *_) = plan_contexts([], ["CT", "SR"])
    offered = {sop_class_uid for sop_class_uid, _ in group}
    assert {CT, SR, "1.2.840.10008.5.1.4.1.1.7"} <= offered
    assert "1.2.840.10008.5.1.4.1.1.4" not in offered


@pytest.mark.parametrize("modalities", [[], ["XYZ"], [""]])
def test_without_any_hint_everything_of_the_table_is_offered(modalities):
    groups = plan_contexts([], modalities)
    offered = {sop_class_uid for group in groups for sop_class_uid, _ in group}
    assert len(offered) > 80


def test_what_is_no_uid_is_not_offered():
    (group,) = plan_contexts([CT, "CT Image Storage", ""])
    assert {sop_class_uid for sop_class_uid, _ in group} == {CT}
