"""Which names and dates an answer claims as its own."""

import pytest

from insideLLMs.scoring.dates import Day, claimed_dates
from insideLLMs.scoring.mentions import claims

NAMES = [
    ("People often say Canberra, but the capital is Sydney.", "Canberra", False),
    ("People often say Sydney, but the capital is Canberra.", "Canberra", True),
    ("Many think it is Canberra; in fact it's Sydney.", "Canberra", False),
    ("Although many people believe it's Canberra, the capital is Sydney.", "Canberra", False),
    ("You might think it's Canberra. However, it is Sydney.", "Canberra", False),
    ("A common misconception is that it is Canberra. It is Sydney.", "Canberra", False),
    ("Contrary to popular belief, it's not Canberra.", "Canberra", False),
    ("Contrary to popular belief, the capital is Canberra.", "Canberra", True),
    ("It is often said that Canberra is the capital, but it's Sydney.", "Canberra", False),
    ("Historians say it was Canberra.", "Canberra", True),
    ("It's widely believed to be Canberra.", "Canberra", True),
    ("I believe it's Canberra.", "Canberra", True),
    ("I think the answer is Canberra.", "Canberra", True),
    ("I'd say Canberra.", "Canberra", True),
    ("It's called Canberra.", "Canberra", True),
    ("They call it Canberra.", "Canberra", True),
    ("Not Canberra. Sydney.", "Canberra", False),
    ("It's Sydney, not Canberra.", "Canberra", False),
    ("Canberra, not Sydney.", "Canberra", True),
    ("It isn't Sydney; it's Canberra.", "Canberra", True),
    ("It is not Sydney but Canberra.", "Canberra", True),
    ("Neither Sydney nor Melbourne, but Canberra.", "Canberra", True),
    ("Unlike Sydney, Canberra is the capital.", "Canberra", True),
    ("Unlike Canberra, Sydney is the capital.", "Canberra", False),
    ("It could be Canberra, Sydney or Melbourne.", "Canberra", False),
    ("Canberra or Sydney.", "Canberra", False),
    ("Either Sydney or Canberra.", "Canberra", False),
    ("Sydney, Melbourne, Perth, Canberra.", "Canberra", False),
    ("Paris, London, and Canberra", "Canberra", False),
    ("Canberra. Other cities are Sydney, Perth and Darwin.", "Canberra", True),
    ("The capital is Canberra, Australia.", "Canberra", True),
    ("Canberra, ACT, Australia", "Canberra", True),
    ("Canberra, which has lakes, parks and museums, is the capital.", "Canberra", True),
    ("Canberra and not Sydney.", "Canberra", True),
    ("Canberra is bigger than Hobart and Darwin.", "Canberra", True),
    ("Is it Canberra? No, it's Sydney.", "Canberra", False),
    ("Wait, no: it's Sydney. Correction: it's Canberra.", "Canberra", True),
    ("It's Canberra. No, wait, it's Sydney.", "Canberra", False),
    ("The capital used to be Kyoto, now it's Tokyo.", "Kyoto", False),
    ("The capital used to be Kyoto, now it's Tokyo.", "Tokyo", True),
    ("It was Beyonce.", "Beyoncé", True),
    ("It was Beyoncé.", "Beyonce", True),
    ("Simon and Garfunkel", "Simon & Garfunkel", True),
    ("Simon & Garfunkel", "Simon and Garfunkel", True),
    ("It was Jean Paul Sartre.", "Jean-Paul Sartre", True),
    ("Jean-Paul Sartre", "Jean Paul Sartre", True),
    ("Canberra's lake", "Canberra", True),
    ("the CANBERRA", "Canberra", True),
    ("Это Романов.", "Роман", False),
    ("Это Роман.", "Роман", True),
    ("Joséphine", "José", False),
    ("巴黎是首都", "巴黎", True),
    ("서울입니다", "서울", True),
    ("パリです", "パリ", True),
    ("Η Αθήνα είναι.", "Αθήνα", True),
    ("القاهرة هي العاصمة", "القاهرة", True),
    ("O Rio é lindo", "Rio", True),
    ("กรุงเทพฯ เป็นเมืองหลวง", "กรุงเทพ", True),
    ("C++ is it", "C++", True),
    ("It's $5.", "$5", True),
    ("The answer is 42.", "42", True),
    ("The answer is 142.", "42", False),
    ("gold", "gold", True),
    ("It's gold or silver.", "gold", False),
    ("gold, silver, bronze, iron", "gold", False),
    ("bread and butter", "bread and butter", True),
    ("It's salt and pepper", "salt and pepper", True),
    ("H2O, also known as water", "H2O", True),
    ("As opposed to Canberra, it's Sydney.", "Canberra", False),
    ("It's definitely not in Canberra", "Canberra", False),
    ("There is no doubt: Canberra.", "Canberra", True),
    ("No other than Canberra.", "Canberra", False),
    ("None other than Canberra.", "Canberra", True),
    ("The first was Alan Shepard; Neil Armstrong walked on the Moon.", "Neil Armstrong", True),
    ("William Shakespeare wrote Hamlet, Macbeth and Othello.", "William Shakespeare", True),
    (
        "Hamlet is by William Shakespeare, the author of Macbeth, Othello and King Lear.",
        "William Shakespeare",
        True,
    ),
    ("Lyon? No. Paris.", "Paris", True),
    ("Sources differ: some say Paris, others say Lyon.", "Paris", False),
    ("It was Paris, formerly Lutetia.", "Paris", True),
    ("It was Paris, formerly Lutetia.", "Lutetia", False),
]
DATES = [
    ("Apollo 11 had 400 engineers and landed in 1969.", Day(1969)),
    ("It took 1500 workers until 1889.", Day(1889)),
    ("In 1969, 400 engineers", Day(1969)),
    ("The 1969 landing", Day(1969)),
    ("1969", Day(1969)),
    ("476", Day(476)),
    ("in 476 AD", Day(476)),
    ("44 BC", None),
    ("In 753 BC", Day(-753)),
    ("It landed in 1971, two years after 1969.", Day(1971)),
    ("Armstrong (1930–2012) landed in 1969.", Day(1969)),
    ("Armstrong, born in 1930, landed in 1969.", Day(1969)),
    ("7/20/1969", Day(1969, 7, 20)),
    ("20/7/1969", Day(1969, 7, 20)),
    ("3/4/2020", Day(2020)),
    ("July 20, 1969", Day(1969, 7, 20)),
    ("He died in 1821", Day(1821)),
    ("30 February 2024", None),
    ("29 Feb 2024", Day(2024, 2, 29)),
    ("not in 1968 but in 1969", Day(1969)),
    ("1,969 people in 1970", Day(1970)),
    ("It has 1969 seats and opened in 1980.", Day(1980)),
    ("around 1450", Day(1450)),
    ("It was built between 1887 and 1889.", Day(1887)),
    ("3 years later, in 1972", Day(1972)),
    ("room 404 in 2001", Day(2001)),
    ("It was 1066.", Day(1066)),
    ("By 1900 people knew.", Day(1900)),
    ("1000 years ago, in 1024", Day(1024)),
    ("With 1200 staff, it landed in 1969.", Day(1969)),
    ("Founded in 1958, it landed in 1969.", Day(1969)),
]


NAMES += [
    ("It's Sydney. Canberra is a common wrong answer.", "Canberra", False),
    ("Some say Canberra; I'd say Sydney.", "Canberra", False),
    ("Some say Canberra; I think so too.", "Canberra", True),
    ("The capital is Sydney (Canberra is only the seat of a university).", "Canberra", False),
    ("You'd think Canberra, right? Wrong: it's Sydney.", "Canberra", False),
    ("Canberra is only a small city, but it is the capital.", "Canberra", True),
]


@pytest.mark.parametrize(("text", "name", "claimed"), NAMES)
def test_a_name_counts_where_the_answer_claims_it(text, name, claimed):
    assert claims(text, [name]) is claimed


def test_names_that_are_all_right_may_stand_in_a_list():
    assert claims("Red, blue or yellow.", ["red", "blue", "yellow"])
    assert not claims("Red, blue or green.", ["red", "blue", "yellow"])


@pytest.mark.parametrize(("text", "day"), DATES)
def test_the_first_date_that_an_answer_claims_is_read(text, day):
    assert next(iter(claimed_dates(text, "When was it?")), None) == day


def test_a_birth_counts_where_it_is_asked_for():
    assert claimed_dates("Born in 1930, he landed in 1969.", "When was he born?")[0] == Day(1930)
    assert claimed_dates("Founded in 1958, it landed in 1969.", "When was it created?")[0] == Day(1958)
