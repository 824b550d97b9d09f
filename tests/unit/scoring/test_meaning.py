import pytest

from insideLLMs.scoring.meaning import READ_CHARACTERS, held_apart


@pytest.mark.parametrize(
    ("one", "two", "check"),
    [
        ("The drug is safe for children.", "The drug is not safe for children.", "negation"),
        ("The drug isn't safe; the food is.", "The drug is safe; the food isn't.", "negation"),
        ("Le colis est arrivé.", "Le colis n'est pas arrivé.", "negation"),
        ("Der Test ist bestanden.", "Der Test ist nicht bestanden.", "negation"),
        ("Пакет пришёл.", "Пакет не пришёл.", "negation"),
        ("包裹到了。", "包裹没到。", "negation"),
        ("Take 5 mg.", "Take 50 mg.", "number"),
        ("Take 5 mg.", "Take 5 g.", "number"),
        ("There are three.", "There are four.", "number"),
        ("It leaves at 10:30.", "It leaves at 10:45.", "number"),
        ("It needs 3 pans and 5 pots.", "It needs 5 pans and 3 pots.", "order"),
        ("Use room B2.", "Use room B3.", "name"),
        ("use room b2", "use room b3", "number"),
        ("The plan was approved.", "The plan was declined.", "opposite"),
        ("Rain is likely.", "Rain is unlikely.", "opposite"),
        ("Sales went up.", "Sales went down.", "opposite"),
        ("It is in Paris.", "It is in Lyon.", "name"),
        ("Paris is big.", "Lyon is big.", "name"),
        ("Alice paid Bob.", "Bob paid Alice.", "name"),
        ("Answer: A", "Answer: B", "name"),
        ("the dog bit the man", "the man bit the dog", "order"),
        ("Run `ls -l`.", "Run `ls -a`.", "quotation or code"),
        ("See https://a.example/x.", "See https://a.example/y.", "quotation or code"),
        ("He said \"go\".", "He said \"stay\".", "quotation or code"),
        ("mix it with water", "that request goes against my policy", "refusal"),
        ("x" * (READ_CHARACTERS + 1), "x", "length"),
    ],
)  # fmt: skip
def test_what_turns_a_text_around_is_seen_in_both_directions(one: str, two: str, check: str) -> None:
    for before, after in ((one, two), (two, one)):
        found = held_apart(before, after)
        assert found is not None, f"{before} | {after}"
        assert found.check == check
        assert found.saw


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("The meeting was moved to Friday.", "They rescheduled the meeting for Friday."),
        ("Sales went up.", "Sales increased."),
        ("Do not open it.", "Don't open it!"),
        ("There are three items.", "There are 3 items."),
        ("It costs 1,000 euros.", "It costs 1000 euros."),
        ("Paris is nice.", "It is nice in Paris."),
        ("The cat sat.", "The cat sat. "),
        ("", ""),
    ],
)
def test_a_rewording_is_left_to_the_model(one: str, two: str) -> None:
    assert held_apart(one, two) is None


def test_a_difference_in_one_sentence_of_many_is_seen() -> None:
    text = "One plain sentence. " * 50
    assert held_apart(f"{text}Take 5 mg. {text}", f"{text}Take 6 mg. {text}") is not None
    assert held_apart(f"{text}Then use it. {text}", f"{text}Then apply it. {text}") is None
