"""Citations: what counts as one, what holds, and what is decided where there is nothing to hold it against."""

import pytest

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import Example, Response
from insideLLMs.probes.citations import CitationsProbe

TEXTS = [
    "Returns are accepted within 14 days of delivery — no later.",
    "The item must be unused and in its “original box”. Refunds take five working\ndays.",
]
BY_ID = {"it-7": "Open the portal and choose 'Replace token'.", "returns.md": TEXTS[0]}
OBJECTS = [{"id": "a1", "title": "Returns", "text": TEXTS[0]}, {"id": 7, "title": "Boxes", "text": TEXTS[1]}]
EXAMPLE = Example(id="q", input="?")


def scored(answer, sources=TEXTS, **args):
    return CitationsProbe(context="sources", **args).score(EXAMPLE, Response(text=answer, kept={"sources": sources}))


@pytest.mark.parametrize(
    "answer",
    [
        'It says "within 14 days of delivery".',
        'It says "Within 14 days of delivery."',
        "It says “within  14\u00a0days of delivery”",
        'It says "delivery - no later".',
        'It says "Returns are accepted … of delivery".',
        'It says "[r]eturns are accepted [...] no later".',
        'It says "unused and in its \'original box\'".',
        "Es heißt „refunds take five working days“.",
        "> Refunds take five\n> working days. [2]\n\nThat is it.",
        "Fourteen days [1], unused [2].",
        "Fourteen days [Source 1], unused [doc: 2].",
        'It says "within 14 days\nof delivery".',
        'It is 5" wide.\n\nIt says "within 14 days of delivery".',
        "Es heißt »refunds take five working days«.",
        "Fourteen days【1】 and a box【2†source】.",
        "All of it [1-2], [1, 2], [^1].",
        'See `"not a real quote here"` and [1].',
        "Prices [are](https://x.test) a link, [1] is a marker; \"ok\" is too short.",
    ],
)  # fmt: skip
def test_what_is_cited_rightly_holds(answer):
    scores = scored(answer)
    assert scores.passed, scores.explanation
    assert scores.values["held"] == 1.0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('It says "within 30 days of delivery".', "stands in no source"),
        ('It says "accepted within 14 days of deliver".', "stands in no source"),
        ('It says "no later ... Returns are accepted".', "stands in no source"),
        ('"within 14 days of delivery and in its original box"', "stands in no source"),
        ("Fourteen days [3].", "'[3]' names no source"),
        ("Fourteen days [Source 3], unused [1].", "'[Source 3]' names no source"),
        ('It says "within 30 days\nof delivery" [1].', "stands in no source"),
        ("Es heißt »within 30 days of delivery« [1].", "stands in no source"),
        ('Es heißt „within 30 days of delivery" [1].', "stands in no source"),
        ('It says “within 30 days of delivery" [1].', "stands in no source"),
        ('It says "... days ...".', "the answer cites nothing"),
        ("Fourteen days [0].", "'[0]' names no source"),
        ("Fourteen days [1-3].", "'[1-3]' names no source"),
        ("Fourteen days 【4†source】.", "names no source"),
        ("Fourteen days.", "the answer cites nothing"),
        ("```\n[1]\n```", "the answer cites nothing"),
        ('He said "..." and left.', "the answer cites nothing"),
    ],
)
def test_what_is_cited_wrongly_is_named(answer, why):
    scores = scored(answer)
    assert (scores.passed, why in scores.explanation) == (False, True), scores.explanation


@pytest.mark.parametrize(
    ("sources", "answer", "passed"),
    [
        (BY_ID, "Use the portal [it-7].", True),
        (BY_ID, "Use the portal [it-8].", False),
        (BY_ID, "Fourteen days [returns.md; it-7] and [sic] more.", True),
        (OBJECTS, "Fourteen days [A1], the box [7] or [2] or [Boxes].", True),
        (OBJECTS, "Fourteen days [a2].", False),
        (TEXTS[0], 'One text: "14 days of delivery" [1].', True),
        ({"title": "Returns", "text": TEXTS[0]}, "One object [1].", True),
        ([{"page_content": TEXTS[0], "metadata": {"source": "x"}}], '"accepted within 14 days" [1]', True),
    ],
)
def test_sources_may_be_texts_objects_or_a_mapping_by_id(sources, answer, passed):
    scores = scored(answer, sources)
    assert scores.passed is passed, scores.explanation


@pytest.mark.parametrize("sources", [[], "", [" "], None, {}, [{"id": "a", "text": " ", "url": "x.test"}]])
def test_without_sources_nothing_passes(sources):
    assert not scored("Fourteen days [1].", sources).passed
    assert not scored("Fourteen days.", sources).passed
    assert not CitationsProbe(context="sources").score(EXAMPLE, Response(text="So [1].")).passed


def test_each_citation_is_listed_with_what_is_wrong_with_it():
    listed = scored('"within 14 days of delivery" [2], [9]').details["checks"]
    assert [(one["check"], one["held"], one["why"]) for one in listed] == [
        ("within 14 days of delivery", True, ""), ("[2]", True, ""), ("[9]", False, "names no source"),
    ]  # fmt: skip


def test_citing_may_be_optional_and_then_what_is_cited_must_still_hold():
    assert scored("I found nothing about that.", optional=True).passed
    assert scored("I found nothing about that.", [], optional=True).passed
    assert not scored("It is so [9].", optional=True).passed


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ("Fourteen days it is [1]. The box is needed [2].", True),
        ("Fourteen days it is. [1] The box is needed.【2】", True),
        ("Fourteen days it is [1]. The box is needed.", False),
        ("# Returns here\nKnown:\n- Fourteen days it is [1]\n- The box is needed [2]\n\nAnything else?", True),
        ("- Fourteen days it is [1]\n- The box is needed", False),
        ("Fourteen days it is [1]. I found nothing about boxes. The sources do not say more.", True),
        ("It takes 14 days, e.g. for books by Dr. Who [1].", True),
    ],
)  # fmt: skip
def test_every_sentence_that_claims_something_can_need_a_marker(answer, passed):
    scores = scored(answer, each_sentence=True)
    assert scores.passed is passed, scores.explanation


@pytest.mark.parametrize(
    ("answer", "args", "passed"),
    [
        ('It is "never mind" [1].', {}, True),
        ('It is "not any more" [1].', {}, False),
        ('It is "never mind" [1].', {"min_words": 2}, False),
        ("Fourteen days [1]. Good luck!", {"each_sentence": True}, True),
        ("Fourteen days [1]. It never rains.", {"each_sentence": True}, False),
    ],
)
def test_a_few_words_quote_and_claim_nothing(answer, args, passed):
    assert scored(answer, **args).passed is passed


def test_a_range_of_markers_names_what_lies_within_it_too():
    assert scored("All of it [1-2].").passed
    assert not scored("All of it [1-3].", {"1": TEXTS[0], "3": TEXTS[1]}).passed


def test_each_kind_can_be_required_or_ignored():
    assert not scored("So it is [1].", quotes="required").passed
    assert not scored('"within 14 days of delivery"', markers="required").passed
    assert scored('"made up by nobody else" [1]', quotes="ignored").passed
    assert not scored('"made up"', min_words=2).passed
    assert not scored('"WITHIN 14 days of delivery"', ignore_case=False).passed


def test_the_examples_own_context_serves_where_no_part_is_named():
    example = Example(id="q", input="?", fields={"context": TEXTS})
    assert CitationsProbe().score(example, Response(text="So it is [2].")).passed
    assert CitationsProbe().check_example(example) is None
    assert CitationsProbe().check_example(EXAMPLE).startswith("no sources;")


@pytest.mark.parametrize(
    ("args", "why"),
    [({"quotes": "require"}, "did you mean 'required'"), ({"quotes": "ignored", "markers": "ignored"}, "markers"),
     ({"min_words": 0}, "from 1 on"), ({"context": ""}, "context is ''")],
)  # fmt: skip
def test_arguments_that_check_nothing_are_refused(args, why):
    with pytest.raises(ArgumentError, match="probe citations") as caught:
        CitationsProbe(**args)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "text", ['"' * 100_000, "“" * 100_000, "." * 100_000, "[" * 100_000, " " * 100_000 + "[1]", "> " * 50_000]
)
def test_hostile_answers_take_no_long_time(text):
    assert scored(text + "x", ["x" * 1_000_000], each_sentence=True).values["held"] in {0.0, 1.0}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("(Source 2)", "(Source 9)"),
        ("(sources: 1, 2)", "(sources: 1, 9)"),
        ("¹", "⁹"),
        ("¹,²", "¹⁻⁹"),
        ("<sup>1</sup>", "<sup>9</sup>"),
        ("［1］", "［9］"),
        ("（出典 2）", "（出典 9）"),
        ("[#1]", "[#9]"),
        ("[1 and 2]", "[1 and 9]"),
        ("[1 to 2]", "[1 to 9]"),
        ("[Quelle 2]", "[Quelle 9]"),
        ("[chunk 2]", "[chunk 9]"),
        ("[1](https://shop.example)", "[9](https://shop.example)"),
    ],
)
def test_a_marker_counts_however_it_is_written(good, bad):
    assert scored(f"Fourteen days{good}.").passed
    assert "names no source" in scored(f"Unused [2]. Fourteen days{bad}.").explanation


@pytest.mark.parametrize("text", ["It has 20 m² and 10³ tiles, so x² is 4", "The total (result: 42), see (note 3)"])
def test_a_number_that_is_no_marker_is_none(text):
    assert scored(f"{text} [1].").passed
    assert scored(text).explanation == "the answer cites nothing"


def test_an_address_is_a_marker_where_sources_have_addresses():
    sources = [
        {"url": "https://shop.example/Returns/", "text": "Write to https://shop.example/contact within 14 days."}
    ]
    for said in ("Here: https://shop.example/returns.", "[Here](https://shop.example/Returns/).", "[1]"):
        assert scored(said, sources).passed, said
    assert scored("Write to https://shop.example/contact [1].", sources).passed
    assert "names no source" in scored("Fourteen days [1], https://shop.example/made-up.", sources).explanation


@pytest.mark.parametrize(
    ("answer", "source", "holds"),
    [
        ("‘accepted within 30 days’ [1]", "accepted within 14 days", False),
        ("‘don’t return it’ [1]", "Don't return it.", True),
        ("‹accepted within 30 days› [1]", "accepted within 14 days", False),
        ("『返品は三十日以内です』[1]", "返品は14日以内です", False),
        ("「返品は三十日以内です」[1]", "返品は14日以内です", False),
        ("「14日以内です」[1]", "返品は14日以内です", True),
        ("“ส่งคืนภายใน 30 วัน” [1]", "ส่งคืนภายใน 14 วัน", False),
        ("<q>accepted within 30 days</q> [1]", "accepted within 14 days", False),
        ("&quot;accepted within 30 days&quot; [1]", "accepted within 14 days", False),
        ('"accepted within 14 days" [1]', "<p><b>accepted</b> within 14&nbsp;days</p>", True),
        ('"fish & chips cost five"', "fish &amp; chips cost five", True),
        ('"accepted within **14 days**"', "_accepted_ within 14 days", True),
        ('"call __init__ of my_name"', "Call __init__ of my_name!", True),
    ],
)
def test_a_quotation_counts_in_every_script_and_markup(answer, source, holds):
    assert scored(answer, [source]).passed is holds


def test_a_source_is_called_by_its_metadata_too():
    assert scored("14 days [shop.md].", [{"page_content": "14 days", "metadata": {"source": "shop.md"}}]).passed


@pytest.mark.parametrize(
    ("answer", "claims"),
    [
        ("I'm sorry, I can't help with that.", False),
        ("The provided context does not contain this information.", False),
        ("There is no information about this in the sources.", False),
        ("Unfortunately, none of the pages say so, they do not mention it.", True),
        ("I do not know the date, but returns take 90 days.", True),
        ("月はチーズでできています。", True),
    ],
)
def test_a_refusal_needs_no_marker_and_a_claim_behind_it_does(answer, claims):
    assert scored(answer, optional=True, each_sentence=True).passed is not claims
