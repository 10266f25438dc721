from mkiso.core.store_contexts import FALLBACK_SYNTAXES, MOST_CONTEXTS, plan_contexts

JPEG = "1.2.840.10008.1.2.4.70"


def test_a_class_is_offered_as_it_is_and_plain():
    (group,) = plan_contexts([("1.2.3", JPEG), ("1.2.3", JPEG)])
    assert group == (("1.2.3", JPEG), *(("1.2.3", syntax) for syntax in FALLBACK_SYNTAXES))


def test_no_context_is_offered_twice():
    (group,) = plan_contexts([("1.2.3", FALLBACK_SYNTAXES[0]), ("1.2.3", JPEG)])
    assert len(group) == len(set(group)) == 3


def test_all_contexts_of_a_class_are_in_one_association():
    pairs = [(f"1.2.{n}", JPEG) for n in range(100)]
    groups = plan_contexts(pairs)
    assert len(groups) == 3
    assert all(len(group) <= MOST_CONTEXTS for group in groups)
    classes = [{c for c, _ in group} for group in groups]
    assert sum(map(len, classes)) == 100


def test_nothing_needs_no_association():
    assert plan_contexts([]) == ()
